//! Files, versions, and replication.

use gridhelm_api::Page;
use gridhelm_api::changeset::{
    Changeset, ChangesetRecord, ChangesetReport, ChangesetRequest, Committed, ContentsRequest,
    Listings, ListingsRequest, Manifest, PackTaken, PartState, Tree, Verification, VerifyRequest,
};
use gridhelm_api::grant::{Grant, GrantRequest, PullRequest};
use gridhelm_api::hold::{Hold, RepositoryRules, VerdictRequest};
use gridhelm_api::repository::{
    FileId, FileInfo, FileMeta, FileVersion, RObjects, SearchAnswer, SearchRequest,
};
use gridhelm_api::task::OneTimeLink;
use serde::Serialize;

use super::{CONTENT, Client, SLOW, WORK, add_number, add_some, if_match, path};
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

    /// Files by words in their paths or texts.
    pub async fn search_files(&self, search: &SearchRequest) -> Result<SearchAnswer> {
        self.call(Method::Post, "/repository/search", Body::json(search), None)
            .await
    }

    /// A file's content; the latest version unless one is named.
    pub async fn read_file(&self, file: &FileId, version: Option<i64>) -> Result<Vec<u8>> {
        let mut url = file_url("/repository/content", file);
        add_number(&mut url, "version", version);
        self.content(&url).await
    }

    /// The objects in a file of R data, read by R on a node: it takes as long as a slot needs to become free, and R to read.
    pub async fn objects(&self, file: &FileId, version: Option<i64>) -> Result<RObjects> {
        let mut url = file_url("/repository/objects", file);
        add_number(&mut url, "version", version);
        let mut request = self.request(Method::Get, &url, Body::None);
        request.timeout_s = WORK;
        platform::send(request).await?.json()
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
        request.headers.push(expecting(version));
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

    /// Makes an old version the latest, as a new version; `present` is the version that is latest now, none for a file that was taken
    /// away.
    pub async fn restore(
        &self,
        file: &FileId,
        version: i64,
        present: Option<i64>,
    ) -> Result<FileMeta> {
        let body = Body::json(&Restore { id: file, version });
        let mut request = self.request(Method::Post, "/repository/restore", body);
        request.headers.push(expecting(present));
        platform::send(request).await?.json()
    }

    /// An address under which the browser itself can fetch a file, once.
    pub async fn file_link(&self, file: &FileId, version: Option<i64>) -> Result<OneTimeLink> {
        let mut url = file_url("/repository/link", file);
        add_number(&mut url, "version", version);
        self.call(Method::Post, &url, Body::None, None).await
    }

    /// Every file with its hashes; what replications with that group left, and what was taken away.
    pub async fn manifest(&self, with: &str) -> Result<Manifest> {
        let mut url = "/repository/manifest".to_owned();
        add_some(&mut url, "with", Some(with));
        let mut request = self.request(Method::Get, &url, Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// The root of the tree of hashes with its authors, or an author with its directories.
    pub async fn tree(&self, author: Option<&str>) -> Result<Tree> {
        let mut url = "/repository/tree".to_owned();
        add_some(&mut url, "author", author);
        self.get(&url).await
    }

    /// The files of some directories.
    pub async fn listings(&self, listings: &ListingsRequest) -> Result<Listings> {
        let body = Body::json(listings);
        let mut request = self.request(Method::Post, "/repository/listings", body);
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// Content by its SHA-256.
    pub async fn blob(&self, sha256: &str) -> Result<Vec<u8>> {
        self.content(&path(&["repository", "content", sha256]))
            .await
    }

    /// A range of a content.
    pub async fn blob_range(&self, sha256: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut url = path(&["repository", "content", sha256]);
        add_query(&mut url, "offset", &offset.to_string());
        add_query(&mut url, "length", &length.to_string());
        self.content(&url).await
    }

    /// Many contents, as a pack.
    pub async fn contents(&self, sha256: Vec<String>) -> Result<Vec<u8>> {
        let body = Body::json(&ContentsRequest { sha256 });
        let mut request = self.request(Method::Post, "/repository/contents", body);
        request.timeout_s = CONTENT;
        Ok(platform::send(request).await?.body)
    }

    /// Says something else about a file, if it still is at that version.
    pub async fn describe_file(
        &self,
        file: &FileId,
        version: i64,
        info: &FileInfo,
    ) -> Result<FileMeta> {
        let url = file_url("/repository/file", file);
        self.call(Method::Patch, &url, Body::json(info), Some(version))
            .await
    }

    /// Reads contents again and compares their hashes.
    pub async fn verify_contents(&self, what: &VerifyRequest) -> Result<Verification> {
        let body = Body::json(what);
        let mut request = self.request(Method::Post, "/repository/verify", body);
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// What replications did here, newest first, and what is open; behind the changeset of that id.
    pub async fn changesets(&self, before: Option<&str>) -> Result<Page<ChangesetRecord>> {
        let mut url = "/repository/changesets?limit=100".to_owned();
        add_some(&mut url, "before", before);
        self.get(&url).await
    }

    /// A changeset with every file that it wrote.
    pub async fn changeset(&self, id: &str) -> Result<ChangesetReport> {
        let mut request = self.request(
            Method::Get,
            &path(&["repository", "changesets", id]),
            Body::None,
        );
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Approves or refuses a changeset that is held.
    pub async fn judge_changeset(&self, id: &str, verdict: &VerdictRequest) -> Result<Hold> {
        let url = path(&["repository", "changesets", id, "verdict"]);
        self.call(Method::Post, &url, Body::json(verdict), None)
            .await
    }

    /// Leave for another group's server to read these contents.
    pub async fn grant_contents(&self, sha256: Vec<String>) -> Result<Grant> {
        let body = Body::json(&GrantRequest { sha256 });
        self.call(Method::Post, "/repository/grants", body, None)
            .await
    }

    /// Has the target's server fetch a content from the source's; how much has come.
    pub async fn pull_content(&self, changeset: &str, pull: &PullRequest) -> Result<PartState> {
        let url = path(&["repository", "changesets", changeset, "pull"]);
        let mut request = self.request(Method::Post, &url, Body::json(pull));
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// What the group asks of replications, and of those who read its files.
    pub async fn repository_rules(&self) -> Result<RepositoryRules> {
        self.get("/repository/rules").await
    }

    /// Sets that, if it still is at its version.
    pub async fn set_repository_rules(&self, rules: &RepositoryRules) -> Result<RepositoryRules> {
        let version = Some(rules.version);
        self.call(Method::Put, "/repository/rules", Body::json(rules), version)
            .await
    }

    /// Forgets an open changeset.
    pub async fn discard_changeset(&self, id: &str) -> Result<()> {
        let url = path(&["repository", "changesets", id]);
        self.call(Method::Delete, &url, Body::None, None).await
    }

    /// Sends many contents that a changeset misses, as a pack.
    pub async fn upload_contents(&self, changeset: &str, pack: Vec<u8>) -> Result<PackTaken> {
        let url = path(&["repository", "changesets", changeset, "contents"]);
        let mut request = self.request(Method::Put, &url, Body::Bytes(pack));
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// Sends a part of a large content that a changeset misses; without bytes it only asks how much has come.
    pub async fn upload_part(
        &self,
        changeset: &str,
        sha256: &str,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<PartState> {
        let mut url = path(&["repository", "changesets", changeset, "parts", sha256]);
        add_query(&mut url, "offset", &offset.to_string());
        let mut request = self.request(Method::Put, &url, Body::Bytes(bytes));
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// Opens a changeset at this server's group, the target.
    pub async fn open_changeset(&self, changeset: &ChangesetRequest) -> Result<Changeset> {
        // Up to 100,000 operations: megabytes.
        let body = Body::json(changeset);
        let mut request = self.request(Method::Post, "/repository/changesets", body);
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
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

/// That a file is at this version, or that there is none.
fn expecting(version: Option<i64>) -> (&'static str, String) {
    if_match(version).unwrap_or_else(|| ("if-none-match", "*".to_owned()))
}

fn file_url(path: &str, file: &FileId) -> String {
    let mut url = path.to_owned();
    add_query(&mut url, "author", &file.author);
    add_query(&mut url, "directory", &file.directory);
    add_query(&mut url, "name", &file.name);
    url
}
