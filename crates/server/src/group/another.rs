//! Whether another server of the group answers as active, too. That can hold for a moment, while a hand-over or a
//! takeover becomes known; longer, clients that ask it get answers of a server that can commit nothing.

use super::keeper::Keeper;
use super::lease::LAPSE_AFTER;
use crate::clock::Moment;
use crate::tls;
use futures_util::future::join_all;
use gridhelm_api::event::Severity;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::Check;
use std::collections::HashMap;
use std::time::Duration;

/// How long a server may take to say what it is.
const ASK: Duration = Duration::from_millis(700);
/// A server that did not announce itself for so long is not asked, milliseconds.
const GONE: i64 = 600_000;

/// Since when others answer as active, and whether that was told.
#[derive(Debug, Default)]
pub(super) struct Others(HashMap<String, (Moment, bool)>);

impl Others {
    /// Notes that a server answers as active, or does not. Answers whether it has for so long that it must be told now.
    fn note(&mut self, name: &str, active: bool, now: Moment) -> bool {
        if !active {
            self.0.remove(name);
            return false;
        }
        let (since, told) = self.0.entry(name.to_owned()).or_insert((now, false));
        let tell = !*told && now.since(*since) >= LAPSE_AFTER;
        *told |= tell;
        tell
    }
}

impl Keeper {
    /// This server's certificate, and those of the others as far as it looks at them.
    pub(super) fn certificates(&self) -> Vec<Check> {
        let mine = self.parts.tls.certificate();
        let me = &self.parts.me.server;
        let mine = mine.map(|mine| tls::check(me, &mine, crate::clock::now()));
        mine.into_iter()
            .chain(self.state().certificates.clone())
            .collect()
    }

    /// Asks the group's other servers what they are; only the active server does.
    pub(super) async fn look_for_another(&self, others: &mut Others) {
        if !self.held() {
            others.0.clear();
            self.state().certificates.clear();
            return;
        }
        let Ok(group) = self.parts.store.group().await else {
            return;
        };
        let me = &self.parts.me.server;
        let recent = crate::clock::now() - GONE;
        let asked = group
            .members
            .iter()
            .filter(|m| m.name != *me && m.seen_at >= recent);
        let said = join_all(asked.map(|member| async move {
            (&member.name, self.peers.status(&member.url, ASK).await)
        }))
        .await;
        let certificates = said.iter().filter_map(|(name, said)| match said {
            Ok((status, _)) => {
                let certificate = status.certificate.as_ref()?;
                Some(tls::check(name, certificate, crate::clock::now()))
            }
            Err(why) => Some(tls::untrusted(name, me, tls::distrust(why)?)),
        });
        self.state().certificates = certificates.collect();
        for (name, said) in said {
            let epoch = said
                .ok()
                .filter(|(status, _)| status.name == *name && status.role == ServerRole::Active)
                .map(|(status, _)| status.epoch);
            if others.note(name, epoch.is_some(), Moment::now()) {
                let mine = self.status().epoch;
                let message = format!(
                    "answers as active, too, under epoch {}; {me} is active under epoch {mine}. It can commit nothing, but its clients may not know: stop it",
                    epoch.unwrap_or_default()
                );
                self.note(Self::event(
                    Severity::Fail,
                    "group.two_active",
                    name,
                    message,
                    me,
                ))
                .await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_only_when_it_lasts() {
        let start = Moment::now();
        let at = |ms| start.after(Duration::from_millis(ms));
        let mut others = Others::default();
        assert!(!others.note("east-1", true, at(0)));
        assert!(!others.note("east-1", true, at(2_400)));
        assert!(others.note("east-1", true, at(2_500)));
        assert!(!others.note("east-1", true, at(9_000)), "once");
        assert!(!others.note("east-1", false, at(9_500)));
        assert!(!others.note("east-1", true, at(10_000)), "anew");
        assert!(others.note("east-1", true, at(12_500)));
    }
}
