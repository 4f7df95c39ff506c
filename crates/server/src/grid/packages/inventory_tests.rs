#![allow(clippy::unwrap_used)]
use super::*;
use gridhelm_rserve::packages::Installed;
use proptest::prelude::*;
use std::sync::Arc;

fn list(packages: &[(&str, &str)]) -> Arc<Inventory> {
    let installed = packages.iter().map(|(name, version)| Installed {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        library: "/lib".to_owned(),
        priority: if *name == "base" { "base" } else { "" }.to_owned(),
        built: "4.2.2".to_owned(),
    });
    Arc::new(Inventory::new(
        Packages {
            installed: installed.collect(),
            cut: false,
            repositories: Vec::new(),
            libraries: vec![("/lib".to_owned(), true)],
            user: "nobody".to_owned(),
        },
        1,
    ))
}

fn grid(lists: &[&[(&str, &str)]]) -> Vec<(String, Arc<Inventory>)> {
    let named = lists.iter().enumerate();
    named
        .map(|(n, packages)| (format!("n{}", n + 1), list(packages)))
        .collect()
}

#[test]
fn what_differs_is_told_and_what_is_missing_where() {
    let rows = merge(&grid(&[
        &[("base", "4.2.2"), ("zoo", "1.8-9"), ("R6", "2.5")],
        &[("base", "4.2.2"), ("zoo", "1.8-10"), ("only", "1")],
        &[("base", "4.2.2"), ("zoo", "1.8-9"), ("R6", "2.5")],
    ]));
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let others = row.others.iter();
            let others: Vec<_> = others
                .map(|o| format!("{:?}@{}", o.version.as_deref(), o.nodes.join("+")))
                .collect();
            format!(
                "{} {:?} {} [{}]",
                row.name,
                row.version.as_deref(),
                row.base,
                others.join(" ")
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "R6 Some(\"2.5\") false [None@n2]",
            "base Some(\"4.2.2\") true []",
            "only None false [Some(\"1\")@n2]",
            "zoo Some(\"1.8-9\") false [Some(\"1.8-10\")@n2]",
        ]
    );
}

#[test]
fn of_equally_many_the_newest_is_the_usual_one_and_the_first_library_counts() {
    let rows = merge(&grid(&[
        &[("zoo", "1.9"), ("zoo", "3.0")],
        &[("zoo", "1.10")],
    ]));
    assert_eq!(rows[0].version.as_deref(), Some("1.10"));
    assert_eq!(rows[0].on("n1"), Some("1.9"), "R takes the first");
    let tie = merge(&grid(&[&[("zoo", "1")], &[]]));
    assert_eq!(
        tie[0].version.as_deref(),
        Some("1"),
        "rather there than missing"
    );
}

#[test]
fn another_mark_means_another_list() {
    let one = list(&[("zoo", "1"), ("R6", "2")]);
    assert_eq!(one.mark, mark([("zoo", "1"), ("R6", "2")].into_iter()));
    assert_ne!(one.mark, list(&[("zoo", "1"), ("R6", "2.1")]).mark);
    assert_ne!(one.mark, list(&[("zoo", "1")]).mark);
    let names = ["zoo", "x1"].map(str::to_owned).into();
    assert_eq!(one.lacks(&names), 1);
}

proptest! {
    #[test]
    fn each_row_says_of_every_node_what_it_has(
        lists in prop::collection::vec(prop::collection::btree_map(0_u8..6, 0_u8..3, 0..6), 1..6),
    ) {
        let named: Vec<Vec<(String, String)>> = lists
            .iter()
            .map(|l| l.iter().map(|(p, v)| (format!("p{p}"), format!("1.{v}"))).collect())
            .collect();
        let borrowed: Vec<Vec<(&str, &str)>> = named
            .iter()
            .map(|l| l.iter().map(|(p, v)| (p.as_str(), v.as_str())).collect())
            .collect();
        let slices: Vec<&[(&str, &str)]> = borrowed.iter().map(Vec::as_slice).collect();
        let rows = merge(&grid(&slices));
        for (n, packages) in borrowed.iter().enumerate() {
            for row in &rows {
                let has = packages.iter().find(|(p, _)| *p == row.name).map(|(_, v)| *v);
                prop_assert_eq!(row.on(&format!("n{}", n + 1)), has);
            }
            prop_assert!(packages.iter().all(|(p, _)| rows.iter().any(|r| r.name == *p)));
        }
        for row in &rows {
            let same = borrowed.iter().map(|l| l.iter().find(|(p, _)| *p == row.name)).collect::<BTreeSet<_>>();
            prop_assert_eq!(row.differs(), same.len() > 1);
        }
    }
}
