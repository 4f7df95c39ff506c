//! The fields of a node as people type them, and what can be said of each before anything is sent. Pure.

use gridhelm_api::node::{Intent, Node, NodeDraft, NodePatch, NodeTest, OperatingType};
use gridhelm_api::{FieldError, Problem};

use crate::ui::Glyph;
use crate::ui::format::counted;

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The node's name.
    Name,
    /// Where Rserve listens.
    Host,
    /// On which port.
    Port,
    /// As whom the server signs in at Rserve.
    User,
    /// With which password.
    Password,
    /// How many sessions may run at once.
    Slots,
    /// Free words.
    Labels,
}

impl Field {
    /// All of them, in the order of the form.
    pub(crate) const ALL: [Self; 7] = [
        Self::Name,
        Self::Host,
        Self::Port,
        Self::User,
        Self::Password,
        Self::Slots,
        Self::Labels,
    ];

    /// Its label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Host => "Host",
            Self::Port => "Rserve port",
            Self::User => "User at Rserve",
            Self::Password => "Password",
            Self::Slots => "Slots",
            Self::Labels => "Labels",
        }
    }

    /// Its name in the API.
    pub(crate) const fn api(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Host => "host",
            Self::Port => "port",
            Self::User => "user",
            Self::Password => "password",
            Self::Slots => "slot_limit",
            Self::Labels => "labels",
        }
    }
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    texts: [String; 7],
    /// What kinds of task it takes.
    pub(crate) runs: OperatingType,
    /// Start as enabled or disabled.
    pub(crate) start: Intent,
}

impl Default for Form {
    fn default() -> Self {
        let mut form = Self {
            texts: Default::default(),
            runs: OperatingType::Mixed,
            start: Intent::Enabled,
        };
        form.set(Field::Port, "6311");
        form.set(Field::Slots, "3");
        form
    }
}

/// What can be wrong, doubtful or good with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// Fail: it may not be saved so. Warn: it may. Pass: it was checked.
    pub(crate) tone: Glyph,
    /// What is so.
    pub(crate) text: String,
    /// A value that would mend it.
    pub(crate) repair: Option<String>,
}

impl Hint {
    fn new(tone: Glyph, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
            repair: None,
        }
    }
}

impl Form {
    /// The fields as a registered node has them; the password, which never comes back, is empty.
    pub(crate) fn of_node(node: &Node) -> Self {
        let mut form = Self {
            runs: node.operating_type,
            start: node.intent,
            ..Self::default()
        };
        form.set(Field::Name, &node.name);
        form.set(Field::Host, &node.host);
        form.set(Field::Port, &node.port.to_string());
        form.set(Field::User, node.user.as_deref().unwrap_or_default());
        form.set(Field::Slots, &node.slot_limit.to_string());
        form.set(Field::Labels, &node.labels.join(", "));
        form
    }

    /// What stands in a field.
    pub(crate) fn get(&self, field: Field) -> &str {
        &self.texts[field as usize]
    }

    /// Puts something into a field.
    pub(crate) fn set(&mut self, field: Field, text: &str) {
        text.clone_into(&mut self.texts[field as usize]);
    }

