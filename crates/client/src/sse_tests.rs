//! The parser against the standard's examples, and against every way of cutting a stream.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn parse(pieces: &[&[u8]]) -> Vec<Message> {
    let mut parser = Parser::new();
    let mut out = Vec::new();
    for piece in pieces {
        parser.push(piece, &mut out).unwrap();
    }
    out
}

fn message(event: &str, data: &str, id: &str) -> Message {
    Message {
        event: event.to_owned(),
        data: data.to_owned(),
        id: id.to_owned(),
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let text = "\u{feff}: a comment\nid: b1:1\nevent: node\ndata: {\"a\":\ndata:  1}\n\ndata\n\nevent: ignored, no data\n\nid\ndata: last\n\n";
    assert_eq!(
        parse(&[text.as_bytes()]),
        [
            message("node", "{\"a\":\n 1}", "b1:1"),
            message("", "", "b1:1"),
            message("", "last", "")
        ]
    );
}

#[test]
fn every_line_ending_ends_one_line() {
    assert_eq!(
        parse(&[b"data: a\r\ndata: b\rdata: c\n\r\n"]),
        [message("", "a\nb\nc", "")]
    );
    assert_eq!(
        parse(&[b"data: a\r", b"\n\r", b"\ndata: b\n\n"]),
        [message("", "a", ""), message("", "b", "")]
    );
}

#[test]
fn an_unfinished_message_is_not_given_out() {
    assert_eq!(parse(&[b"data: a\n"]), []);
}

#[test]
fn a_message_without_end_is_given_up() {
    let mut parser = Parser::new();
    let piece = vec![b'x'; 1 << 20];
    let outcome = (0..=Parser::LIMIT >> 20).try_for_each(|_| parser.push(&piece, &mut Vec::new()));
    assert_eq!(outcome, Err(TooLong));
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\r\n\u{feff}]{0,12}",
        "(data|event|id|retry|:)(: ?[^\r\n]{0,8})?",
        Just(String::new()),
    ]
}

proptest! {
    /// However the network cuts it, the stream says the same.
    #[test]
    fn cuts_change_nothing(lines in prop::collection::vec((line(), prop_oneof!["\n", "\r", "\r\n"]), 0..30), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10)) {
        let text: String = lines.into_iter().flat_map(|(line, end)| [line, end]).collect();
        let bytes = text.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(parse(&pieces), parse(&[bytes]));
    }

    /// What a server writes is what the console reads.
    #[test]
    fn what_is_written_is_read(messages in prop::collection::vec(("[a-z_]{1,8}", "[^\r\u{0}]{0,40}", "[a-z0-9:]{1,8}"), 0..8)) {
        let mut text = String::new();
        for (event, data, id) in &messages {
            text.push_str(&format!("id: {id}\nevent: {event}\n"));
            for line in data.split('\n') {
                text.push_str(&format!("data: {line}\n"));
            }
            text.push('\n');
        }
        let expected: Vec<Message> = messages.iter().map(|(event, data, id)| message(event, data, id)).collect();
        prop_assert_eq!(parse(&[text.as_bytes()]), expected);
    }

    /// Any bytes are taken without a panic.
    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&[&bytes]);
    }
}
