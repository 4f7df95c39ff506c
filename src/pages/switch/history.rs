//! Past switches of the groups in scope: who, why, from, to, how long.

use crate::reactive::{Effect, RwSignal};
use crate::ui::view;
use gridhelm_api::switch::SwitchRecord;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::words;
use crate::deployment::{Group, trouble};
use crate::ui::format::duration;
use crate::ui::{Empty, ErrorBox, Panel, Trouble, moment, state};

/// The table; fetched again with every switch that moves on.
pub(super) fn table(groups: Vec<&'static Group>) -> AnyView {
    let records = RwSignal::new(Vec::<SwitchRecord>::new());
    let faults = RwSignal::new(Vec::<Trouble>::new());
    for group in groups {
        Effect::new(move |_| {
            // Tracks: a switch that moved on, a sign-in, and a server that is there again.
            group.switch.track();
            if !group.signed_in() || !group.servers.iter().any(super::Server::is_live) {
                return;
            }
            spawn_local(async move {
                match group
                    .act(|client| async move { client.switches().await })
                    .await
                {
                    Ok(found) => {
                        let _ = records.try_update(|records| {
                            records.retain(|record| record.group != group.name);
                            records.extend(found);
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
        records.with(|records| {
            if records.is_empty() {
                return view! { <Empty title="No switch yet" text="The first planned switchover or forced failover stands here, with who and why."/> }.into_any();
            }
            view! {
                <div class="scroll" tabindex="0" role="region" aria-label="History of switches">
                <table class="tbl">
                    <thead><tr><th scope="col">"When"</th><th scope="col">"Group"</th><th scope="col">"From, to"</th><th scope="col">"Kind"</th><th scope="col">"Who"</th><th scope="col">"Why"</th><th scope="col" class="num">"Duration"</th><th scope="col" class="num">"Gap"</th><th scope="col">"Epoch"</th></tr></thead>
                    <tbody>{records.iter().map(row).collect_view()}</tbody>
                </table>
                </div>
            }
            .into_any()
        })
    };
    view! {
        <Panel title="History">
            {move || faults.get().into_iter().map(|trouble| view! { <div class="pad"><ErrorBox trouble=trouble/></div> }).collect_view()}
            {rows}
        </Panel>
    }
    .into_any()
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
            <td class="muted">{epochs}</td>
        </tr>
    }
    .into_any()
}
