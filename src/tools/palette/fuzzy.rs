//! Which names a few typed letters may mean, and which of them most likely.

/// The most letters of a query that are looked at; nobody types more.
const QUERY: usize = 64;
/// The most letters of a name that are looked at.
const NAME: usize = 160;

/// How well a name fits, and where the letters were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// More is better; only to be compared with that of the same query.
    pub(crate) score: i32,
    /// The places of the letters in the name, counted in characters from 0, ascending.
    pub(crate) at: Vec<usize>,
}

/// What a letter is worth that begins a word of the name.
const BEGINS: i32 = 10;
/// What a letter is worth that follows the one before it.
const FOLLOWS: i32 = 12;
/// What the very first letter of the name is worth beside that.
const FIRST: i32 = 1;
/// The length of a name decides only between those that are worth the same: it stays below this.
const SCALE: i32 = 256;
/// No way leads here.
const NONE: i32 = i32::MIN / 2;

/// How the name fits the query: all letters of the query must be in it, in order, in upper or lower case; spaces in the query separate its words and
/// stand for nothing. Of all ways to find them the best counts: letters that begin words, and letters side by side. `None` when they are not all there.
pub(crate) fn fit(query: &str, name: &str) -> Option<Fit> {
    let wanted: Vec<char> = query
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .take(QUERY)
        .map(folded)
        .collect();
    let letters: Vec<char> = name.chars().take(NAME).collect();
    let (rows, columns) = (wanted.len(), letters.len());
    if rows == 0 {
        return Some(Fit {
            score: 0,
            at: Vec::new(),
        });
    }
    if rows > columns {
        return None;
    }
    // For each letter of the query and each place that it may be at: the best worth so far, and where the letter before it was.
    let mut best = vec![(NONE, 0_usize); rows * columns];
    for (row, letter) in wanted.iter().enumerate() {
        // The best of the row before, over all places that are not next to this one.
        let mut before = (NONE, 0_usize);
        for column in 0..columns {
            if row > 0 && column > 1 {
                let (worth, _) = best[(row - 1) * columns + column - 2];
                if worth > before.0 {
                    before = (worth, column - 2);
                }
            }
            if folded(letters[column]) != *letter {
                continue;
            }
            let own = own_worth(&letters, column);
            let found = if row == 0 {
                (own, 0)
            } else {
                let next_to = match column.checked_sub(1) {
                    Some(place) => (best[(row - 1) * columns + place].0 + FOLLOWS, place),
                    None => (NONE, 0),
                };
                let (worth, place) = if next_to.0 >= before.0 {
                    next_to
                } else {
                    before
                };
                (worth + own, place)
            };
            if found.0 > NONE / 2 {
                best[row * columns + column] = found;
            }
        }
    }
    let last = (rows - 1) * columns;
    let mut end = 0;
    for column in 1..columns {
        if best[last + column].0 > best[last + end].0 {
            end = column;
        }
    }
    let worth = best[last + end].0;
    if worth <= NONE / 2 {
        return None;
    }
    let mut at = vec![0; rows];
    for row in (0..rows).rev() {
        at[row] = end;
        end = best[row * columns + end].1;
    }
    // Of two names that hold the letters alike, the shorter one is meant.
    let length = i32::try_from(columns).unwrap_or(i32::MAX);
    Some(Fit {
        score: worth * SCALE - length,
        at,
    })
}

fn own_worth(letters: &[char], place: usize) -> i32 {
    let Some(before) = place.checked_sub(1) else {
        return 1 + BEGINS + FIRST;
    };
    let (before, own) = (letters[before], letters[place]);
    let begins = !before.is_alphanumeric() || before.is_lowercase() && own.is_uppercase();
    if begins { 1 + BEGINS } else { 1 }
}

/// A letter without its case; the few that become several in lower case stay as they are.
fn folded(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(only), None) => only,
        _ => letter,
    }
}

