//! Which events are shown, how many there are of each kind, and when they happened. Pure.

use gridhelm_api::Millis;
use gridhelm_api::event::{Event, Severity, Topic};

/// Severities, the gravest first, with their name in the address and their label.
pub(crate) const SEVERITIES: [(Severity, &str, &str); 4] = [
    (Severity::Fail, "fail", "Error"),
    (Severity::Warn, "warn", "Warning"),
    (Severity::Good, "good", "Good"),
    (Severity::Info, "info", "Info"),
];

/// Topics, with their name in the address and their label.
pub(crate) const TOPICS: [(Topic, &str, &str); 6] = [
    (Topic::Grid, "grid", "Grid"),
    (Topic::Task, "task", "Task"),
    (Topic::Switch, "switch", "Switch"),
    (Topic::Repository, "repository", "Repository"),
    (Topic::Account, "account", "Account"),
    (Topic::Server, "server", "Server"),
];

/// Periods: their name in the address, their label, and how long they are.
pub(crate) const PERIODS: [(&str, &str, Millis); 3] = [
    ("1h", "1 h", 3_600_000),
    ("24h", "24 h", 86_400_000),
    ("7d", "7 d", 7 * 86_400_000),
];

/// The label of a severity.
pub(crate) fn severity_label(severity: Severity) -> &'static str {
    SEVERITIES
        .iter()
        .find(|(known, ..)| *known == severity)
        .map_or("Info", |(_, _, label)| label)
}

/// The label of a topic.
pub(crate) fn topic_label(topic: Topic) -> &'static str {
    TOPICS
        .iter()
        .find(|(known, ..)| *known == topic)
        .map_or("Server", |(_, _, label)| label)
}

/// An event with the index of its group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The group.
    pub(crate) group: usize,
    /// The event.
    pub(crate) event: Event,
}

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    words: Vec<String>,
    severities: Vec<Severity>,
    topics: Vec<Topic>,
    since: Option<Millis>,
}

fn picked<T: Copy>(known: &[(T, &str, &str)], names: Option<&str>) -> Vec<T> {
    let named = |name: &str| {
        known
            .iter()
            .find(|(_, token, _)| *token == name)
            .map(|(value, ..)| *value)
    };
    names
        .unwrap_or_default()
        .split(',')
        .filter_map(named)
        .collect()
}

impl Filter {
    /// Reads the parameters of the address. What nobody knows is left out.
    pub(crate) fn new(
        q: Option<&str>,
        severity: Option<&str>,
        topic: Option<&str>,
        period: Option<&str>,
        now: Millis,
    ) -> Self {
        let long = period
            .and_then(|period| PERIODS.iter().find(|(name, ..)| *name == period))
            .map(|(_, _, long)| *long);
        Self {
            words: q
                .unwrap_or_default()
                .to_lowercase()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            severities: picked(&SEVERITIES, severity),
            topics: picked(&TOPICS, topic),
            since: long.map(|long| now - long),
        }
    }

    fn in_time(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.at >= since)
    }

    fn has_words(&self, event: &Event) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let text = [
            event.kind.as_str(),
            &event.subject,
            &event.message,
            &event.actor,
        ]
        .join(" ")
        .to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }

    fn of_severity(&self, event: &Event) -> bool {
        self.severities.is_empty() || self.severities.contains(&event.severity)
    }

    fn of_topic(&self, event: &Event) -> bool {
        self.topics.is_empty() || self.topics.contains(&event.topic)
    }

    /// Whether it leaves this event.
    pub(crate) fn leaves(&self, event: &Event) -> bool {
        self.in_time(event)
            && self.of_severity(event)
            && self.of_topic(event)
            && self.has_words(event)
    }
}

/// How many events each box of the facets would leave, the other facet and the text applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facets {
    /// By severity, as in [`SEVERITIES`].
    pub(crate) severities: [usize; 4],
    /// By topic, as in [`TOPICS`].
    pub(crate) topics: [usize; 6],
}

/// Counts them.
pub(crate) fn facets(lines: &[Line], filter: &Filter) -> Facets {
    let mut facets = Facets::default();
    for Line { event, .. } in lines {
        if !filter.in_time(event) || !filter.has_words(event) {
            continue;
        }
        if filter.of_topic(event)
            && let Some(index) = SEVERITIES
                .iter()
                .position(|(known, ..)| *known == event.severity)
        {
            facets.severities[index] += 1;
        }
        if filter.of_severity(event)
            && let Some(index) = TOPICS.iter().position(|(known, ..)| *known == event.topic)
        {
            facets.topics[index] += 1;
        }
    }
    facets
}

/// The parameter of the address after `name` was ticked or cleared; `all` are the names that there are. All ticked, and none, is no filter.
pub(crate) fn ticked(present: Option<&str>, name: &str, all: &[&str]) -> Option<String> {
    let shown =
        |other: &str| present.is_none_or(|present| present.split(',').any(|known| known == other));
    let left: Vec<&str> = all
        .iter()
        .copied()
        .filter(|other| {
            if *other == name {
                !shown(other)
            } else {
                shown(other)
            }
        })
        .collect();
    (!left.is_empty() && left.len() < all.len()).then(|| left.join(","))
}

/// How many bars the histogram has.
pub(crate) const BARS: usize = 96;

