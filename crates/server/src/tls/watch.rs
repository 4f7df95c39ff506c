//! When files of a certificate change: what is done about it. Pure; the caller reads.

use super::material::{Pair, Shown};
use gridhelm_api::Millis;

/// What a look at the files means.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing new.
    None,
    /// Another certificate is to be shown from now on.
    Replaced(Box<Shown>),
    /// What is there cannot be used; the present one is shown on. Told once for each such state.
    Broken(String),
    /// The files are again what is shown.
    Mended,
}

/// Follows the files.
pub(super) struct Watch {
    /// The hash of the pair that is shown.
    shown: [u8; 32],
    /// What was wrong at the last look.
    suspected: Option<String>,
    /// What was told as wrong.
    told: Option<String>,
}

impl Watch {
    /// Of a pair that is shown.
    pub(super) const fn new(shown: [u8; 32]) -> Self {
        Self {
            shown,
            suspected: None,
            told: None,
        }
    }

    /// Whether the files have been told as unusable, and still are.
    pub(super) const fn broken(&self) -> bool {
        self.told.is_some()
    }

    /// Judges what was read. Two files are never replaced at the same instant: what is wrong is told when the next
    /// look finds the same.
    pub(super) fn look(&mut self, found: Result<Pair, String>, now: Millis) -> News {
        let found = found.and_then(|pair| {
            let hash = pair.hash();
            if hash == self.shown {
                return Ok(None);
            }
            usable(pair.open()?, now).map(|shown| Some((hash, shown)))
        });
        match found {
            Ok(Some((hash, shown))) => {
                *self = Self::new(hash);
                News::Replaced(Box::new(shown))
            }
            Ok(None) => {
                self.suspected = None;
                match self.told.take() {
                    Some(_) => News::Mended,
                    None => News::None,
                }
            }
            Err(why) if self.told.as_ref() == Some(&why) => News::None,
            Err(why) if self.suspected.as_ref() == Some(&why) => {
                self.told = Some(why.clone());
                News::Broken(why)
            }
            Err(why) => {
                self.suspected = Some(why);
                News::None
            }
        }
    }
}

/// A new certificate must be good now: one that is not would be worse than the old one.
fn usable(shown: Shown, now: Millis) -> Result<Shown, String> {
    if shown.not_after <= now {
        return Err(format!("the certificate: it expired on {}", shown.until));
    }
    if shown.not_before > now {
        return Err("the certificate: it is not good yet; look at this host's clock".to_owned());
    }
    Ok(shown)
}
