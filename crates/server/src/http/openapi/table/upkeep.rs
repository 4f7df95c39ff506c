//! Backups, sizes, the support bundle.

use crate::http::openapi::operation::{Operation, operation};
use gridhelm_api::task::OneTimeLink;
use gridhelm_api::upkeep::{Backups, Sizes};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            "GET",
            "/api/v1/backups",
            "listBackups",
            "Backups in this server's folder, and the one under way",
        )
        .gives::<Backups>(200, "All of them."),
        operation(
            "POST",
            "/api/v1/backups",
            "makeBackup",
            "Makes a backup of the whole group now",
        )
        .notes("It goes on in the background, is read back, and only then stands in the list.")
        .gives::<Backups>(202, "It has begun."),
        operation(
            "DELETE",
            "/api/v1/backups/{name}",
            "removeBackup",
            "Removes a backup for good",
        )
        .gives_nothing("It is removed."),
        operation(
            "POST",
            "/api/v1/backups/{name}/link",
            "linkBackup",
            "An address at which a browser can fetch it once",
        )
        .gives::<OneTimeLink>(200, "The address; good for a minute."),
        operation(
            "GET",
            "/api/v1/sizes",
            "getSizes",
            "What the database holds, by kind, and what retention removes next",
        )
        .gives::<Sizes>(200, "Rows and bytes; at most a minute old."),
        operation(
            "POST",
            "/api/v1/support-bundle/link",
            "linkSupportBundle",
            "Collects what support needs, without secrets",
        )
        .gives::<OneTimeLink>(200, "Where a browser can fetch it once, within a minute."),
        operation(
            "GET",
            "/api/v1/support-bundle",
            "getSupportBundle",
            "The same, for `gridhelm-server support-bundle`",
        )
        .gives_bytes("An archive (tar, zstd)."),
    ]
}
