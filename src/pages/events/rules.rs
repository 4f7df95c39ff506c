//! The rules that open alerts.

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::alert::{AlertKind, AlertRule, AlertRules, MAX_RULES};
use gridhelm_api::event::Severity;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::{Group, trouble};
use crate::ui::{Button, ErrorBox, Icon, Panel, Skeleton, Trouble, Weight, next_id, use_toasts};

/// The kinds, with what people call them.
const KINDS: [(AlertKind, &str, &str); 6] = [
    (
        AlertKind::NodeUnreachable,
        "node_unreachable",
        "A node does not answer",
    ),
    (
        AlertKind::NodeDegraded,
        "node_degraded",
        "A node is degraded",
    ),
    (
        AlertKind::SlotsBelow,
        "slots_below",
        "Fewer usable slots than",
    ),
    (AlertKind::NoSlot, "no_slot", "No slot for a kind of task"),
    (
        AlertKind::QueueAbove,
        "queue_above",
        "More tasks waiting than",
    ),
    (
        AlertKind::Zombies,
        "zombies",
        "More zombie slots on a node than",
    ),
];

/// A name that no rule has yet.
fn free_name(rules: &[AlertRule]) -> String {
    (1..=MAX_RULES + 1)
        .map(|n| format!("rule-{n}"))
        .find(|name| rules.iter().all(|rule| rule.name != *name))
        .unwrap_or_default()
}

/// The panel.
pub(super) fn panel(group: &'static Group) -> AnyView {
    let saved = RwSignal::new(None::<AlertRules>);
    let draft = RwSignal::new(Vec::<AlertRule>::new());
    // The rows are made anew when rules come or go, not at each letter.
    let made = RwSignal::new(0_u32);
    let fault = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let take = move |rules: AlertRules| {
        let _ = draft.try_set(rules.rules.clone());
        let _ = saved.try_set(Some(rules));
        let _ = made.try_update(|made| *made += 1);
        let _ = fault.try_set(None);
    };
    let failed = move |what: &str, error: &gridhelm_client::Error| {
        let title = format!("The rules of {} {what}", group.name);
        let _ = fault.try_set(Some(trouble(&title, error)));
    };
    Effect::new(move |_| {
        if !group.signed_in() {
            return;
        }
        spawn_local(async move {
            let said = group
                .act(|client| async move { client.alert_rules().await })
                .await;
            match said {
                Ok(rules) => take(rules),
                Err(error) => failed("cannot be read", &error),
            }
        });
    });
    let off = Signal::derive(move || {
        group.write_off(Role::Operator).or_else(|| {
            let rules = AlertRules {
                version: 0,
                rules: draft.get(),
            };
            let wrong = rules.check().into_iter().next();
            let same = saved.with(|saved| saved.as_ref().is_some_and(|s| s.rules == rules.rules));
            wrong
                .map(|error| format!("{}: {}", error.field, error.message))
                .or_else(|| same.then(|| "Nothing was changed.".to_owned()))
        })
    });
    let save = Callback::new(move |()| {
        let Some(version) = saved.with_untracked(|saved| saved.as_ref().map(|s| s.version)) else {
            return;
        };
        let rules = AlertRules {
            version,
            rules: draft.get_untracked(),
        };
        busy.set(Some("Saving…".to_owned()));
        spawn_local(async move {
            let wanted = &rules;
            let said = group
                .act(|client| async move { client.set_alert_rules(wanted).await })
                .await;
            match said {
                Ok(rules) => {
                    toasts.good("Rules saved".to_owned(), group.name.clone());
                    take(rules);
                }
                Err(error) => failed("were not saved", &error),
            }
            let _ = busy.try_set(None);
        });
    });
    let add = Callback::new(move |()| {
        draft.update(|rules| {
            if rules.len() < MAX_RULES {
                rules.push(AlertRule {
                    name: free_name(rules),
                    kind: AlertKind::NodeUnreachable,
                    severity: Severity::Warn,
                    after_s: 60,
                    threshold: 0,
                    label: None,
                    notify: true,
                    enabled: true,
                });
            }
        });
        made.update(|made| *made += 1);
    });
    let rows = move || {
        made.track();
        let n = draft.with_untracked(Vec::len);
        (0..n).map(|index| row(draft, made, index)).collect_view()
    };
    let why = next_id("why");
    let body = move || {
        if saved.with(Option::is_none) {
            return view! { <Skeleton lines=3 name="Reading the rules"/> }.into_any();
        }
        let why = why.clone();
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label="Table of the rules">
                <table class="tbl tbl--rules">
                    <thead><tr><th scope="col">"On"</th><th scope="col">"Name"</th><th scope="col">"When"</th><th scope="col" class="num">"Number"</th><th scope="col" class="num">"For, seconds"</th><th scope="col">"Label"</th><th scope="col">"How grave"</th><th scope="col">"Webhook"</th><th scope="col"><span class="sr">"Remove"</span></th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <div class="pad acts">
                <Button small=true icon=Icon::Plus on_click=add>"Add a rule"</Button>
                <Button small=true weight=Weight::Primary off=off reason_at=why.clone() busy=busy on_click=save>"Save the rules"</Button>
                <span class="why-not" id=why aria-live="polite">{move || off.get()}</span>
            </div>
        }
        .into_any()
    };
    let title = format!("Rules of {}", group.name);
    view! {
        {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        <Panel title=title>{body}</Panel>
    }
    .into_any()
}

