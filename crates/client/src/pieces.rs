//! A long list inside a JSON text, cut into its items: each is read by itself, and what was made to read it is gone before the next.
//!
//! A snapshot of 10,000 nodes is some 18 MB of text and would be 150 MB as one tree of values; a browser never gives such memory back.

/// A text with a list of it taken out, and the items of that list, as they stand in it.
pub(crate) struct Cut<'a> {
    /// The text with an empty list in its place.
    pub(crate) rest: String,
    pub(crate) items: Vec<&'a str>,
}

/// Cuts out the list that is called `name` in an object at `depth`: 1 for the outermost one. `None` when there is none such, or the brackets and
/// quotes do not fit: who reads the whole text then finds out what is wrong with it.
pub(crate) fn cut<'a>(text: &'a str, name: &str, depth: usize) -> Option<Cut<'a>> {
    let bytes = text.as_bytes();
    let wanted = ["\"", name, "\""].concat();
    let (mut at, mut level) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string(bytes, at)?;
                let list = after_colon(bytes, end).filter(|list| bytes.get(*list) == Some(&b'['));
                if let Some(list) = list.filter(|_| level == depth && text[at..end] == wanted) {
                    let (items, end) = items(text, list)?;
                    let rest = [&text[..list], "[]", &text[end..]].concat();
                    return Some(Cut { rest, items });
                }
                at = end;
                continue;
            }
            b'{' | b'[' => level += 1,
            b'}' | b']' => level = level.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The end of the string that begins here, behind its quote.
fn string(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the value begins whose name ends here; none when this is no name.
fn after_colon(bytes: &[u8], end: usize) -> Option<usize> {
    let colon = space(bytes, end);
    (bytes.get(colon) == Some(&b':')).then(|| space(bytes, colon + 1))
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The items of the list that begins here, and where it ends, behind its bracket.
fn items(text: &str, list: usize) -> Option<(Vec<&str>, usize)> {
    let bytes = text.as_bytes();
    let mut items = Vec::new();
    let (mut at, mut begin, mut level) = (list + 1, list + 1, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => level += 1,
            b']' if level == 0 => {
                // Nothing behind a comma is no item, but a fault: it is read as one and told.
                if !items.is_empty() || !text[begin..at].trim().is_empty() {
                    items.push(&text[begin..at]);
                }
                return Some((items, at + 1));
            }
            b'}' | b']' => level = level.checked_sub(1)?,
            b',' if level == 0 => {
                items.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// The value with the list put back from its pieces.
    fn put_back(cut: &Cut<'_>, name: &str) -> Value {
        let mut whole: Value = serde_json::from_str(&cut.rest).unwrap();
        let items: Vec<Value> = cut
            .items
            .iter()
            .map(|item| serde_json::from_str(item).unwrap())
            .collect();
        assert_eq!(whole["data"][name], json!([]));
        whole["data"][name] = items.into();
        whole
    }

    #[test]
    fn the_list_of_that_name_at_that_depth_is_cut() {
        let value = json!({
            "nodes": [0], "text": "\"nodes\":[9]", "data": {
                "group": { "nodes": [8] }, "other": "nodes", "nodes": [{ "a": [1, "]"] }, "x,\\\"", [], 3], "after": [1],
            },
        });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let found = cut(&text, "nodes", 2).unwrap();
        assert_eq!(found.items.len(), 4);
        assert_eq!(put_back(&found, "nodes"), value);
        assert!(cut(&text, "absent", 2).is_none());
        let empty = cut(r#"{"data":{"nodes": [ ]}}"#, "nodes", 2).unwrap();
        assert!(empty.items.is_empty());
    }

    #[test]
    fn what_is_broken_is_not_cut_or_told_by_its_pieces() {
        for text in [
            "",
            "}",
            "{\"data\":{\"nodes\":[1,2",
            "{\"data\":{\"nodes\":[\"",
            "{\"data\":{\"nodes\":[}]",
            "{\"data\":{\"nodes\":3}}",
        ] {
            assert!(cut(text, "nodes", 2).is_none(), "{text}");
        }
        let trailing = cut("{\"data\":{\"nodes\":[1,]}}", "nodes", 2).unwrap();
        assert_eq!(trailing.items, ["1", ""]);
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(
            texts in prop::collection::vec(".{0,12}", 0..5), before in ".{0,12}", after in ".{0,12}", pretty: bool,
        ) {
            let items: Vec<Value> = texts.iter().map(|text| json!({ "name": text, "slots": [text, { "of": text }] })).collect();
            let value = json!({ "type": before, "data": { "a": before, "nodes": items, "z": { "nodes": [after] } } });
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let found = cut(&text, "nodes", 2).unwrap();
            prop_assert_eq!(found.items.len(), texts.len());
            prop_assert_eq!(put_back(&found, "nodes"), value);
        }

        #[test]
        fn no_text_stops_it(text in "[\\[\\]{}\",:\\\\ nodes1]{0,40}") {
            let _ = cut(&text, "nodes", 2);
            let _ = cut(&["{\"data\":{\"nodes\":[", &text].concat(), "nodes", 2);
        }
    }
}
