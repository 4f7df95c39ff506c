//! Changesets that wait for another admin's approval. What decides is [`Hold::stands`]; here it is read and kept in the transaction that
//! commits.

use super::settings;
use super::tx::{Done, Tx, conflict, json, not_found, of_json};
use super::value::params;
use crate::clock;
use crate::release;
use crate::store::{Fence, Notes, REPOSITORY_RULES, StoreError};
use gridhelm_api::event::Event;
use gridhelm_api::hold::{HELD_FOR, Held, Hold, HoldVerdict, RepositoryRules};

/// What the group asks of replications.
pub(super) fn rules(tx: Tx<'_>) -> Done<RepositoryRules> {
    let text = settings::one(tx, REPOSITORY_RULES)?;
    let rules = text.map(|text| of_json("the repository's rules", &text));
    Ok(rules.transpose()?.unwrap_or_default())
}

fn here(tx: Tx<'_>) -> Done<String> {
    let name = tx.value("SELECT group_name FROM identity WHERE id = 1", params![])?;
    Ok(name.unwrap_or_default())
}

/// A changeset from that source is opened: where the rules want it, it waits from now on, whatever becomes of the rules.
pub(super) fn begin(tx: Tx<'_>, id: &str, source: &str) -> Done<()> {
    if !rules(tx)?.holds(source, &here(tx)?) {
        return Ok(());
    }
    let hold = Hold {
        since: clock::now(),
        verdict: None,
    };
    keep(tx, id, &hold)
}

fn keep(tx: Tx<'_>, id: &str, hold: &Hold) -> Done<()> {
    tx.execute(
        "UPDATE changesets SET hold = ?2 WHERE id = ?1",
        params![id, json(hold)?],
    )?;
    Ok(())
}

/// An open changeset's plan, source, author and hold.
struct Head {
    plan: String,
    source: String,
    author: String,
    hold: Option<Hold>,
}

fn head(tx: Tx<'_>, id: &str) -> Done<Option<Head>> {
    tx.row(
        "SELECT plan, source, opened_by, hold FROM changesets WHERE id = ?1 AND whole = TRUE AND committed IS NULL",
        params![id],
        |r| {
            let hold: Option<String> = r.get(3)?;
            Ok(Head {
                plan: r.get(0)?,
                source: r.get(1)?,
                author: r.get(2)?,
                hold: hold.map(|text| of_json("a changeset", &text)).transpose()?,
            })
        },
    )
}

/// Refuses the commit of a changeset that is held, or that the rules want held now, unless another admin's approval holds.
pub(super) fn must_be_free(tx: Tx<'_>, id: &str) -> Done<()> {
    if release::is_older() {
        return Ok(());
    }
    let Some(found) = head(tx, id)? else {
        return Err(not_found(format!("open changeset {id}")));
    };
    let wanted = rules(tx)?.holds(&found.source, &here(tx)?);
    if found.hold.is_none() && !wanted {
        return Ok(());
    }
    let held = found
        .hold
        .as_ref()
        .map_or(Held::Waits, |hold| hold.stands(&found.author, clock::now()));
    if held == Held::Approved {
        return Ok(());
    }
    Err(StoreError::Held {
        plan: found.plan,
        author: found.author,
        held,
    }
    .into())
}

/// Keeps what an admin says about a changeset that is held. `until` of an approval is set here, by the rules.
pub(super) fn judge(
    tx: Tx<'_>,
    fence: &Fence,
    id: &str,
    verdict: &HoldVerdict,
    notes: &Notes,
) -> Done<(Hold, Vec<Event>)> {
    tx.fence(fence)?;
    let Some(found) = head(tx, id)? else {
        return Err(not_found(format!("open changeset {id}")));
    };
    let rules = rules(tx)?;
    if found.hold.is_none() && !rules.holds(&found.source, &here(tx)?) {
        return Err(conflict(format!(
            "changeset {id} is not held: it can be committed as it is"
        )));
    }
    if found.author == verdict.by {
        return Err(StoreError::OwnPlan { plan: found.plan }.into());
    }
    let hours = i64::from(rules.approval_hours);
    let hold = Hold {
        since: found.hold.map_or(verdict.at, |hold| hold.since),
        verdict: Some(HoldVerdict {
            until: verdict.at + hours * 3_600_000,
            ..verdict.clone()
        }),
    };
    keep(tx, id, &hold)?;
    let after = serde_json::to_value(&hold).ok();
    let events = tx.notes_about(notes, None, after.as_ref())?;
    Ok((hold, events))
}

/// Which changesets that were never committed may go: those from before `?1`, and held ones from before `?1` less what they are kept longer.
pub(super) fn given_up() -> String {
    if release::is_older() {
        return "committed IS NULL AND opened_at < ?1".to_owned();
    }
    format!(
        "committed IS NULL AND opened_at < ?1 AND (hold IS NULL OR opened_at + {HELD_FOR} < ?1)"
    )
}
