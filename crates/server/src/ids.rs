//! Ids of tasks and sessions: sortable by time, and not to be guessed.

use gridhelm_api::Millis;

/// Crockford's base32 in lower case: no i, l, o, u; sorts like the number.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// `t-` with the time (10 digits) and 60 random bits (12 digits). Ids of later milliseconds sort later.
pub(crate) fn task_id(now: Millis) -> Result<String, getrandom::Error> {
    Ok(format!("t-{}", sortable(now)?))
}

/// `s-` with the same, for a session.
pub(crate) fn session_id(now: Millis) -> Result<String, getrandom::Error> {
    Ok(format!("s-{}", sortable(now)?))
}

/// `a-` with the same, for an alert.
pub(crate) fn alert_id(now: Millis) -> Result<String, getrandom::Error> {
    Ok(format!("a-{}", sortable(now)?))
}

/// `d-` with the same, for a message about an alert, and a silence.
pub(crate) fn delivery_id(now: Millis) -> Result<String, getrandom::Error> {
    Ok(format!("d-{}", sortable(now)?))
}

fn sortable(now: Millis) -> Result<String, getrandom::Error> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random)?;
    let mut text = String::with_capacity(22);
    push(&mut text, u64::try_from(now).unwrap_or(0), 10);
    push(&mut text, u64::from_le_bytes(random), 12);
    Ok(text)
}

/// The lowest `digits` digits of a number.
fn push(text: &mut String, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        #[allow(clippy::cast_possible_truncation)] // masked to 5 bits
        let digit = (number >> (place * 5)) as usize & 31;
        text.push(char::from(DIGITS[digit]));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn later_ids_sort_later_and_none_repeats() {
        let ids: Vec<String> = (0..200)
            .map(|i| task_id(1_795_000_000_000 + i).unwrap())
            .collect();
        assert!(ids.is_sorted());
        let same: BTreeSet<String> = (0..1_000).map(|_| task_id(5).unwrap()).collect();
        assert_eq!(same.len(), 1_000);
        assert!(
            same.iter()
                .all(|id| id.len() == 24 && id.starts_with("t-0000000005"))
        );
        assert!(session_id(0).unwrap().starts_with("s-0000000000"));
    }
}