/// Events over time: a bar for each stretch, by severity as in [`SEVERITIES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// From when.
    pub(crate) from: Millis,
    /// To when.
    pub(crate) to: Millis,
    /// The bars, oldest first.
    pub(crate) bars: Vec<[u32; 4]>,
}

/// Counts events from the oldest one, or the beginning of the period, to now.
pub(crate) fn histogram(lines: &[Line], filter: &Filter, now: Millis) -> Histogram {
    let shown = || lines.iter().filter(|line| filter.leaves(&line.event));
    let from = filter
        .since
        .unwrap_or_else(|| {
            shown()
                .map(|line| line.event.at)
                .min()
                .unwrap_or(now - 3_600_000)
        })
        .min(now - 60_000);
    let mut bars = vec![[0_u32; 4]; BARS];
    let span = now - from + 1;
    for Line { event, .. } in shown() {
        let bar = usize::try_from(
            (event.at - from)
                .clamp(0, span - 1)
                .saturating_mul(BARS as Millis)
                / span,
        )
        .unwrap_or(0);
        let severity = SEVERITIES
            .iter()
            .position(|(known, ..)| *known == event.severity)
            .unwrap_or(3);
        bars[bar.min(BARS - 1)][severity] += 1;
    }
    Histogram {
        from,
        to: now,
        bars,
    }
}

/// Events of several sources in one order, newest first, each once.
pub(crate) fn merged(mut lines: Vec<Line>) -> Vec<Line> {
    let place = |line: &Line| (line.event.at, line.event.id, line.group);
    crate::ui::order::sort(&mut lines, |a, b| place(b).cmp(&place(a)));
    lines.dedup_by(|a, b| a.group == b.group && a.event.id == b.event.id);
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn line(id: i64, at: Millis, severity: Severity, topic: Topic, message: &str) -> Line {
        let event = Event {
            id,
            at,
            severity,
            topic,
            kind: "node.contracted".to_owned(),
            subject: "east-r07".to_owned(),
            message: message.to_owned(),
            actor: "east-1".to_owned(),
            epoch: 4,
        };
        Line { group: 0, event }
    }

    fn some() -> Vec<Line> {
        vec![
            line(
                3,
                10_000_000,
                Severity::Fail,
                Topic::Grid,
                "lost: connection refused",
            ),
            line(2, 9_000_000, Severity::Good, Topic::Grid, "answers again"),
            line(1, 1_000_000, Severity::Info, Topic::Account, "signed in"),
        ]
    }

    fn ids(filter: &Filter) -> Vec<i64> {
        some()
            .iter()
            .filter(|line| filter.leaves(&line.event))
            .map(|line| line.event.id)
            .collect()
    }

    #[test]
    fn every_filter_narrows_and_unknown_words_of_the_address_do_not() {
        let filter =
            |q, severity, topic, period| Filter::new(q, severity, topic, period, 10_000_000);
        assert_eq!(ids(&filter(None, None, None, None)), [3, 2, 1]);
        assert_eq!(ids(&filter(Some("R07 REFUSED"), None, None, None)), [3]);
        assert_eq!(ids(&filter(None, Some("good,info"), None, None)), [2, 1]);
        assert_eq!(ids(&filter(None, None, Some("account"), None)), [1]);
        assert_eq!(ids(&filter(None, None, None, Some("1h"))), [3, 2]);
        assert_eq!(
            ids(&filter(None, Some("bad"), Some("<b>"), Some("9y"))),
            [3, 2, 1]
        );
    }

    #[test]
    fn facets_count_what_each_box_would_leave() {
        let filter = Filter::new(None, Some("good"), None, None, 10_000_000);
        let facets = facets(&some(), &filter);
        assert_eq!(facets.severities, [1, 0, 1, 1]);
        assert_eq!(facets.topics, [1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn ticking_all_or_nothing_is_no_filter() {
        let all = ["a", "b", "c"];
        assert_eq!(ticked(None, "b", &all).as_deref(), Some("a,c"));
        assert_eq!(ticked(Some("a,c"), "b", &all), None);
        assert_eq!(ticked(Some("a"), "a", &all), None);
        assert_eq!(ticked(Some("a"), "c", &all).as_deref(), Some("a,c"));
    }

    #[test]
    fn every_event_shown_stands_in_one_bar() {
        let filter = Filter::new(None, None, None, None, 10_000_000);
        let drawn = histogram(&some(), &filter, 10_000_000);
        assert_eq!(drawn.bars.iter().flatten().sum::<u32>(), 3);
        assert_eq!(drawn.bars[BARS - 1][0], 1);
        assert_eq!(drawn.bars[0][3], 1);
        let hour = histogram(
            &some(),
            &Filter::new(None, None, None, Some("1h"), 10_000_000),
            10_000_000,
        );
        assert_eq!(hour.bars.iter().flatten().sum::<u32>(), 2);
        assert_eq!(histogram(&[], &filter, 10_000_000).bars.len(), BARS);
    }

    #[test]
    fn an_event_of_two_sources_is_told_once() {
        let mut lines = some();
        lines.extend(some());
        lines.push(Line {
            group: 1,
            ..some().remove(0)
        });
        assert_eq!(
            merged(lines)
                .iter()
                .map(|line| (line.group, line.event.id))
                .collect::<Vec<_>>(),
            [(1, 3), (0, 3), (0, 2), (0, 1)]
        );
    }
}
