//! A plan as a patch: unified differences of the text files, as `git apply` and `patch -p1` take them. Pure.

use crate::ui::diff::stretches;

/// Equal lines around a difference.
const CONTEXT: usize = 3;

/// A file of a patch: its path below the repository, the old text and the new one, `None` where there is no such file.
pub(super) struct Pair<'a> {
    pub(super) path: &'a str,
    pub(super) old: Option<&'a str>,
    pub(super) new: Option<&'a str>,
}

/// Adds a file's differences; nothing where there are none.
pub(super) fn add(out: &mut String, pair: &Pair<'_>) {
    if pair.old == pair.new {
        return;
    }
    let (a, b) = (named("a", pair.path), named("b", pair.path));
    out.push_str(&format!("diff --git {a} {b}\n"));
    match (pair.old, pair.new) {
        (None, _) => out.push_str("new file mode 100644\n"),
        (_, None) => out.push_str("deleted file mode 100644\n"),
        _ => {}
    }
    let hunks = hunks(pair.old.unwrap_or_default(), pair.new.unwrap_or_default());
    if hunks.is_empty() {
        return;
    }
    // A tab behind a name with spaces says where it ends.
    let side = |name: String, there: bool| match (there, name.contains(' ')) {
        (false, _) => "/dev/null".to_owned(),
        (true, true) => format!("{name}\t"),
        (true, false) => name,
    };
    let (a, b) = (side(a, pair.old.is_some()), side(b, pair.new.is_some()));
    out.push_str(&format!("--- {a}\n+++ {b}\n{hunks}"));
}

/// A name as git writes it; one with a quotation mark in quotation marks.
fn named(side: &str, path: &str) -> String {
    if path.contains('"') {
        return format!("\"{side}/{}\"", path.replace('"', "\\\""));
    }
    format!("{side}/{path}")
}

/// A line: what becomes of it, and its text with its end.
type Line<'a> = (char, &'a str);

