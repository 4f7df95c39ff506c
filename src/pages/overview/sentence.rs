//! The sentence under the title: is the deployment serving, and what is wrong. Pure.

use super::glance::GroupGlance;
use crate::ui::format::{count, listed};

/// The sentence.
pub(crate) fn sentence(groups: &[GroupGlance]) -> String {
    let mut text = serving(groups);
    let trouble: usize = groups.iter().map(|group| group.tally.trouble).sum();
    let on_purpose: usize = groups.iter().map(|group| group.tally.on_purpose).sum();
    let silent: usize = groups
        .iter()
        .flat_map(|group| &group.servers)
        .filter(|server| server.down.is_some())
        .count();
    let mut parts = Vec::new();
    if silent > 0 {
        parts.push(if silent == 1 {
            "1 server does not answer".to_owned()
        } else {
            format!("{} servers do not answer", count(silent as u64))
        });
    }
    if trouble > 0 {
        parts.push(if trouble == 1 {
            "1 node needs attention".to_owned()
        } else {
            format!("{} nodes need attention", count(trouble as u64))
        });
    }
    if on_purpose > 0 {
        parts.push(format!(
            "{} {} out on purpose",
            count(on_purpose as u64),
            if on_purpose == 1 { "is" } else { "are" }
        ));
    }
    if !parts.is_empty() {
        let rest = parts.join(", ");
        text.push(' ');
        text.push_str(&rest);
        text.push('.');
    } else if groups.iter().all(GroupGlance::serves)
        && groups.iter().any(|group| group.tally.nodes > 0)
    {
        text.push_str(" Every server and node answers.");
    }
    text
}

fn serving(groups: &[GroupGlance]) -> String {
    let names = |pick: &dyn Fn(&GroupGlance) -> bool| {
        groups
            .iter()
            .filter(|group| pick(group))
            .map(|group| group.name.clone())
            .collect::<Vec<_>>()
    };
    let (yes, starting) = (
        names(&GroupGlance::serves),
        names(&|group| !group.serves() && group.is_starting()),
    );
    let no = names(&|group| !group.serves() && !group.is_starting());
    if no.is_empty() && starting.is_empty() {
        return match groups.len() {
            0 => "No group is configured.".to_owned(),
            1 => format!("{} is serving.", groups[0].name),
            2 => "Both groups are serving.".to_owned(),
            many => format!("All {many} groups are serving."),
        };
    }
    let mut parts = Vec::new();
    if !no.is_empty() {
        parts.push(format!(
            "{} {} not serving.",
            listed(&no),
            if no.len() == 1 { "is" } else { "are" }
        ));
    }
    if !starting.is_empty() {
        parts.push(format!("Asking {}.", listed(&starting)));
    }
    if !yes.is_empty() {
        parts.push(format!(
            "{} {} serving.",
            listed(&yes),
            if yes.len() == 1 { "is" } else { "are" }
        ));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::overview::sample::{down, group};

    #[test]
    fn all_is_well_in_few_words() {
        assert_eq!(
            sentence(&[group("east"), group("west")]),
            "Both groups are serving. Every server and node answers."
        );
        assert_eq!(
            sentence(&[group("east")]),
            "east is serving. Every server and node answers."
        );
        assert_eq!(sentence(&[]), "No group is configured.");
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let mut east = group("east");
        east.servers[0] = down("east-1", 12_000.0);
        east.servers[1].status.as_mut().unwrap().role = gridhelm_api::group::ServerRole::Standby;
        assert_eq!(
            sentence(&[east, group("west")]),
            "east is not serving. west is serving. 1 server does not answer."
        );
    }

    #[test]
    fn trouble_and_purpose_are_counted_apart() {
        let mut east = group("east");
        east.tally.trouble = 4;
        east.tally.on_purpose = 2;
        assert_eq!(
            sentence(&[east.clone(), group("west")]),
            "Both groups are serving. 4 nodes need attention, 2 are out on purpose."
        );
        east.tally.trouble = 1;
        east.tally.on_purpose = 1;
        assert_eq!(
            sentence(&[east]),
            "east is serving. 1 node needs attention, 1 is out on purpose."
        );
    }

    #[test]
    fn a_group_that_is_still_asked_is_not_called_down() {
        let mut east = group("east");
        east.age_ms = None;
        for server in &mut east.servers {
            server.live = false;
            server.connecting = true;
            server.status = None;
        }
        assert_eq!(
            sentence(&[east, group("west")]),
            "Asking east. west is serving."
        );
    }
}
