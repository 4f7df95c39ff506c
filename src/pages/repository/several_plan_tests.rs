#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

fn file(directory: &str, name: &str) -> FileMeta {
    FileMeta {
        id: FileId::new("ann", directory, name),
        version: 4,
        size: 3,
        sha256: "1".repeat(64),
        written_by: "ann".to_owned(),
        written_at: 0,
        info: None,
    }
}

fn refusals(act: &Act, chosen: &[FileMeta], all: &[FileMeta]) -> Vec<Option<String>> {
    let steps = steps(act, "east", chosen, all);
    steps.into_iter().map(Result::err).collect()
}

#[test]
fn nothing_is_overwritten_and_every_refusal_says_why() {
    let all = [file("a", "x.R"), file("b", "x.R"), file("c", "y.R")];
    let to = |directory: &str| Act::Move(directory.to_owned());
    let told = refusals(&to("new"), &all, &all);
    assert_eq!(told[0], None);
    assert!(
        told[1].as_ref().unwrap().contains("new has a file"),
        "{told:?}"
    );
    assert_eq!(told[2], None);
    let told = refusals(&to("b"), &all, &all);
    assert!(
        told[0].as_ref().unwrap().contains("b has a file"),
        "{told:?}"
    );
    assert!(told[1].as_ref().unwrap().contains("already"), "{told:?}");
}

#[test]
fn the_archive_is_gone_into_and_out_of_once() {
    let all = [file("a", "x.R"), file("b.archive", "x.R")];
    assert_eq!(refusals(&Act::Archive, &all, &all)[0], None);
    assert!(refusals(&Act::Archive, &all, &all)[1].is_some());
    let out = steps(&Act::Unarchive, "east", &all, &all);
    assert!(out[0].is_err());
    let Ok(Step::Place { to, moves, request }) = &out[1] else {
        panic!("{out:?}")
    };
    assert_eq!((to.directory.as_str(), *moves), ("b", true));
    assert!(request.check().is_empty());
}

#[test]
fn what_is_said_changes_in_the_one_thing_that_is_meant() {
    let info = FileInfo {
        access: Access::Restricted,
        roles: vec!["viewer".to_owned()],
        tags: vec!["old".to_owned()],
        description: "limits".to_owned(),
        ..FileInfo::default()
    };
    let file = FileMeta {
        info: Some(Box::new(info.clone())),
        ..file("a", "x.R")
    };
    let one = |act: Act| steps(&act, "east", std::slice::from_ref(&file), &[]).remove(0);
    let word = |word: &str| vec![word.to_owned()];
    let tagged = FileInfo {
        tags: vec!["old".to_owned(), "new".to_owned()],
        ..info.clone()
    };
    assert_eq!(one(Act::Tag(word("new"))), Ok(Step::Describe(tagged)));
    assert!(one(Act::Tag(word("old"))).is_err(), "nothing would change");
    let untagged = FileInfo {
        tags: Vec::new(),
        ..info.clone()
    };
    assert_eq!(one(Act::Untag(word("old"))), Ok(Step::Describe(untagged)));
    let shared = FileInfo {
        access: Access::Shared,
        roles: Vec::new(),
        ..info
    };
    assert_eq!(
        one(Act::Access(Access::Shared, word("viewer"))),
        Ok(Step::Describe(shared))
    );
    let many: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    assert!(one(Act::Tag(many)).unwrap_err().starts_with("tags"));
}

#[test]
fn an_act_that_fits_no_file_is_off() {
    for act in [
        Act::Move("a/b".to_owned()),
        Act::Copy(String::new()),
        Act::Tag(Vec::new()),
        Act::Access(Access::Restricted, Vec::new()),
    ] {
        assert!(act.fault().is_some(), "{act:?}");
    }
    assert_eq!(Act::Delete.fault(), None);
    assert_eq!(Act::Delete.verb(1), "Delete 1 file");
}

#[test]
fn many_names_are_told_shortly() {
    let files: Vec<FileMeta> = (0..5).map(|n| file("a", &format!("f{n}"))).collect();
    assert_eq!(names(&files[..2]), "a/f0, a/f1");
    assert_eq!(names(&files), "a/f0, a/f1, a/f2 and 2 files more");
}

proptest! {
    /// Whatever is chosen: each file has one answer, no two go to one place, none over another, and every request is one that a server takes.
    #[test]
    fn every_step_can_be_sent(
        places in proptest::collection::btree_set(("[ab](\\.archive)?", "[xyz]"), 1..8),
        picked in proptest::collection::vec(any::<bool>(), 8),
        act in 0..6_u8,
        to in "[abc](\\.archive)?",
    ) {
        let all: Vec<FileMeta> = places.iter().map(|(directory, name)| file(directory, name)).collect();
        let chosen: Vec<FileMeta> = all.iter().zip(&picked).filter(|(_, on)| **on).map(|(file, _)| file.clone()).collect();
        let act = match act {
            0 => Act::Delete,
            1 => Act::Move(to),
            2 => Act::Copy(to),
            3 => Act::Archive,
            4 => Act::Unarchive,
            _ => Act::Tag(vec![to]),
        };
        let steps = steps(&act, "east", &chosen, &all);
        prop_assert_eq!(steps.len(), chosen.len());
        let mut taken: BTreeSet<FileId> = all.iter().map(|file| file.id.clone()).collect();
        for step in steps.iter().flatten() {
            match step {
                Step::Place { request, to, .. } => {
                    prop_assert!(request.check().is_empty());
                    prop_assert!(taken.insert(to.clone()), "{:?}", to);
                }
                Step::Describe(info) => prop_assert!(info.check().is_empty()),
                Step::Delete => {}
            }
        }
    }
}
