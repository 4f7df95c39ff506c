//! What the page says. Pure.

use gridhelm_api::upkeep::{BackupRun, Backups, Disk, SizeOf};

use crate::ui::format::{bytes, count, counted};

/// What is being done.
pub(super) fn stage(run: &BackupRun) -> &'static str {
    if run.verifying {
        "reading back"
    } else {
        "writing"
    }
}

/// How far it is.
pub(super) fn progress(run: &BackupRun) -> String {
    format!(
        "{}: {} rows, {}; asked for by {}",
        run.name,
        count(run.rows),
        bytes(run.bytes),
        run.by
    )
}

/// Where they are, who can read them, and when the next is made.
pub(super) fn place(said: &Backups) -> String {
    let Some(folder) = &said.folder else {
        return format!(
            "No folder for backups is configured at {}: set folder in [backup] of its configuration.",
            said.server
        );
    };
    let free = said
        .free
        .map_or_else(String::new, |free| format!(", {} free", bytes(free)));
    let schedule = match &said.schedule {
        None => "None is made by itself ([backup] in the configuration).".to_owned(),
        Some(schedule) => format!(
            "One is made every day at {} UTC; the newest {} of those are kept.",
            schedule.at, schedule.keep
        ),
    };
    format!(
        "In {folder} on the host of {}{free}. {schedule} A backup holds the nodes' passwords, password hashes and the key that signs tokens; only the \
         server's user can read the file. Keep a copy on another host.",
        said.server
    )
}

/// What goes of a kind.
pub(super) fn going(size: &SizeOf) -> String {
    match size.going {
        0 => "nothing".to_owned(),
        n => counted(usize::try_from(n).unwrap_or(usize::MAX), "row"),
    }
}

/// The room on the database's disk.
pub(super) fn room(disk: &Disk) -> String {
    let state = if disk.low {
        "New tasks and files are refused until there is room."
    } else {
        "Below that, new tasks and files are refused."
    };
    format!(
        "{} of {} are free in {}; {} are needed. {state}",
        bytes(disk.free),
        bytes(disk.total),
        disk.folder,
        bytes(disk.floor)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_who_can_read_a_backup_and_when_the_next_is_made() {
        let mut said = Backups {
            server: "east-1".to_owned(),
            ..Backups::default()
        };
        assert!(place(&said).contains("No folder for backups is configured at east-1"));
        said.folder = Some("/data/backups".to_owned());
        said.free = Some(2_000_000_000);
        let text = place(&said);
        assert!(text.contains("passwords") && text.contains("only the server's user can read"));
        assert!(text.contains("2.0 GB free") && text.contains("None is made by itself"));
    }

    #[test]
    fn how_far_a_backup_is_and_what_goes_is_told_in_numbers() {
        let run = BackupRun {
            name: "a.backup".to_owned(),
            by: "ada".to_owned(),
            since: 0,
            verifying: true,
            rows: 12_345,
            bytes: 4_100_000,
        };
        assert_eq!(stage(&run), "reading back");
        assert_eq!(
            progress(&run),
            "a.backup: 12,345 rows, 4.1 MB; asked for by ada"
        );
        let mut size = SizeOf::default();
        assert_eq!(going(&size), "nothing");
        size.going = 1;
        assert_eq!(going(&size), "1 row");
        let disk = Disk {
            folder: "/data".to_owned(),
            free: 10,
            total: 100,
            floor: 20,
            low: true,
        };
        assert!(room(&disk).contains("are refused until"));
    }
}
