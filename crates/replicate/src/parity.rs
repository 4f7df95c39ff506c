//! How a file of one side stands to the same file of the other.

use gridhelm_api::changeset::{Base, Gone, ManifestEntry};
use gridhelm_api::repository::FileId;
use serde::{Deserialize, Serialize};

/// How a file of the source stands to the same file of the target.
///
/// It is a comparison of three: what the last replication between the two groups left ([`Base`]) tells which side moved on. Where that is
/// not known, the hashes of earlier versions that both sides keep do, and the memory of what was taken away:
///
/// | the source's content is an earlier one of the target | the target's is an earlier one of the source | |
/// |---|---|---|
/// | no | yes | [`Parity::Differs`]: the source moved on, the target has an old state |
/// | yes | no | [`Parity::Newer`]: the target moved on, the source has an old state |
/// | yes | yes | [`Parity::Conflict`]: each went back to what the other had |
/// | no | no, but a common earlier one | [`Parity::Conflict`]: both moved on from it |
/// | no | no, and none in common | [`Parity::Differs`]: written independently, or too long ago to tell |
///
/// The last line is a decision: where no record speaks for the target, the direction that the person chose
/// does. What the target had stays in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// The same content on both sides.
    Same,
    /// Other content; a replication updates it.
    Differs,
    /// Not in the target; a replication makes it.
    Missing,
    /// Only in the target; a replication takes it away where that is chosen.
    Extra,
    /// The target moved on from the source's content; a replication would go back, so it is left out
    /// unless it is chosen.
    Newer,
    /// Both moved on, one of them perhaps by taking it away; a person decides.
    Conflict,
    /// The same content; what is said about it (access, description, tags, inputs, outputs) differs.
    Metadata,
    /// Not in the target, where it was taken away; it comes back only where that is chosen.
    Deleted,
    /// Only in the target, for it was taken away in the source; a replication takes it away where that is chosen.
    Dropped,
}

impl Parity {
    /// All of them, in the order of a legend.
    pub const ALL: [Self; 9] = [
        Self::Same,
        Self::Differs,
        Self::Missing,
        Self::Extra,
        Self::Newer,
        Self::Conflict,
        Self::Metadata,
        Self::Deleted,
        Self::Dropped,
    ];

    /// Its name on screens and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Newer => "newer",
            Self::Conflict => "conflict",
            Self::Metadata => "metadata only",
            Self::Deleted => "deleted in target",
            Self::Dropped => "deleted in source",
        }
    }
}

/// A file on one side.
#[derive(Clone, Copy)]
pub(crate) enum Here<'a> {
    There(&'a ManifestEntry),
    Gone(&'a Gone),
    Never,
}

impl<'a> Here<'a> {
    pub(crate) fn of(entry: Option<&'a ManifestEntry>, gone: &[&'a Gone], id: &FileId) -> Self {
        if let Some(entry) = entry {
            return Self::There(entry);
        }
        let place = gone.binary_search_by(|gone| gone.id.cmp(id));
        place
            .ok()
            .and_then(|place| gone.get(place))
            .map_or(Self::Never, |gone| Self::Gone(gone))
    }

    fn content(self) -> Option<&'a str> {
        match self {
            Self::There(entry) => Some(&entry.sha256),
            Self::Gone(_) | Self::Never => None,
        }
    }

    fn earlier(self) -> &'a [String] {
        match self {
            Self::There(entry) => &entry.earlier,
            Self::Gone(gone) => &gone.earlier,
            Self::Never => &[],
        }
    }

    fn base(self) -> Option<&'a Base> {
        match self {
            Self::There(entry) => entry.base.as_deref(),
            Self::Gone(gone) => gone.base.as_deref(),
            Self::Never => None,
        }
    }

    /// How far back in its history this content is; `None`: it never had it, or too long ago.
    fn back(self, sha256: Option<&str>) -> Option<usize> {
        if self.content() == sha256 {
            return Some(0);
        }
        let earlier = self.earlier().iter();
        let found = earlier.zip(1..).find(|(e, _)| Some(e.as_str()) == sha256);
        found.map(|(_, back)| back)
    }
}

/// The content that a replication left; none: it took the file away.
struct Left<'a>(Option<&'a str>);

/// What the last replication left, in whichever direction it went. Where there was one in each, the histories say which came later; two
/// machines' clocks are asked only where they do not.
fn base<'a>(source: Here<'a>, target: Here<'a>) -> Option<Left<'a>> {
    let (there, back) = (target.base(), source.base());
    let hash = |base: &'a Base| base.sha256.as_deref();
    match (there, back) {
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some(Left(hash(only))),
        (Some(there), Some(back)) => {
            let later = |side: Here<'_>| {
                let (there, back) = (side.back(hash(there))?, side.back(hash(back))?);
                (there != back).then_some(there < back)
            };
            let later = match (later(source), later(target)) {
                (Some(one), Some(other)) if one == other => one,
                (Some(only), None) | (None, Some(only)) => only,
                _ => there.at >= back.at,
            };
            Some(Left(hash(if later { there } else { back })))
        }
    }
}

/// How the two sides of a file stand; at least one has it. See [`Parity`].
pub(crate) fn parity(source: Here<'_>, target: Here<'_>) -> Parity {
    let (s, t) = (source.content(), target.content());
    if s == t {
        return match (source, target) {
            (Here::There(s), Here::There(t)) if !said_alike(s, t) => Parity::Metadata,
            _ => Parity::Same,
        };
    }
    let (source_moved, target_moved) = match base(source, target) {
        Some(Left(base)) => (s != base, t != base),
        None => moved_by_history(source, target),
    };
    match (source_moved, target_moved) {
        (true, true) => Parity::Conflict,
        (false, true) if t.is_none() => Parity::Deleted,
        (false, true) if s.is_some() => Parity::Newer,
        (true, false) if s.is_none() => Parity::Dropped,
        _ if s.is_none() => Parity::Extra,
        _ if t.is_none() => Parity::Missing,
        _ => Parity::Differs,
    }
}

fn said_alike(a: &ManifestEntry, b: &ManifestEntry) -> bool {
    let said = |e: &'_ ManifestEntry| e.info.clone().filter(|info| !info.is_plain());
    a.info == b.info || said(a) == said(b)
}

/// Whether the source and the target moved on, as far as histories tell; neither where they have nothing in common.
fn moved_by_history(source: Here<'_>, target: Here<'_>) -> (bool, bool) {
    let had = |side: Here<'_>, sha256: Option<&str>| {
        sha256.is_some_and(|sha256| side.earlier().iter().any(|e| e == sha256))
    };
    let target_moved = had(target, source.content());
    let source_moved = had(source, target.content());
    if target_moved || source_moved {
        return (source_moved, target_moved);
    }
    let common = source
        .earlier()
        .iter()
        .any(|e| target.earlier().contains(e));
    (common, common)
}
