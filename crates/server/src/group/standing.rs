//! Where this server stands in its group, for everyone in the process to look at.

use crate::clock::Moment;
use crate::store::Fence;
use gridhelm_api::group::{ServerRole, ServerStatus};

/// This server's place in the group as last decided by the keeper. Shared by a `tokio::sync::watch`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// What `GET /server` answers.
    pub status: ServerStatus,
    /// The fence under which this process may write, while it is active.
    pub fence: Option<Fence>,
    /// Until when the lease allows work, counted from the moment the last renewal was *sent*; `None`
    /// where no time limit holds (manual mode or a single server: it steps down only for a higher epoch).
    pub valid_until: Option<Moment>,
    /// New requests shall wait for the next active server (at most 2 s): this one is handing over.
    pub parking: bool,
    /// When it last handed over: in the very standing that says that it is no longer the one, so that nobody
    /// sees a server that is not active and never was.
    pub left: Option<Moment>,
}

/// This server may not work now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this server is not active")]
pub struct NotActive {
    /// The active server's name, if known.
    pub active: Option<String>,
    /// Its address, if known.
    pub active_url: Option<String>,
}

impl Standing {
    /// When a server that stood so has handed over, if it now (at `now`) has `role`.
    pub(super) fn left_as(&self, role: ServerRole, now: Moment) -> Option<Moment> {
        let leaves = self.status.role == ServerRole::Leaving && role == ServerRole::Standby;
        if leaves { Some(now) } else { self.left }
    }

    /// The fence for a write, if this server is active (or leaving) and its lease holds at `now`.
    pub fn fence_at(&self, now: Moment) -> Result<Fence, NotActive> {
        let role_ok = matches!(self.status.role, ServerRole::Active | ServerRole::Leaving);
        let in_time = self.valid_until.is_none_or(|until| now < until);
        match (&self.fence, role_ok && in_time) {
            (Some(fence), true) => Ok(fence.clone()),
            _ => Err(NotActive {
                active: self.status.active.clone(),
                active_url: self.status.active_url.clone(),
            }),
        }
    }

    /// As [`Standing::fence_at`] for this moment.
    pub fn fence(&self) -> Result<Fence, NotActive> {
        self.fence_at(Moment::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(role: ServerRole, left: Option<Moment>) -> Standing {
        let mut standing = Standing {
            left,
            ..Standing::default()
        };
        standing.status.role = role;
        standing
    }

    #[test]
    fn the_standing_that_ends_a_hand_over_tells_when() {
        let (once, now) = (Moment::default(), Moment::now());
        let leaving = after(ServerRole::Leaving, Some(once));
        assert_eq!(leaving.left_as(ServerRole::Standby, now), Some(now));
        // A switch that came to nothing is no hand-over.
        assert_eq!(leaving.left_as(ServerRole::Active, now), Some(once));
        let standby = after(ServerRole::Standby, None);
        assert_eq!(standby.left_as(ServerRole::Standby, now), None);
        let active = after(ServerRole::Active, None);
        assert_eq!(active.left_as(ServerRole::Standby, now), None);
    }
}