/// A name cut where found and other letters meet: each part with whether it was found. Together they are the name.
pub(crate) fn parts(name: &str, at: &[usize]) -> Vec<(String, bool)> {
    let mut parts: Vec<(String, bool)> = Vec::new();
    for (place, letter) in name.chars().enumerate() {
        let found = at.binary_search(&place).is_ok();
        match parts.last_mut() {
            Some((text, last)) if *last == found => text.push(letter),
            _ => parts.push((letter.to_string(), found)),
        }
    }
    parts
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn best<'a>(query: &str, names: &[&'a str]) -> &'a str {
        names
            .iter()
            .filter_map(|name| fit(query, name).map(|fit| (fit.score, *name)))
            .max_by_key(|(score, _)| *score)
            .unwrap()
            .1
    }

    #[test]
    fn what_a_person_means_comes_first() {
        assert_eq!(best("gr", &["Register a node", "Grid", "Events"]), "Grid");
        assert_eq!(best("er5", &["west-r15", "east-r05"]), "east-r05");
        assert_eq!(
            best("swe", &["Events & audit", "Switch east to east-2"]),
            "Switch east to east-2"
        );
        assert_eq!(
            best("drain", &["drain.R", "Drain east-r05", "daily rain"]),
            "drain.R"
        );
        assert_eq!(
            best("fit", &["files in time", "regression/linear-fit.R"]),
            "regression/linear-fit.R"
        );
        assert_eq!(
            best("LINEAR FIT", &["linear-fit.R", "nonlinear.R"]),
            "linear-fit.R"
        );
    }

    #[test]
    fn letters_side_by_side_are_marked_rather_than_scattered_ones() {
        let found = fit("drain", "d of rain, drain").unwrap();
        assert_eq!(
            parts("d of rain, drain", &found.at),
            [
                ("d of rain, ".to_owned(), false),
                ("drain".to_owned(), true)
            ]
        );
        assert_eq!(fit("xyz", "east-r05"), None);
        assert_eq!(fit("tsae", "east"), None, "in order");
        assert_eq!(fit("  ", "east").unwrap().at, Vec::<usize>::new());
    }

    /// Whether the letters are in the name in order, by the plainest way.
    fn holds(query: &str, name: &str) -> bool {
        let mut letters = name.chars().map(folded);
        query
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .all(|wanted| letters.any(|letter| letter == folded(wanted)))
    }

    proptest! {
        #[test]
        fn a_name_fits_exactly_when_it_holds_the_letters_in_order(query in "[a-cA-C ]{0,5}", name in "[a-cA-C0-9 ./-]{0,12}") {
            let found = fit(&query, &name);
            prop_assert_eq!(found.is_some(), holds(&query, &name));
            if let Some(found) = found {
                let letters: Vec<char> = name.chars().map(folded).collect();
                let wanted: Vec<char> = query.chars().filter(|c| !c.is_whitespace()).map(folded).collect();
                prop_assert!(found.at.windows(2).all(|two| two[0] < two[1]));
                prop_assert_eq!(found.at.iter().map(|at| letters[*at]).collect::<Vec<_>>(), wanted);
            }
        }

        #[test]
        fn no_other_way_to_find_the_letters_is_worth_more(query in "[ab]{1,4}", name in "[abAB1 -]{1,9}") {
            let letters: Vec<char> = name.chars().collect();
            let wanted: Vec<char> = query.chars().collect();
            // Every way, one by one.
            let mut most = None;
            for set in 0_u32..1 << letters.len() {
                let at: Vec<usize> = (0..letters.len()).filter(|place| set >> place & 1 == 1).collect();
                if at.len() == wanted.len() && at.iter().zip(&wanted).all(|(at, letter)| folded(letters[*at]) == *letter) {
                    let side: i32 = at.windows(2).map(|two| if two[0] + 1 == two[1] { FOLLOWS } else { 0 }).sum();
                    let worth = side + at.iter().map(|at| own_worth(&letters, *at)).sum::<i32>();
                    most = most.max(Some(worth * SCALE - i32::try_from(letters.len()).unwrap()));
                }
            }
            prop_assert_eq!(fit(&query, &name).map(|found| found.score), most);
        }

        #[test]
        fn the_parts_are_the_name(name in ".{0,20}", query in ".{0,4}") {
            if let Some(found) = fit(&query, &name) {
                let whole: String = parts(&name, &found.at).into_iter().map(|(text, _)| text).collect();
                prop_assert_eq!(whole, name);
            }
        }
    }
}
