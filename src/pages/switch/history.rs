//! Past switches of the groups in scope: who, why, from, to, how long, what they cost. Filtered by the servers; saved
//! as CSV or JSON.

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::switch::{SwitchFilter, SwitchKind, SwitchRecord, SwitchState};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::words;
use crate::app::route::{Route, SwitchView};
use crate::app::use_router;
use crate::deployment::{Group, trouble};
use crate::ui::format::duration;
use crate::ui::{
    Button, Empty, ErrorBox, Icon, Panel, SearchField, SelectField, Trouble, csv_line, moment,
    save_text, state,
};

/// How many switches of a group are shown.
const SHOWN: u32 = 50;
/// How many at most are asked for at once when they are saved.
const PAGE: u32 = 1_000;

/// What the address asks for.
fn filter(view: &SwitchView) -> SwitchFilter {
    SwitchFilter {
        kind: match view.kind.as_deref() {
            Some("planned") => Some(SwitchKind::Planned),
            Some("forced") => Some(SwitchKind::Forced),
            Some("automatic") => Some(SwitchKind::Automatic),
            _ => None,
        },
        state: match view.state.as_deref() {
            Some("done") => Some(SwitchState::Done),
            Some("failed") => Some(SwitchState::Failed),
            Some("cancelled") => Some(SwitchState::Cancelled),
            Some("scheduled") => Some(SwitchState::Scheduled),
            _ => None,
        },
        text: view.q.clone(),
        ..SwitchFilter::default()
    }
}

