//! A switchover as the successor sees it.

use super::keeper::Keeper;
use super::peer::TakeOrder;
use super::role::Taking;
use super::{SwitchError, Taken};
use crate::clock::Moment;
use crate::store::StoreError;
use gridhelm_api::event::Severity;
use gridhelm_api::switch::SwitchState;
use std::sync::Arc;
use std::time::Duration;

/// For how long a successor looks at the epoch often.
const ALERT: Duration = Duration::from_secs(15);

impl Keeper {
    /// Follows a switch that another server leads, and takes over when the order says so
    /// (`POST /switch/take`, for the group's servers).
    ///
    /// # Errors
    /// [`SwitchError::Conflict`] when the order is not for this server; the store's.
    pub async fn take_order(self: &Arc<Self>, order: TakeOrder) -> Result<Taken, SwitchError> {
        let me = &self.parts.me.server;
        let switch = order.switch;
        let for_me = switch.group == self.parts.group
            && switch.to == *me
            && switch.state == SwitchState::Running;
        if !for_me {
            return Err(SwitchError::Conflict {
                why: format!(
                    "This order is for {} of group {}; here is {me} of group {}.",
                    switch.to, switch.group, self.parts.group
                ),
            });
        }
        let (by, reason) = (switch.by.clone(), switch.reason.clone());
        self.state().alert_until = Some(Moment::now().after(ALERT));
        self.show(&switch);
        self.wake.notify_one();
        let Some(released) = order.released else {
            let epoch = self.parts.store.epoch().await?.epoch;
            return Ok(Taken {
                epoch,
                active: self.held(),
            });
        };
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let taking = Taking {
            seen: released.into(),
            by,
            reason,
            severity: Severity::Good,
            audit: None,
        };
        let keeper = Arc::clone(self);
        // On a task of its own: a caller that goes away must not stop it half way.
        let taken = tokio::spawn(async move {
            let taken = keeper.take(&taking).await;
            drop(turn);
            if taken.is_ok() {
                keeper.follow_present();
            }
            taken
        });
        match taken.await {
            Ok(Ok(epoch)) => Ok(Taken {
                epoch,
                active: true,
            }),
            Ok(Err(StoreError::Fenced { epoch, .. })) => Ok(Taken {
                epoch,
                active: false,
            }),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(SwitchError::Conflict {
                why: format!("Taking over was cut off: {error}"),
            }),
        }
    }
}
