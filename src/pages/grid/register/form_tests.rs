//! What the form says before anything is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gridhelm_api::node::NodeFacts;

use super::*;
use crate::pages::grid::sample::node;

fn form(fields: &[(Field, &str)]) -> Form {
    let mut form = Form::default();
    form.set(Field::Name, "east-r09");
    form.set(Field::Host, "10.0.0.9");
    for (field, text) in fields {
        form.set(*field, text);
    }
    form
}

fn test(cores: u32, suggested: u32) -> NodeTest {
    let facts = NodeFacts {
        cores,
        ..NodeFacts::default()
    };
    NodeTest {
        ok: true,
        code: None,
        steps: Vec::new(),
        latency_ms: None,
        facts: Some(facts),
        suggested_slots: Some(suggested),
        tested_from: "east-1".to_owned(),
    }
}

#[test]
fn a_good_form_has_nothing_to_mend() {
    assert_eq!(form(&[]).wrong("east", &[node("east-r01")]), []);
    assert_eq!(mend(&[]), None);
}

#[test]
fn what_is_wrong_is_named_with_its_repair() {
    let nodes = [node("east-r01"), node("east-r08")];
    let taken = form(&[(Field::Name, "east-r08")])
        .hint(Field::Name, "east", &nodes, None)
        .unwrap();
    assert_eq!(
        (taken.tone, taken.text.as_str(), taken.repair.as_deref()),
        (
            Glyph::Fail,
            "Already registered. Next free:",
            Some("east-r09")
        )
    );
    let place = form(&[(Field::Host, "10.0.0.1")])
        .hint(Field::Host, "east", &nodes, None)
        .unwrap();
    assert_eq!(
        (place.tone, place.text.as_str()),
        (Glyph::Fail, "10.0.0.1:6311 is east-r01 already.")
    );
    let wrong = form(&[
        (Field::Slots, "0"),
        (Field::Port, "65536"),
        (Field::Host, "http://x"),
        (Field::Password, "x"),
    ])
    .wrong("east", &nodes);
    assert_eq!(wrong, [Field::Host, Field::Port, Field::User, Field::Slots]);
    assert_eq!(mend(&wrong[..1]).unwrap(), "Fix 1 field to register: Host.");
    assert_eq!(
        mend(&wrong[..2]).unwrap(),
        "Fix 2 fields to register: Host, Rserve port."
    );
}

#[test]
fn the_server_s_word_on_a_field_is_shown_at_it() {
    let problem = Problem::invalid(vec![FieldError::new("slot_limit", "Give 1 to 1024 slots.")]);
    assert_eq!(
        of_problem(Some(&problem), Field::Slots).unwrap().text,
        "Give 1 to 1024 slots."
    );
    assert_eq!(of_problem(Some(&problem), Field::Name), None);
    assert_eq!(of_problem(None, Field::Slots), None);
}

#[test]
fn slots_are_measured_by_what_the_test_found() {
    let hint = |slots: &str, found: &NodeTest| {
        form(&[(Field::Slots, slots)])
            .hint(Field::Slots, "east", &[], Some(found))
            .unwrap()
    };
    let many = hint("20", &test(16, 14));
    assert_eq!(
        (many.tone, many.text.as_str(), many.repair.as_deref()),
        (Glyph::Warn, "More than its 16 cores.", Some("14"))
    );
    assert_eq!(
        hint("15", &test(16, 14)).text,
        "More than its memory suggests."
    );
    assert_eq!(hint("14", &test(16, 14)).tone, Glyph::Pass);
    assert_eq!(hint("3", &test(16, 14)).text, "It could take 14.");
    assert_eq!(form(&[]).hint(Field::Slots, "east", &[], None), None);
}

#[test]
fn a_test_holds_as_long_as_what_it_tested() {
    let first = form(&[]);
    assert_eq!(
        first.tested(),
        form(&[
            (Field::Slots, "7"),
            (Field::Name, "other"),
            (Field::Labels, "x")
        ])
        .tested()
    );
    for (field, text) in [
        (Field::Host, "10.0.0.8"),
        (Field::Port, "6312"),
        (Field::User, "r"),
        (Field::Password, "p"),
    ] {
        assert_ne!(first.tested(), form(&[(field, text)]).tested(), "{field:?}");
    }
}

#[test]
fn the_next_free_name_counts_on() {
    assert_eq!(next_free("east", &[]), "east-r01");
    assert_eq!(
        next_free("east", &[node("east-r02"), node("east-r10"), node("spare")]),
        "east-r11"
    );
    assert_eq!(next_free("east", &[node("big7")]), "big8");
    assert_eq!(
        next_free("east", &[node("n99999999999999999999999")]),
        "east-r01"
    );
}

#[test]
fn a_patch_holds_what_was_changed_and_nothing_else() {
    let node = Node {
        user: Some("grid".to_owned()),
        labels: vec!["a".to_owned()],
        ..node("east-r01")
    };
    let mut form = Form::of_node(&node);
    assert!(form.patch(&node) == NodePatch::default(), "nothing changed");
    form.set(Field::Slots, "4");
    form.set(Field::Labels, "a, b,, a ");
    let patch = form.patch(&node);
    assert_eq!(
        (patch.slot_limit, patch.labels),
        (Some(4), Some(vec!["a".to_owned(), "b".to_owned()]))
    );
    assert!(
        patch.host.is_none()
            && patch.port.is_none()
            && patch.user.is_none()
            && patch.password.is_none()
    );
}
