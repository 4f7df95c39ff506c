//! Uploading a large file in parts. After a break the same file goes on where it stopped: it is known by its hash.

use gloo_timers::future::TimeoutFuture;
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::repository::{FileId, FileMeta, MAX_LARGE_FILE};
use gridhelm_client::Error;
use gridhelm_replicate::ContentHash;
use wasm_bindgen_futures::JsFuture;

use crate::deployment::Group;

/// Files that are larger come in parts, bytes.
pub(super) const LARGE: f64 = 67_108_864.0;
/// A part, bytes; a multiple of the step that the server asks for.
const PART: u64 = 7 << 20;
/// How often a part is sent again where nobody answered, and the pause before, milliseconds.
const TRIES: u32 = 10;
const PAUSE: u32 = 1_000;

/// Why a large file was not written.
pub(super) enum Fault {
    /// In words.
    Words(&'static str),
    /// The server refused, or did not answer.
    Client(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

/// The changeset that an upload is.
fn request(
    group: &str,
    id: &FileId,
    sha256: &str,
    size: u64,
    present: Option<&FileMeta>,
) -> ChangesetRequest {
    ChangesetRequest {
        plan: "upload".to_owned(),
        source: group.to_owned(),
        operations: vec![Operation {
            id: id.clone(),
            expect: present.map(|file| file.sha256.clone()),
            version: present.map(|file| file.version),
            sha256: Some(sha256.to_owned()),
            size,
            info: None,
        }],
        reason: "uploaded".to_owned(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "below 2^53")]
async fn bytes_of(file: &web_sys::File, from: u64, to: u64) -> Result<Vec<u8>, Fault> {
    let cannot = Fault::Words("the browser cannot read it");
    let Ok(slice) = file.slice_with_f64_and_f64(from as f64, to as f64) else {
        return Err(cannot);
    };
    match JsFuture::from(slice.array_buffer()).await {
        Ok(buffer) => Ok(js_sys::Uint8Array::new(&buffer).to_vec()),
        Err(_) => Err(cannot),
    }
}

/// Sends a file and writes it; `at` is told how far it has come, in words.
pub(super) async fn upload(
    group: &'static Group,
    id: &FileId,
    file: &web_sys::File,
    present: Option<FileMeta>,
    at: impl Fn(String),
) -> Result<(), Fault> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a file's size is a whole number from 0"
    )]
    let size = file.size() as u64;
    if size > MAX_LARGE_FILE {
        return Err(Fault::Words("larger than 16 GiB"));
    }
    let share = |done: u64| done * 100 / size.max(1);
    let mut hash = ContentHash::default();
    let mut read = 0;
    while read < size {
        at(format!("reading, {} %", share(read)));
        let to = (read + PART).min(size);
        hash.update(&bytes_of(file, read, to).await?);
        read = to;
    }
    let sha256 = hash.finish();
    let request = &request(&group.name, id, &sha256, size, present.as_ref());
    let set = group
        .act(|client| async move { client.open_changeset(request).await })
        .await?;
    let (set_id, hash) = (set.id.as_str(), sha256.as_str());
    let mut have = 0;
    let mut whole = set.missing.is_empty();
    let mut part = Vec::new();
    let mut tries = 0;
    while !whole {
        let content = &part;
        let sent = group
            .act(|client| async move {
                client
                    .upload_part(set_id, hash, have, content.clone())
                    .await
            })
            .await;
        match sent {
            Ok(state) => {
                (have, whole, tries) = (state.have, state.whole, 0);
                at(format!("sent {} %", share(have)));
                if !whole {
                    part = bytes_of(file, have, (have + PART).min(size)).await?;
                }
            }
            Err(error) if tries < TRIES && error.try_another() => {
                tries += 1;
                at(format!("waiting for the server, sent {} %", share(have)));
                TimeoutFuture::new(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    group
        .act(|client| async move { client.commit_changeset(set_id).await })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_is_the_same_changeset() {
        let id = FileId::new("ann", "models", "large.rds");
        let made = || request("east", &id, &"1".repeat(64), 5 << 30, None);
        assert_eq!(made(), made());
        assert!(made().check().is_empty());
    }
}
