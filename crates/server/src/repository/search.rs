//! Searching names and contents: a bounded piece at a time, so that no search holds the server up.

use super::{Repository, RepositoryError, Result};
use crate::accounts::Actor;
use gridhelm_api::FieldError;
use gridhelm_api::repository::{FileMeta, Found, MAX_SEARCHED, SearchAnswer, SearchRequest};
use std::time::{Duration, Instant};

/// Files looked up at once.
const FILES: u32 = 500;
/// After so long, so many finds or bytes read, the answer says where to go on.
const LONG: Duration = Duration::from_secs(3);
const MOST: usize = 200;
const READ: u64 = 64 << 20;
/// How many searches in contents may read at once; the others wait.
pub(super) const AT_ONCE: usize = 2;
/// How much of a line is shown, characters.
const SHOWN: usize = 200;

/// The first line of a text in which the words occur: its number, from 1, and what is shown of it. `wanted` is in lower case.
fn line_with(text: &str, wanted: &str) -> Option<(u32, String)> {
    let (line, number) = text
        .lines()
        .zip(1..)
        .find(|(line, _)| line.to_lowercase().contains(wanted))?;
    let trimmed = line.trim();
    let shown = match trimmed.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &trimmed[..end]),
        None => trimmed.to_owned(),
    };
    Some((number, shown))
}

impl Repository {
    /// Files that the actor may read in whose path, or, where that is wanted, in whose text the words occur; capitals do not count.
    pub async fn search(&self, request: &SearchRequest, by: &Actor) -> Result<SearchAnswer> {
        let wanted = request.text.trim().to_lowercase();
        if !(2..=200).contains(&wanted.chars().count()) {
            let error = FieldError::new("text", "Give 2 to 200 characters.");
            return Err(RepositoryError::Invalid(vec![error]));
        }
        // The semaphore is never closed.
        let _turn = if request.contents {
            self.searches.acquire().await.ok()
        } else {
            None
        };
        let begun = Instant::now();
        let mut answer = SearchAnswer::default();
        let (mut after, mut read) = (request.after.clone(), 0);
        loop {
            let files = self.store.files_behind(after.as_ref(), FILES).await?;
            let Some(last) = files.last() else {
                return Ok(answer);
            };
            let end = last.id.clone();
            for file in self.readable(files, by).await? {
                let over = begun.elapsed() > LONG || read > READ || answer.found.len() >= MOST;
                if over && answer.looked > 0 {
                    answer.next = after;
                    return Ok(answer);
                }
                answer.looked += 1;
                let id = file.id.clone();
                if let Some(found) = self
                    .found(file, &wanted, request.contents, &mut read)
                    .await?
                {
                    answer.found.push(found);
                }
                after = Some(id);
            }
            after = Some(end);
        }
    }

    async fn found(
        &self,
        file: FileMeta,
        wanted: &str,
        contents: bool,
        read: &mut u64,
    ) -> Result<Option<Found>> {
        let found = |file: FileMeta, line: Option<(u32, String)>| Found {
            id: file.id,
            version: file.version,
            size: file.size,
            line: line.as_ref().map(|(number, _)| *number),
            text: line.map(|(_, text)| text).unwrap_or_default(),
        };
        if file.id.path().to_lowercase().contains(wanted) {
            return Ok(Some(found(file, None)));
        }
        if !contents || file.size > MAX_SEARCHED {
            return Ok(None);
        }
        *read += file.size;
        let content = self.store.read_blob(&file.sha256, 0, file.size).await?;
        let line = content
            .and_then(|content| String::from_utf8(content).ok())
            .filter(|text| !text.contains('\0'))
            .and_then(|text| line_with(&text, wanted));
        Ok(line.map(|line| found(file, Some(line))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_the_words_is_shown_cut() {
        let text = "library(stats)\n  Größe <- 5\nGRÖSSE <- 6\n";
        assert_eq!(line_with(text, "größe"), Some((2, "Größe <- 5".to_owned())));
        assert_eq!(line_with(text, "nothing"), None);
        let long = format!("x{}needle", "ä".repeat(500));
        let shown = line_with(&long, "needle").map(|(_, text)| text.chars().count());
        assert_eq!(shown, Some(SHOWN + 1));
    }
}