fn hunks(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut lines: Vec<Line<'_>> = Vec::with_capacity(old.len().max(new.len()));
    for (alike, from, to) in stretches(&old, &new) {
        if alike {
            lines.extend(old[from].iter().map(|line| (' ', *line)));
        } else {
            lines.extend(old[from].iter().map(|line| ('-', *line)));
            lines.extend(new[to].iter().map(|line| ('+', *line)));
        }
    }
    let mut out = String::new();
    let (mut at, mut left, mut right) = (0, 0, 0);
    let passed = |lines: &[Line<'_>], sign: char| {
        let counted = lines.iter().filter(|(of, _)| *of == ' ' || *of == sign);
        counted.count()
    };
    while let Some(next) = lines[at..].iter().position(|(sign, _)| *sign != ' ') {
        let first = at + next;
        let begin = first.saturating_sub(CONTEXT).max(at);
        let mut end = first + 1;
        // Differences that are close together share a hunk.
        while let Some(more) = lines[end..]
            .iter()
            .take(2 * CONTEXT + 1)
            .position(|(sign, _)| *sign != ' ')
        {
            end += more + 1;
        }
        let end = (end + CONTEXT).min(lines.len());
        left += passed(&lines[at..begin], '-');
        right += passed(&lines[at..begin], '+');
        let hunk = &lines[begin..end];
        let (olds, news) = (passed(hunk, '-'), passed(hunk, '+'));
        out.push_str(&format!(
            "@@ -{} +{} @@\n",
            range(left, olds),
            range(right, news)
        ));
        for (sign, text) in hunk {
            out.push(*sign);
            out.push_str(text);
            if !text.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
        left += olds;
        right += news;
        at = end;
    }
    out
}

/// Where lines stand: behind so many, and how many they are.
fn range(behind: usize, lines: usize) -> String {
    let first = if lines == 0 { behind } else { behind + 1 };
    format!("{first},{lines}")
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;
    use std::process::Command;

    fn patch(path: &str, old: Option<&str>, new: Option<&str>) -> String {
        let mut out = "From a plan: this line is none of the patch.\n\n".to_owned();
        add(&mut out, &Pair { path, old, new });
        out
    }

    #[test]
    fn it_reads_as_people_know_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n";
        let made = patch("ann/risk/limits.R", Some(old), Some(new));
        let wanted = "diff --git a/ann/risk/limits.R b/ann/risk/limits.R\n--- a/ann/risk/limits.R\n+++ b/ann/risk/limits.R\n\
                      @@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert!(made.ends_with(wanted), "{made}");
        assert!(!patch("a/b/c", Some(old), Some(old)).contains("diff"));
    }

    fn write(folder: &Path, path: &str, text: Option<&str>) {
        let Some(text) = text else { return };
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// What git makes of it is the new text.
    #[test]
    fn git_applies_it() {
        let many = |from: usize| {
            (0..60)
                .map(|n| format!("line {}\n", n + from))
                .collect::<String>()
        };
        let far = many(0)
            .replace("line 3\n", "three\n")
            .replace("line 50\n", "");
        let cases = [
            ("ann/risk/limits.R", Some("x <- 1\n"), Some("x <- 2\n")),
            ("ann/risk/end.R", Some("x <- 1"), Some("x <- 1\n")),
            ("ann/risk/no end.R", Some("a\nb"), Some("a\nc")),
            ("ann/my risk/Größe \"2\".R", None, Some("new\nfile")),
            ("ann/risk/gone.R", Some("old\n"), None),
            ("ann/risk/empty.R", None, Some("")),
            ("ann/risk/emptied.R", Some("x\n"), Some("")),
            ("ann/risk/filled.R", Some(""), Some("x\n")),
            ("ann/risk/crlf.R", Some("a\r\nb\r\n"), Some("a\r\nc\r\n")),
            ("ann/risk/far.R", Some(&many(0)), Some(&far)),
            ("ann/risk/shifted.R", Some(&many(0)), Some(&many(5))),
        ];
        let folder = std::env::temp_dir().join(format!("gridhelm-patch-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut all = String::new();
        for (path, old, new) in &cases {
            write(&folder, path, *old);
            add(
                &mut all,
                &Pair {
                    path,
                    old: *old,
                    new: *new,
                },
            );
        }
        std::fs::write(folder.join("all.patch"), &all).unwrap();
        let mut git = Command::new("git");
        git.args(["apply", "--whitespace=nowarn", "all.patch"]);
        let ran = git
            .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir())
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}\n{all}",
            String::from_utf8_lossy(&ran.stderr)
        );
        for (path, _, new) in &cases {
            let found = std::fs::read_to_string(folder.join(path)).ok();
            assert_eq!(found.as_deref(), *new, "{path}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// Hunks put in place, as any program does it; every line has its end.
    fn put(old: &str, hunks: &str) -> String {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let (mut out, mut at) = (String::new(), 0);
        for line in hunks.lines() {
            if let Some(head) = line.strip_prefix("@@ -") {
                let (first, lines) = head.split(' ').next().unwrap().split_once(',').unwrap();
                let (first, lines): (usize, usize) =
                    (first.parse().unwrap(), lines.parse().unwrap());
                let behind = if lines == 0 { first } else { first - 1 };
                out.push_str(&old[at..behind].concat());
                at = behind;
            } else if let Some(text) = line.strip_prefix('+') {
                out.push_str(&format!("{text}\n"));
            } else {
                assert_eq!(old[at], format!("{}\n", &line[1..]));
                if line.starts_with(' ') {
                    out.push_str(old[at]);
                }
                at += 1;
            }
        }
        out + &old[at..].concat()
    }

    proptest! {
        #[test]
        fn the_hunks_make_the_new_text_of_the_old(old in "([abc]\n){0,30}", new in "([abc]\n){0,30}") {
            prop_assert_eq!(put(&old, &hunks(&old, &new)), new);
        }
    }
}