/// The table; fetched again with every switch that moves on, and with every other filter.
pub(super) fn table(groups: Vec<&'static Group>) -> AnyView {
    let router = use_router();
    let address = router.select(|place| match &place.route {
        Route::Switch(view) => view.clone(),
        _ => SwitchView::default(),
    });
    let records = RwSignal::new(Vec::<SwitchRecord>::new());
    let faults = RwSignal::new(Vec::<Trouble>::new());
    // The dialog and the chosen server stand in the same address.
    let wanted = Memo::new(move |_| address.with(filter));
    for group in groups.clone() {
        Effect::new(move |_| {
            // Tracks: a switch that moved on, a sign-in, and a server that is there again.
            group.switch.track();
            let wanted = SwitchFilter {
                limit: Some(SHOWN),
                ..wanted.get()
            };
            if !group.signed_in() || !group.servers.iter().any(super::Server::is_live) {
                return;
            }
            spawn_local(async move {
                let asked = &wanted;
                let outcome = group
                    .act(|client| async move { client.switches(asked).await })
                    .await;
                match outcome {
                    Ok(found) => {
                        let _ = records.try_update(|records| {
                            records.retain(|record| record.group != group.name);
                            records.extend(found.items);
                            crate::ui::order::sort(records, |a, b| b.started_at.cmp(&a.started_at));
                        });
                        let _ = faults.try_set(Vec::new());
                    }
                    Err(error) => {
                        let trouble = trouble(
                            &format!("The history of {} is not to be had", group.name),
                            &error,
                        );
                        let _ = faults.try_update(|faults| faults.push(trouble));
                    }
                }
            });
        });
    }
    let rows = move || {
        let filtered = wanted.with(|wanted| *wanted != SwitchFilter::default());
        records.with(|records| {
            if records.is_empty() && filtered {
                return view! { <Empty title="No such switch" text="None of the history fits; show all kinds and ends, or search for less."/> }.into_any();
            }
            if records.is_empty() {
                return view! { <Empty title="No switch yet" text="Planned switchovers and forced failovers stand here, with who, why and how long clients waited. Try one out above: nothing is changed."/> }.into_any();
            }
            view! {
                <div class="scroll" tabindex="0" role="region" aria-label="History of switches">
                <table class="tbl">
                    <thead><tr><th scope="col">"When"</th><th scope="col">"Group"</th><th scope="col">"From, to"</th><th scope="col">"Kind"</th><th scope="col">"Who"</th><th scope="col">"Why"</th><th scope="col" class="num">"Duration"</th><th scope="col" class="num">"Gap"</th><th scope="col" class="num">"Refused"</th><th scope="col">"Epoch"</th></tr></thead>
                    <tbody>{records.iter().map(row).collect_view()}</tbody>
                </table>
                </div>
            }
            .into_any()
        })
    };
    let replace = move |change: fn(&mut SwitchView, Option<String>), value: String| {
        let mut view = address.get_untracked();
        change(&mut view, Some(value).filter(|value| !value.is_empty()));
        router.replace(Route::Switch(view));
    };
    let pick = move |name: fn(&SwitchView) -> &Option<String>| {
        Signal::derive(move || address.with(|view| name(view).clone().unwrap_or_default()))
    };
    let choices = |first: &str, names: &[&str]| {
        let mut choices = vec![(String::new(), first.to_owned())];
        for name in names {
            let mut words = (*name).to_owned();
            words[..1].make_ascii_uppercase();
            choices.push(((*name).to_owned(), words));
        }
        Signal::derive(move || choices.clone())
    };
    let kinds = choices("All kinds", &["planned", "forced", "automatic"]);
    let states = choices("All ends", &["done", "failed", "cancelled", "scheduled"]);
    let export = {
        let groups = groups.clone();
        move |as_csv: bool| save(groups.clone(), wanted.get_untracked(), as_csv, faults)
    };
    let as_json = export.clone();
    view! {
        <Panel title="History">
            <div class="pad filters">
                <SelectField label="Kind" value=pick(|view| &view.kind) choices=kinds on_pick=Callback::new(move |value| replace(|view, kind| view.kind = kind, value))/>
                <SelectField label="End" value=pick(|view| &view.state) choices=states on_pick=Callback::new(move |value| replace(|view, state| view.state = state, value))/>
                <SearchField name="Search who and why" placeholder="Who or why" value=pick(|view| &view.q) on_input=Callback::new(move |value| replace(|view, q| view.q = q, value))/>
                <span class="grow"></span>
                <Button small=true icon=Icon::Download on_click=Callback::new(move |()| export(true))>"CSV"</Button>
                <Button small=true icon=Icon::Download on_click=Callback::new(move |()| as_json(false))>"JSON"</Button>
            </div>
            {move || faults.get().into_iter().map(|trouble| view! { <div class="pad"><ErrorBox trouble=trouble/></div> }).collect_view()}
            {rows}
        </Panel>
    }
    .into_any()
}

/// Fetches all that the filter wants and saves it.
fn save(
    groups: Vec<&'static Group>,
    wanted: SwitchFilter,
    as_csv: bool,
    faults: RwSignal<Vec<Trouble>>,
) {
    spawn_local(async move {
        let mut all = Vec::new();
        for group in groups {
            let mut asked = SwitchFilter {
                limit: Some(PAGE),
                ..wanted.clone()
            };
            loop {
                let page = &asked;
                let outcome = group
                    .act(|client| async move { client.switches(page).await })
                    .await;
                match outcome {
                    Ok(page) => {
                        all.extend(page.items);
                        let next = page.next.and_then(|next| next.parse().ok());
                        if next.is_none() {
                            break;
                        }
                        asked.before = next;
                    }
                    Err(error) => {
                        let text = format!("The history of {} could not be saved", group.name);
                        let _ = faults.try_set(vec![trouble(&text, &error)]);
                        return;
                    }
                }
            }
        }
        if as_csv {
            save_text("switches.csv", "text/csv", &csv(&all));
        } else {
            let text = serde_json::to_string_pretty(&all).unwrap_or_default();
            save_text("switches.json", "application/json", &text);
        }
    });
}

