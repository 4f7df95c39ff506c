//! People who meet: two plans at once, a file edited during an application, a plan applied twice.

use super::{Base, Found, Ground, Seeded, next_state, plan_as_source, rounds, state};
use crate::drill::Verdict;
use crate::harness::Result;
use crate::harness::repositories::{Repository, applied};
use gridhelm_api::Code;
use gridhelm_api::repository::FileId;
use gridhelm_client::replication::{ApplyError, Progress, Watch};
use gridhelm_replicate::content_hash;
use std::cell::Cell;

/// People who meet: two plans at once, a file edited during an application, a plan applied twice.
pub(in crate::drill) async fn people(base: Base) -> Result<Verdict> {
    let ground = Ground::new("replicate-people", base)?;
    let source = ground.repository("east").await?;
    let other = ground.repository("south").await?;
    let target = ground.repository("west").await?;
    let mut seeded = Seeded(7);
    let mut found = Found::default();
    for round in 0..rounds(base, 4, 4) {
        source.put(&next_state(&mut seeded, round, false)?).await?;
        other
            .put(&next_state(&mut seeded, round + 100, false)?)
            .await?;
        let before = state(&target.manifest("east").await?);
        let one = plan_as_source(&source, &target).await?;
        let two = plan_as_source(&other, &target).await?;
        let (first, second) = tokio::join!(
            applied(&source, &target, &one, &()),
            applied(&other, &target, &two, &())
        );
        let seen = state(&target.manifest("east").await?);
        let by_one = state(&source.manifest("west").await?);
        let by_two = state(&other.manifest("west").await?);
        let won = usize::from(first.is_ok()) + usize::from(second.is_ok());
        found.points += 1;
        found.verdict.must(won == 1, || {
            format!("round {round}: {won} of two plans were applied: {first:?} {second:?}")
        });
        let stale = |outcome: &core::result::Result<_, ApplyError>| match outcome {
            Ok(_) => true,
            Err(ApplyError::Client(error)) => error.code() == Some(Code::PlanStale),
            Err(ApplyError::CalledOff) => false,
        };
        found.verdict.must(stale(&first) && stale(&second), || {
            format!("round {round}: refused otherwise: {first:?} {second:?}")
        });
        let whole = match (&first, &second) {
            (Ok(_), _) => seen == by_one,
            (_, Ok(_)) => seen == by_two,
            _ => seen == before,
        };
        found.partial += usize::from(!whole);
        // The same plan once more: it is refused, or does nothing.
        let again = applied(&source, &target, &one, &()).await;
        let now = state(&target.manifest("east").await?);
        found.points += 1;
        found.verdict.must(now == seen || again.is_ok(), || {
            format!("round {round}: a plan that was refused changed something")
        });
    }
    edited(&source, &target, &mut seeded, &mut found).await?;
    Ok(found.done())
}

/// A file of the plan is edited while contents are copied: nothing is applied, and the edit stays.
async fn edited(
    source: &Repository,
    target: &Repository,
    seeded: &mut Seeded,
    found: &mut Found,
) -> Result<()> {
    struct Editing<'a>(&'a Repository, Cell<bool>);
    impl Watch for Editing<'_> {
        fn at(&self, _: &Progress) {}
        async fn may_go_on(&self) -> bool {
            if !self.1.replace(true) {
                let edit = [(
                    FileId::new("ann", "names", "case.R"),
                    Some(b"edited".to_vec()),
                )];
                return self.0.put(&edit.into()).await.is_ok();
            }
            true
        }
    }
    source.put(&next_state(seeded, 55, true)?).await?;
    let plan = plan_as_source(source, target).await?;
    let before = state(&target.manifest("east").await?);
    let outcome = applied(source, target, &plan, &Editing(target, Cell::new(false))).await;
    let refused = match &outcome {
        Err(ApplyError::Client(error)) => error.problem().map(|p| (p.code, p.changed.clone())),
        _ => None,
    };
    let wanted = (Code::PlanStale, vec!["ann/names/case.R".to_owned()]);
    found.verdict.must(refused.as_ref() == Some(&wanted), || {
        format!("an edit during an application: {outcome:?}")
    });
    let mut expected = before;
    expected.insert("ann/names/case.R".to_owned(), content_hash(b"edited"));
    let now = state(&target.manifest("east").await?);
    found.points += 1;
    found.partial += usize::from(now != expected);
    Ok(())
}
