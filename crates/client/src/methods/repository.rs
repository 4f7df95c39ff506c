//! Files, versions, and replication.

use gridhelm_api::changeset::{Changeset, ChangesetRequest, Committed, Manifest};
use gridhelm_api::repository::{FileId, FileMeta, FileVersion};
use gridhelm_api::task::OneTimeLink;
use serde::Serialize;

use super::{CONTENT, Client, SLOW, add_number, add_some, if_match, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method, add_query};

/// `POST /repository/restore`.
#[derive(Serialize)]
struct Restore<'a> {
    id: &'a FileId,
    version: i64,
}

impl Client {
    /// The latest version of all files, or of those of one directory.
    pub async fn files(&self, directory: Option<&str>) -> Result<Vec<FileMeta>> {
        let mut url = "/repository/files".to_owned();
        add_some(&mut url, "directory", directory);
        self.list(&url).await
    }

    /// A file's content; the latest version unless one is named.
    pub async fn read_file(&self, file: &FileId, version: Option<i64>) -> Result<Vec<u8>> {
        let mut url = file_url("/repository/content", file);
        add_number(&mut url, "version", version);
        self.content(&url).await
    }

    /// Writes a file: a new one when `version` is none, else the next version after that one.
    pub async fn write_file(
        &self,
        file: &FileId,
        version: Option<i64>,
        message: &str,
        content: Vec<u8>,
    ) -> Result<FileMeta> {
        let mut url = file_url("/repository/content", file);
        add_some(&mut url, "message", Some(message));
        let mut request = self.request(Method::Put, &url, Body::Bytes(content));
        request.timeout_s = CONTENT;
        request.headers.push(match if_match(version) {
            Some(header) => header,
            None => ("if-none-match", "*".to_owned()),
        });
        platform::send(request).await?.json()
    }

    /// Takes a file away, if it still is at that version; its versions stay.
    pub async fn delete_file(&self, file: &FileId, version: i64) -> Result<()> {
        self.call(
            Method::Delete,
            &file_url("/repository/content", file),
            Body::None,
            Some(version),
        )
        .await
    }

    /// A file without its content, at the latest version.
    pub async fn file(&self, file: &FileId) -> Result<FileMeta> {
        self.get(&file_url("/repository/file", file)).await
    }

    /// A file's versions, newest first.
    pub async fn versions(&self, file: &FileId) -> Result<Vec<FileVersion>> {
        self.list(&file_url("/repository/versions", file)).await
    }

    /// Makes an old version the latest, as a new version; `present` is the version that is latest now.
    pub async fn restore(&self, file: &FileId, version: i64, present: i64) -> Result<FileMeta> {
        let body = Body::json(&Restore { id: file, version });
        self.call(Method::Post, "/repository/restore", body, Some(present))
            .await
    }

    /// An address under which the browser itself can fetch a file, once.
    pub async fn file_link(&self, file: &FileId, version: Option<i64>) -> Result<OneTimeLink> {
        let mut url = file_url("/repository/link", file);
        add_number(&mut url, "version", version);
        self.call(Method::Post, &url, Body::None, None).await
    }

    /// The repository's content as a tree of hashes.
    pub async fn manifest(&self) -> Result<Manifest> {
        let mut request = self.request(Method::Get, "/repository/manifest", Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Content by its SHA-256.
    pub async fn blob(&self, sha256: &str) -> Result<Vec<u8>> {
        self.content(&path(&["repository", "content", sha256]))
            .await
    }

    /// Opens a changeset at this server's group, the target.
    pub async fn open_changeset(&self, changeset: &ChangesetRequest) -> Result<Changeset> {
        self.call(
            Method::Post,
            "/repository/changesets",
            Body::json(changeset),
            None,
        )
        .await
    }

    /// Sends one content that the changeset misses.
    pub async fn upload_blob(&self, changeset: &str, sha256: &str, content: Vec<u8>) -> Result<()> {
        let mut request = self.request(
            Method::Put,
            &path(&["repository", "changesets", changeset, "content", sha256]),
            Body::Bytes(content),
        );
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// Commits a changeset: all of it, or, when the target changed meanwhile, nothing.
    pub async fn commit_changeset(&self, changeset: &str) -> Result<Committed> {
        let mut request = self.request(
            Method::Post,
            &path(&["repository", "changesets", changeset, "commit"]),
            Body::None,
        );
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }
}

fn file_url(path: &str, file: &FileId) -> String {
    let mut url = path.to_owned();
    add_query(&mut url, "author", &file.author);
    add_query(&mut url, "directory", &file.directory);
    add_query(&mut url, "name", &file.name);
    url
}
