//! What the addresses promise: every one survives a reload, and none is invented twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// One address of every kind. When this list changes, addresses that people have kept change.
fn every_kind() -> Vec<(Place, &'static str)> {
    let place = |group: Option<&str>, route| Place {
        group: group.map(str::to_owned),
        route,
    };
    let grid = GridView {
        node: some("east-r01"),
        slot: some("3"),
        state: some("lost,stalled"),
        ..GridView::default()
    };
    let edit = GridView {
        node: some("east-r01"),
        panel: some("edit"),
        sort: some("-load"),
        ..GridView::default()
    };
    let task = TasksView {
        task: some("t-90417"),
        tab: some("console"),
        ..TasksView::default()
    };
    let run = TasksView {
        panel: some("run"),
        script: some("admin/regression/fit model.R"),
        ..TasksView::default()
    };
    let file = RepositoryView {
        file: some("admin/plots/a&b=c.R"),
        version: some("3"),
        ..RepositoryView::default()
    };
    let diff = ReplicateView {
        source: some("east"),
        target: some("west"),
        file: some("a/b/c.R"),
        diff: some("unified"),
        ..ReplicateView::default()
    };
    let switch = SwitchView {
        to: some("east-2"),
        panel: some("failover"),
        kind: some("forced"),
        state: some("done"),
        q: some("kernel"),
    };
    let events = EventsView {
        q: some("größer 5%"),
        severity: some("warn,error"),
        period: some("24h"),
        ..EventsView::default()
    };
    vec![
        (place(None, Page::Overview.route()), "?page=overview"),
        (
            place(
                Some("east"),
                Route::Overview(OverviewView {
                    topology: some("list"),
                }),
            ),
            "?page=overview&group=east&topology=list",
        ),
        (place(None, Page::Grid.route()), "?page=grid"),
        (
            place(Some("east"), Route::Grid(grid)),
            "?page=grid&group=east&node=east-r01&slot=3&state=lost,stalled",
        ),
        (
            place(None, Route::Grid(edit)),
            "?page=grid&node=east-r01&sort=-load&panel=edit",
        ),
        (place(None, Page::Tasks.route()), "?page=tasks"),
        (
            place(Some("west"), Route::Tasks(task)),
            "?page=tasks&group=west&task=t-90417&tab=console",
        ),
        (
            place(None, Route::Tasks(run)),
            "?page=tasks&panel=run&script=admin/regression/fit+model.R",
        ),
        (place(None, Page::Repository.route()), "?page=repository"),
        (
            place(None, Route::Repository(file)),
            "?page=repository&file=admin/plots/a%26b%3Dc.R&version=3",
        ),
        (place(None, Page::Replicate.route()), "?page=replicate"),
        (
            place(None, Route::Replicate(diff)),
            "?page=replicate&source=east&target=west&file=a/b/c.R&diff=unified",
        ),
        (place(None, Page::Switch.route()), "?page=switch"),
        (
            place(Some("east"), Route::Switch(switch)),
            "?page=switch&group=east&to=east-2&panel=failover&kind=forced&state=done&q=kernel",
        ),
        (place(None, Page::Events.route()), "?page=events"),
        (place(None, Page::Backups.route()), "?page=backups"),
        (
            place(
                None,
                Route::Packages(PackagesView {
                    q: some("zoo"),
                    show: some("differs"),
                    ..PackagesView::default()
                }),
            ),
            "?page=packages&q=zoo&show=differs",
        ),
        (
            place(
                None,
                Route::Accounts(AccountsView {
                    panel: some("edit"),
                    of: some("east"),
                    user: some("ada"),
                }),
            ),
            "?page=accounts&panel=edit&of=east&user=ada",
        ),
        (
            place(None, Route::Events(events)),
            "?page=events&q=gr%C3%B6%C3%9Fer+5%25&severity=warn,error&period=24h",
        ),
        (
            place(None, Route::Unknown("no such".to_owned())),
            "?page=no+such",
        ),
    ]
}

#[test]
fn every_address_is_built_and_read_back() {
    for (place, url) in every_kind() {
        assert_eq!(place.url(), url);
        assert_eq!(Place::parse(url), place, "{url}");
    }
}

#[test]
fn the_bare_address_is_the_overview() {
    for bare in ["", "?", "?page=", "?&&"] {
        assert_eq!(
            Place::parse(bare),
            Place {
                group: None,
                route: Page::Overview.route()
            }
        );
    }
}

#[test]
fn broken_queries_are_read_as_far_as_they_go() {
    let place = Place::parse("?page=grid&node=%zz%4&q=%FF&=x&state");
    let Route::Grid(view) = place.route else {
        panic!("not the grid")
    };
    assert_eq!(view.node.as_deref(), Some("%zz%4"));
    assert_eq!(view.q.as_deref(), Some("\u{fffd}"));
    assert_eq!(view.state, None);
    assert_eq!(
        Place::parse(&format!("?page=grid&q={}", "x".repeat(QUERY_LIMIT))).route,
        Page::Overview.route()
    );
}
