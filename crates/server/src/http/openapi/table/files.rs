//! The repository, and replication.

use crate::http::openapi::operation::{Operation, Quoting, operation};
use crate::http::repository::{FileQuery, FilesQuery, Restore};
use gridhelm_api::changeset::{Changeset, ChangesetRequest, Committed, Manifest};
use gridhelm_api::repository::{FileMeta, FileVersion};
use gridhelm_api::task::OneTimeLink;

pub(super) fn operations() -> Vec<Operation> {
    let mut all = of_files();
    all.extend(of_replication());
    all
}

fn of_files() -> Vec<Operation> {
    const CONTENT: &str = "/api/v1/repository/content";
    vec![
        operation(
            "GET",
            "/api/v1/repository/files",
            "listFiles",
            "The repository's files",
        )
        .query::<FilesQuery>()
        .gives_page::<FileMeta>("Their latest versions, without content."),
        operation(
            "GET",
            "/api/v1/repository/file",
            "getFile",
            "About one file",
        )
        .query::<FileQuery>()
        .tagged()
        .gives::<FileMeta>(200, "The version that was asked for, without content."),
        operation("GET", CONTENT, "readFile", "A file's content")
            .query::<FileQuery>()
            .tagged()
            .gives_bytes("The content, as an attachment."),
        operation(
            "PUT",
            CONTENT,
            "writeFile",
            "Writes a file: a new one, or a new version",
        )
        .notes("At most 256 MiB. Nothing is written unless the whole content came.")
        .query::<FileQuery>()
        .quotes(Quoting::VersionOrNothing)
        .takes_bytes()
        .tagged()
        .gives::<FileMeta>(200, "The new version.")
        .gives::<FileMeta>(201, "The new file."),
        operation("DELETE", CONTENT, "deleteFile", "Takes a file away")
            .notes("Its versions stay, and can be restored.")
            .query::<FileQuery>()
            .quotes(Quoting::Version)
            .gives_nothing("It is taken away."),
        operation(
            "POST",
            "/api/v1/repository/link",
            "linkFile",
            "An address at which a browser can fetch it once",
        )
        .query::<FileQuery>()
        .gives::<OneTimeLink>(200, "The address; good for a minute."),
        operation(
            "GET",
            "/api/v1/repository/versions",
            "listVersions",
            "A file's versions",
        )
        .query::<FileQuery>()
        .gives_list::<FileVersion>("Newest first; deletions are among them."),
        operation(
            "POST",
            "/api/v1/repository/restore",
            "restoreVersion",
            "Makes an earlier version the latest again",
        )
        .quotes(Quoting::VersionOrNothing)
        .takes::<Restore>()
        .tagged()
        .gives::<FileMeta>(200, "The new version."),
    ]
}

fn of_replication() -> Vec<Operation> {
    vec![
        operation("GET", "/api/v1/repository/manifest", "getManifest", "Every file's hash, and the hash over all")
            .gives::<Manifest>(200, "Equal roots are equal repositories."),
        operation("GET", "/api/v1/repository/content/{sha256}", "readContent", "A content by its hash")
            .gives_bytes("The content."),
        operation("POST", "/api/v1/repository/changesets", "openChangeset", "Opens a changeset: what a replication shall do here")
            .notes("Refused with `plan_stale` when a file is not as the plan saw it. Nothing is changed before the commit.")
            .takes::<ChangesetRequest>()
            .gives::<Changeset>(201, "The changeset, and which contents must be sent."),
        operation(
            "PUT",
            "/api/v1/repository/changesets/{id}/content/{sha256}",
            "sendContent",
            "Sends a content that a changeset needs",
        )
        .takes_bytes()
        .gives_nothing("It is there; its hash was compared."),
        operation(
            "POST",
            "/api/v1/repository/changesets/{id}/commit",
            "commitChangeset",
            "Does all of a changeset in one transaction, or nothing",
        )
        .gives::<Committed>(200, "What was done, and the root hash right after it."),
    ]
}