/// The history for other programs; times in milliseconds since 1970.
fn csv(records: &[SwitchRecord]) -> String {
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut text = csv_line([
        "id",
        "group",
        "kind",
        "state",
        "from",
        "to",
        "by",
        "reason",
        "epoch_before",
        "epoch_after",
        "started_at",
        "ended_at",
        "gap_ms",
        "failed_requests",
    ]);
    for record in records {
        let word = |value: serde_json::Result<serde_json::Value>| match value {
            Ok(serde_json::Value::String(word)) => word,
            _ => String::new(),
        };
        let kind = word(serde_json::to_value(record.kind));
        let state = word(serde_json::to_value(record.state));
        let refused = record.failed_requests.and_then(|n| i64::try_from(n).ok());
        text.push_str(&csv_line([
            record.id.as_str(),
            &record.group,
            &kind,
            &state,
            record.from.as_deref().unwrap_or_default(),
            &record.to,
            &record.by,
            &record.reason,
            &record.epoch_before.to_string(),
            &number(record.epoch_after),
            &record.started_at.to_string(),
            &number(record.ended_at),
            &number(record.gap_ms),
            &number(refused),
        ]));
    }
    text
}

fn row(record: &SwitchRecord) -> AnyView {
    let (shape, word) = words::kind(record);
    #[allow(
        clippy::cast_precision_loss,
        reason = "a length of time in milliseconds"
    )]
    let took = record
        .ended_at
        .map(|ended| duration((ended - record.started_at) as f64))
        .unwrap_or_default();
    let gap = record
        .gap_ms
        .map(|gap| format!("{gap} ms"))
        .unwrap_or_default();
    let refused = record
        .failed_requests
        .map(|n| n.to_string())
        .unwrap_or_default();
    let epochs = match record.epoch_after {
        Some(after) => format!("{} → {after}", record.epoch_before),
        None => record.epoch_before.to_string(),
    };
    view! {
        <tr>
            <td class="ink2">{moment(record.started_at)}</td>
            <td>{record.group.clone()}</td>
            <td>{record.from.clone().unwrap_or_else(|| "none".to_owned())}" → "{record.to.clone()}</td>
            <td>{state(shape, word)}</td>
            <td>{record.by.clone()}</td>
            <td class="ink2 why">{record.reason.clone()}</td>
            <td class="num">{took}</td>
            <td class="num">{gap}</td>
            <td class="num">{refused}</td>
            <td class="muted">{epochs}</td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_which_switches_are_shown() {
        let view = SwitchView {
            kind: Some("forced".into()),
            state: Some("done".into()),
            q: Some("kernel".into()),
            ..SwitchView::default()
        };
        let wanted = filter(&view);
        assert_eq!(wanted.kind, Some(SwitchKind::Forced));
        assert_eq!(wanted.state, Some(SwitchState::Done));
        assert_eq!(wanted.text.as_deref(), Some("kernel"));
        let odd = SwitchView {
            kind: Some("x".into()),
            ..SwitchView::default()
        };
        assert_eq!(filter(&odd), SwitchFilter::default());
    }

    #[test]
    fn a_switch_is_one_line_of_csv() {
        let record = SwitchRecord {
            id: "s-1".into(),
            group: "east".into(),
            kind: SwitchKind::Automatic,
            from: None,
            to: "east-2".into(),
            by: "ada".into(),
            reason: "kernel, again".into(),
            epoch_before: 1,
            epoch_after: Some(2),
            state: SwitchState::Done,
            at: None,
            drain: None,
            started_at: 5,
            ended_at: Some(9),
            gap_ms: Some(4),
            failed_requests: Some(0),
            steps: Vec::new(),
            after: Vec::new(),
        };
        let text = csv(&[record]);
        let line = text.lines().nth(1).unwrap_or_default();
        assert_eq!(
            line,
            "s-1,east,automatic,done,,east-2,ada,\"kernel, again\",1,2,5,9,4,0"
        );
    }
}
