//! The repository, and replication.

use crate::http::changesets::{ChangesetsQuery, ManifestQuery, PartQuery, RangeQuery, TreeQuery};
use crate::http::openapi::operation::{Operation, Quoting, operation};
use crate::http::repository::{FileQuery, FilesQuery, Restore};
use gridhelm_api::changeset::{
    Changeset, ChangesetRecord, ChangesetReport, ChangesetRequest, Committed, ContentsRequest,
    Listings, ListingsRequest, Manifest, PackTaken, PartState, Tree, Verification, VerifyRequest,
};
use gridhelm_api::grant::{Grant, GrantRequest, PullRequest};
use gridhelm_api::hold::{Hold, RepositoryRules, VerdictRequest};
use gridhelm_api::repository::{
    FileInfo, FileMeta, FileVersion, RObjects, SearchAnswer, SearchRequest,
};
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
            "POST",
            "/api/v1/repository/search",
            "searchFiles",
            "Files by words in their paths, or in their texts, too",
        )
        .notes("After 3 s, 200 files found or 64 MiB read the answer says where to go on.")
        .takes::<SearchRequest>()
        .gives::<SearchAnswer>(200, "What was found."),
        operation(
            "GET",
            "/api/v1/repository/file",
            "getFile",
            "About one file",
        )
        .query::<FileQuery>()
        .tagged()
        .gives::<FileMeta>(200, "The version that was asked for, without content."),
        operation(
            "PATCH",
            "/api/v1/repository/file",
            "describeFile",
            "Says who may see a file, what it is, and how it is found",
        )
        .notes("Makes a new version with the same content. What is left out is not said any more.")
        .query::<FileQuery>()
        .quotes(Quoting::Version)
        .takes::<FileInfo>()
        .tagged()
        .gives::<FileMeta>(200, "The new version."),
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
            "/api/v1/repository/objects",
            "listObjects",
            "The objects in a file of R data",
        )
        .notes("R on a node reads the file (`.RData`, `.rda`, `.rds`; at most 64 MiB) in a session that is used once, within 30 s, in a slot that became free within 10 s.")
        .query::<FileQuery>()
        .gives::<RObjects>(200, "Their names, classes, sizes and sums."),
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
            .notes("The root hash is the `ETag` where no group is named; `If-None-Match` is answered with 304.")
            .query::<ManifestQuery>()
            .tagged()
            .gives::<Manifest>(200, "Equal roots are equal repositories."),
        operation("GET", "/api/v1/repository/tree", "getTree", "The root of the tree of hashes, with one level of branches")
            .notes("The root hash is the `ETag`; `If-None-Match` is answered with 304.")
            .query::<TreeQuery>()
            .tagged()
            .gives::<Tree>(200, "Equal hashes are equal branches."),
        operation("POST", "/api/v1/repository/listings", "listDirectories", "The files of some directories, as in a manifest")
            .takes::<ListingsRequest>()
            .gives::<Listings>(200, "Their files, and what was taken away there."),
        operation("GET", "/api/v1/repository/content/{sha256}", "readContent", "A content by its hash")
            .query::<RangeQuery>()
            .gives_bytes("The content, or the range of it."),
        operation("POST", "/api/v1/repository/contents", "readContents", "Many contents by their hashes")
            .notes("For each: its SHA-256 (32 bytes), its length (8 bytes, little-endian), and its bytes.")
            .takes::<ContentsRequest>()
            .gives_bytes("The contents, one behind the other."),
        operation("POST", "/api/v1/repository/verify", "verifyContents", "Reads contents again and compares their hashes")
            .notes("After 20 s the answer says where to go on.")
            .takes::<VerifyRequest>()
            .gives::<Verification>(200, "What was found."),
        operation("GET", "/api/v1/repository/changesets", "listChangesets", "Changesets, newest first")
            .query::<ChangesetsQuery>()
            .gives_page::<ChangesetRecord>("What replications did here, and those that are open."),
        operation("GET", "/api/v1/repository/changesets/{id}", "getChangeset", "A changeset with every file that it wrote")
            .gives::<ChangesetReport>(200, "The report."),
        operation("POST", "/api/v1/repository/changesets/{id}/verdict", "judgeChangeset", "Approves or refuses a changeset that is held")
            .notes("By another admin than the one who opened it; `forbidden` otherwise, `conflict` when it is not held.")
            .takes::<VerdictRequest>()
            .gives::<Hold>(200, "How it stands; an approval holds until its `until`."),
        operation("POST", "/api/v1/repository/grants", "grantContents", "Gives leave to read some contents for 15 minutes, to another group's server")
            .takes::<GrantRequest>()
            .gives::<Grant>(201, "The secret, told this once."),
        operation("GET", "/api/v1/repository/granted/{sha256}", "readGranted", "A content by its hash, to whoever has a grant for it")
            .notes("The grant's secret comes in the header `gridhelm-grant`.")
            .query::<RangeQuery>()
            .gives_bytes("The content, or the range of it."),
        operation("POST", "/api/v1/repository/changesets/{id}/pull", "pullContent", "Fetches a content that a changeset needs from the source's server")
            .notes("Only from servers that the configuration names (`[replication] sources`), `forbidden` otherwise. After 15 s the answer says how much has come; ask again until it is whole.")
            .takes::<PullRequest>()
            .gives::<PartState>(200, "How much has come."),
        operation("GET", "/api/v1/repository/rules", "getRepositoryRules", "What the group asks of replications and of readers")
            .tagged()
            .gives::<RepositoryRules>(200, "The rules."),
        operation("PUT", "/api/v1/repository/rules", "setRepositoryRules", "Sets what the group asks of replications and of readers")
            .notes("What is held already stays held.")
            .quotes(Quoting::Version)
            .takes::<RepositoryRules>()
            .tagged()
            .gives::<RepositoryRules>(200, "The rules as they are now."),
        operation("DELETE", "/api/v1/repository/changesets/{id}", "discardChangeset", "Forgets an open changeset")
            .gives_nothing("It is forgotten, with what came for it."),
        operation("PUT", "/api/v1/repository/changesets/{id}/contents", "sendContents", "Sends many contents that a changeset needs")
            .notes("As `readContents` gives them; at most 32 MiB. All of them are kept, or none.")
            .takes_bytes()
            .gives::<PackTaken>(200, "They are there; their hashes were compared."),
        operation("PUT", "/api/v1/repository/changesets/{id}/parts/{sha256}", "sendPart", "Sends a part of a large content that a changeset needs")
            .notes("A multiple of 262,144 bytes, at most 32 MiB, but for the last. A part that does not begin where the content ends so far is left. Without bytes it only answers how much has come.")
            .query::<PartQuery>()
            .takes_bytes()
            .gives::<PartState>(200, "How much has come; with the last byte the hash is compared."),
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
        .notes("Refused with `approval_needed` while it is held.")
        .gives::<Committed>(200, "What was done, and the root hash right after it."),
    ]
}