/// One rule's inputs.
fn row(draft: RwSignal<Vec<AlertRule>>, made: RwSignal<u32>, index: usize) -> AnyView {
    let Some(rule) = draft.with_untracked(|rules| rules.get(index).cloned()) else {
        return ().into_any();
    };
    let change = move |what: &dyn Fn(&mut AlertRule)| {
        draft.update(|rules| {
            if let Some(rule) = rules.get_mut(index) {
                what(rule);
            }
        });
    };
    let of = |what: &str| format!("{what} of rule {}", index + 1);
    let kind = move |event: web_sys::Event| {
        let word = event_target_value(&event);
        if let Some((kind, ..)) = KINDS.iter().find(|(_, key, _)| *key == word) {
            change(&|rule| rule.kind = *kind);
        }
    };
    let options = KINDS
        .iter()
        .map(|(own, key, words)| view! { <option value=*key selected=rule.kind == *own>{*words}</option> })
        .collect_view();
    let severity = move |event: web_sys::Event| {
        let grave = event_target_value(&event) == "fail";
        change(&|rule| {
            rule.severity = if grave {
                Severity::Fail
            } else {
                Severity::Warn
            };
        });
    };
    let number = move |event: web_sys::Event| {
        let value = event_target_value(&event).parse().unwrap_or(u32::MAX);
        change(&|rule| rule.threshold = value);
    };
    let after = move |event: web_sys::Event| {
        let value = event_target_value(&event).parse().unwrap_or(u32::MAX);
        change(&|rule| rule.after_s = value);
    };
    let label = move |event: web_sys::Event| {
        let text = event_target_value(&event).trim().to_owned();
        change(&|rule| rule.label = Some(text.clone()).filter(|text| !text.is_empty()));
    };
    let name = move |event: web_sys::Event| {
        let text = event_target_value(&event);
        change(&|rule| text.trim().clone_into(&mut rule.name));
    };
    let enabled = move |event: web_sys::Event| {
        let on = event_target_checked(&event);
        change(&|rule| rule.enabled = on);
    };
    let notify = move |event: web_sys::Event| {
        let on = event_target_checked(&event);
        change(&|rule| rule.notify = on);
    };
    let remove = Callback::new(move |()| {
        draft.update(|rules| {
            if index < rules.len() {
                rules.remove(index);
            }
        });
        made.update(|made| *made += 1);
    });
    let remove_name = format!("Remove {}", rule.name);
    view! {
        <tr>
            <td><input type="checkbox" aria-label=of("On") prop:checked=rule.enabled on:change=enabled/></td>
            <td><input class="input" aria-label=of("Name") maxlength="64" prop:value=rule.name.clone() on:input=name/></td>
            <td><select class="select" aria-label=of("When") on:change=kind>{options}</select></td>
            <td><input class="input" type="number" min="0" max="1000000" aria-label=of("Number") prop:value=rule.threshold.to_string() on:input=number/></td>
            <td><input class="input" type="number" min="0" max="86400" aria-label=of("Seconds") prop:value=rule.after_s.to_string() on:input=after/></td>
            <td><input class="input" aria-label=of("Label") maxlength="40" placeholder="any" prop:value=rule.label.clone().unwrap_or_default() on:input=label/></td>
            <td><select class="select" aria-label=of("How grave") on:change=severity><option value="warn" selected=rule.severity == Severity::Warn>"warning"</option><option value="fail" selected=rule.severity == Severity::Fail>"failure"</option></select></td>
            <td><input type="checkbox" aria-label=of("Webhook") prop:checked=rule.notify on:change=notify/></td>
            <td class="num"><Button small=true icon=Icon::Remove name=remove_name on_click=remove/></td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_rule_has_a_name_of_its_own() {
        let mut rules = AlertRules::default().rules;
        assert_eq!(free_name(&rules), "rule-1");
        rules[0].name = "rule-1".to_owned();
        assert_eq!(free_name(&rules), "rule-2");
    }

    #[test]
    fn every_kind_that_the_first_rules_use_can_be_chosen() {
        for rule in AlertRules::default().rules {
            assert!(
                KINDS.iter().any(|(kind, ..)| *kind == rule.kind),
                "{rule:?}"
            );
        }
    }
}
