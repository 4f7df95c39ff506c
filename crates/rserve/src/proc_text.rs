//! Linux's `/proc/<pid>/stat` as text (proc(5)).

/// The fields of `/proc/<pid>/stat` that identify and describe a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    /// The command name, at most 15 characters.
    pub(crate) name: String,
    /// `R` running, `S` sleeping, `D` disk, `Z` zombie, `T` stopped, …
    pub(crate) state: char,
    pub(crate) parent: u32,
    /// User and system time, clock ticks.
    pub(crate) cpu_ticks: u64,
    /// Start after boot, clock ticks (field 22).
    pub(crate) start_ticks: u64,
    /// Resident memory, pages.
    pub(crate) rss_pages: u64,
}

/// Reads a stat line. The name is in parentheses and may itself hold spaces and parentheses.
pub(crate) fn stat(line: &str) -> Option<Stat> {
    let open = line.find('(')?;
    let close = line.rfind(')')?;
    let pid = line.get(..open)?.trim().parse().ok()?;
    let name = line.get(open + 1..close)?.to_owned();
    // The first field after the name is number 3.
    let fields: Vec<&str> = line.get(close + 1..)?.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat {
        pid,
        name,
        state: field(3)?.chars().next()?,
        parent: field(4)?.parse().ok()?,
        cpu_ticks: field(14)?
            .parse::<u64>()
            .ok()?
            .saturating_add(field(15)?.parse().ok()?),
        start_ticks: field(22)?.parse().ok()?,
        rss_pages: field(24)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_with_parentheses_do_not_shift_the_fields() {
        let line = "42 (a) (b c) S 7 1 1 0 -1 4194304 9 0 0 0 11 4 0 0 20 0 1 0 987654 60 123 18446744073709551615";
        let got = stat(line).unwrap();
        assert_eq!(
            (got.pid, got.name.as_str(), got.state, got.parent),
            (42, "a) (b c", 'S', 7)
        );
        assert_eq!(
            (got.cpu_ticks, got.start_ticks, got.rss_pages),
            (15, 987_654, 123)
        );
        assert_eq!(stat("42 (x) S 7"), None);
        assert_eq!(stat(""), None);
        assert_eq!(stat(")("), None);
    }
}