    /// The node to be. Numbers that are none become 0, which the checks refuse.
    pub(crate) fn draft(&self) -> NodeDraft {
        let some = |field: Field| {
            Some(self.get(field))
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        NodeDraft {
            name: self.get(Field::Name).trim().to_owned(),
            host: self.get(Field::Host).trim().to_owned(),
            port: self.get(Field::Port).trim().parse().unwrap_or(0),
            slot_limit: self.get(Field::Slots).trim().parse().unwrap_or(0),
            operating_type: self.runs,
            user: some(Field::User),
            password: some(Field::Password),
            labels: labels(self.get(Field::Labels)),
            intent: self.start,
        }
    }

    /// What a test of the connection depends on: when this changes, a test says nothing any more.
    pub(crate) fn tested(&self) -> (String, u16, Option<String>, Option<String>) {
        let draft = self.draft();
        (draft.host, draft.port, draft.user, draft.password)
    }

    /// What can be said of each field, worst first where there are several.
    pub(crate) fn hint(
        &self,
        field: Field,
        group: &str,
        nodes: &[Node],
        test: Option<&NodeTest>,
    ) -> Option<Hint> {
        let draft = self.draft();
        if let Some(error) = draft
            .check()
            .into_iter()
            .find(|error| error.field == field.api())
        {
            return Some(Hint {
                repair: self.repair(field, group, nodes),
                ..Hint::new(Glyph::Fail, error.message)
            });
        }
        match field {
            Field::Name if nodes.iter().any(|node| node.name == draft.name) => Some(Hint {
                repair: Some(next_free(group, nodes)),
                ..Hint::new(Glyph::Fail, "Already registered. Next free:")
            }),
            Field::Host => Some(
                match nodes
                    .iter()
                    .find(|node| node.host == draft.host && node.port == draft.port)
                {
                    Some(other) => Hint::new(
                        Glyph::Fail,
                        format!("{}:{} is {} already.", other.host, other.port, other.name),
                    ),
                    None => Hint::new(Glyph::Pass, "Not used by another node"),
                },
            ),
            Field::User if draft.user.is_none() && draft.password.is_some() => {
                Some(Hint::new(Glyph::Fail, "A password needs a user."))
            }
            Field::Slots => slots_hint(draft.slot_limit, test),
            _ => None,
        }
    }

    fn repair(&self, field: Field, group: &str, nodes: &[Node]) -> Option<String> {
        match field {
            Field::Name if self.get(field).trim().is_empty() => Some(next_free(group, nodes)),
            Field::Port => Some("6311".to_owned()),
            _ => None,
        }
    }

    /// The fields that must be mended before it can be registered.
    pub(crate) fn wrong(&self, group: &str, nodes: &[Node]) -> Vec<Field> {
        let bad = |field: &Field| {
            self.hint(*field, group, nodes, None)
                .is_some_and(|hint| hint.tone == Glyph::Fail)
        };
        Field::ALL.into_iter().filter(bad).collect()
    }

    /// What differs from the node as it was when the form was opened: what is not in here stays as it is.
    pub(crate) fn patch(&self, node: &Node) -> NodePatch {
        let draft = self.draft();
        let mut patch = NodePatch::default();
        if draft.host != node.host {
            patch.host = Some(draft.host);
        }
        if draft.port != node.port {
            patch.port = Some(draft.port);
        }
        if draft.slot_limit != node.slot_limit {
            patch.slot_limit = Some(draft.slot_limit);
        }
        if draft.operating_type != node.operating_type {
            patch.operating_type = Some(draft.operating_type);
        }
        if draft.labels != node.labels {
            patch.labels = Some(draft.labels);
        }
        if draft.user.is_some() && draft.user != node.user {
            patch.user = draft.user;
        }
        patch.password = draft.password;
        patch
    }
}

/// The sentence beside the button: what to mend first.
pub(crate) fn mend(wrong: &[Field]) -> Option<String> {
    if wrong.is_empty() {
        return None;
    }
    let names: Vec<&str> = wrong.iter().map(|field| field.label()).collect();
    Some(format!(
        "Fix {} to register: {}.",
        counted(wrong.len(), "field"),
        names.join(", ")
    ))
}

/// What the server found wrong, for the fields that it names.
pub(crate) fn of_problem(problem: Option<&Problem>, field: Field) -> Option<Hint> {
    let errors: &[FieldError] = problem
        .map(|problem| problem.errors.as_slice())
        .unwrap_or_default();
    errors
        .iter()
        .find(|error| error.field == field.api())
        .map(|error| Hint::new(Glyph::Fail, error.message.clone()))
}

fn slots_hint(slots: u32, test: Option<&NodeTest>) -> Option<Hint> {
    let test = test?;
    let suggested = test.suggested_slots?;
    let cores = test.facts.as_ref().map_or(0, |facts| facts.cores);
    let doubt = if cores > 0 && slots > cores {
        format!("More than its {}.", counted(cores as usize, "core"))
    } else if slots > suggested {
        "More than its memory suggests.".to_owned()
    } else if slots < suggested {
        return Some(Hint {
            repair: Some(suggested.to_string()),
            ..Hint::new(Glyph::Info, format!("It could take {suggested}."))
        });
    } else {
        return Some(Hint::new(Glyph::Pass, "As the test suggests"));
    };
    Some(Hint {
        repair: Some(suggested.to_string()),
        ..Hint::new(Glyph::Warn, doubt)
    })
}

fn labels(text: &str) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in text
        .split(',')
        .map(str::trim)
        .filter(|label| !label.is_empty())
    {
        if !labels.iter().any(|known| known == label) {
            labels.push(label.to_owned());
        }
    }
    labels
}

/// The name after the greatest number that the group's nodes have: `east-r02`, `east-r04` → `east-r05`.
pub(crate) fn next_free(group: &str, nodes: &[Node]) -> String {
    let numbered = |name: &'_ str| -> Option<(String, u64, usize)> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &name[stem.len()..];
        Some((stem.to_owned(), digits.parse().ok()?, digits.len()))
    };
    let greatest = nodes
        .iter()
        .filter_map(|node| numbered(&node.name))
        .max_by_key(|(_, number, _)| *number);
    let (stem, number, width) = greatest.unwrap_or_else(|| (format!("{group}-r"), 0, 2));
    format!("{stem}{:0width$}", number.saturating_add(1))
}

/// How an operating type is offered.
pub(crate) const fn runs_label(runs: OperatingType) -> &'static str {
    match runs {
        OperatingType::Mixed => "Mixed: all kinds of task",
        OperatingType::Authenticated => "Authenticated: callers who wait",
        OperatingType::Anonymous => "Anonymous: callers without sign-in",
        OperatingType::Asynchronous => "Asynchronous: the queue",
    }
}

/// All operating types, with their word in sentences and forms.
pub(crate) const RUNS: [(OperatingType, &str); 4] = [
    (OperatingType::Mixed, "mixed"),
    (OperatingType::Authenticated, "authenticated"),
    (OperatingType::Anonymous, "anonymous"),
    (OperatingType::Asynchronous, "asynchronous"),
];

/// An operating type in one word.
pub(crate) fn runs_word(runs: OperatingType) -> &'static str {
    RUNS.iter()
        .find(|(known, _)| *known == runs)
        .map_or("mixed", |(_, word)| word)
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
