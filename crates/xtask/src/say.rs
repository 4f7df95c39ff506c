//! What the commands print.
//!
//! Progress goes to standard error, results (addresses, totals) to standard output, so that a script can read the latter.

use std::fmt::Display;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Prints one line of a result to standard output. A closed pipe is not an error worth stopping a deployment for.
pub fn result(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints one line of progress to standard error: a word of at most 12 letters, then the text.
pub fn progress(word: &str, text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{word:>12} {text}");
}

/// Prints one line that another program told as an error.
pub fn error(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Does one named step and prints what it took, whether it succeeded or not.
pub fn timed<T, E>(word: &str, text: &str, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    progress(word, text);
    let begun = Instant::now();
    let outcome = step();
    let end = if outcome.is_ok() { "done" } else { "failed" };
    progress(end, format_args!("{text} in {}", seconds(begun.elapsed())));
    outcome
}

/// A duration as people read it: `0.4 s`, `12.3 s`, `4 min 05 s`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(245)), "4 min 05 s");
    }
}
