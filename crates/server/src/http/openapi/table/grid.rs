//! Nodes.

use crate::http::nodes::{HistoryQuery, RemoveQuery, TimelineQuery};
use crate::http::openapi::operation::{Operation, Quoting, operation};
use crate::http::sessions::SessionsQuery;
use gridhelm_api::availability::{Availability, GridHistory};
use gridhelm_api::measures::NodeMeasures;
use gridhelm_api::node::{
    GridLimits, IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint,
};
use gridhelm_api::packages::{
    GridPackages, NodePackages, PackageInstall, PackagesAnswer, PackagesQuestion,
};
use gridhelm_api::session::{NodeSession, SessionEnded, SessionsEnd};
use gridhelm_api::task::Task;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation("GET", "/api/v1/nodes", "listNodes", "The grid's nodes with their slots")
            .gives_page::<Node>("All of them; at a server that is not active without slots."),
        operation("POST", "/api/v1/nodes/test", "testNode", "Tests a node to be")
            .notes("Connects, signs in, evaluates, looks around. A node that would not work is an answer: its steps say why.")
            .takes::<NodeDraft>()
            .gives::<NodeTest>(200, "What was found, step by step."),
        operation("POST", "/api/v1/nodes", "createNode", "Registers a node")
            .takes::<NodeDraft>()
            .tagged()
            .gives::<Node>(201, "The node; its first heartbeat follows at once."),
        operation("GET", "/api/v1/nodes/{name}", "getNode", "One node")
            .tagged()
            .gives::<Node>(200, "The node."),
        operation("PATCH", "/api/v1/nodes/{name}", "editNode", "Changes a node")
            .notes(
                "Fewer slots, or another operating type, that would leave no slot for some kind of task, or fewer than the group's limit, are \
                 refused as `guard_rail` unless `override_guard` is given.",
            )
            .quotes(Quoting::Version)
            .takes::<NodePatch>()
            .tagged()
            .gives::<Node>(200, "The node as it is now."),
        operation("DELETE", "/api/v1/nodes/{name}", "removeNode", "Takes a node out of the grid for good")
            .query::<RemoveQuery>()
            .quotes(Quoting::Version)
            .gives_nothing("It is removed."),
        operation("POST", "/api/v1/nodes/{name}/intent", "setIntent", "Enables, drains or disables a node")
            .notes(
                "A disabled node with `for_s` is in maintenance: it is enabled again by itself. A drain with `for_s` has a deadline, at which what \
                 still runs is interrupted if `force` is given. What would leave no slot for some kind of task, or fewer than the group's limit, is \
                 refused as `guard_rail` unless `override_guard` is given.",
            )
            .quotes(Quoting::Version)
            .takes::<IntentChange>()
            .tagged()
            .gives::<Node>(200, "The node as it is now."),
        operation("POST", "/api/v1/nodes/{name}/probe", "probeNode", "Looks at a node now")
            .notes("What is seen comes with the event stream.")
            .tagged()
            .gives::<Node>(200, "The node as it was before the look."),
        operation("GET", "/api/v1/nodes/{name}/timeline", "getTimeline", "How many of a node's slots could be used, over time")
            .query::<TimelineQuery>()
            .gives_list::<TimelinePoint>("Points, oldest first."),
        operation("GET", "/api/v1/nodes/{name}/measures", "getMeasures", "How long a node's heartbeats took in the last hour, its load and its memory")
            .notes("As the active server measured it since it took the role; nothing at another server.")
            .gives::<NodeMeasures>(200, "Percentiles, and a value every 10 s."),
        operation("GET", "/api/v1/grid/limits", "getGridLimits", "What an action must leave of the grid")
            .tagged()
            .gives::<GridLimits>(200, "The limits."),
        operation("PUT", "/api/v1/grid/limits", "setGridLimits", "Sets what an action must leave of the grid")
            .quotes(Quoting::Version)
            .takes::<GridLimits>()
            .tagged()
            .gives::<GridLimits>(200, "The limits as they are now."),
        operation("GET", "/api/v1/grid/history", "getGridHistory", "All changes of capacity, from which the grid at any moment follows")
            .notes("Points from before `since` come first: they tell how each node stood then. A node with a total of 0 is not registered.")
            .query::<HistoryQuery>()
            .gives::<GridHistory>(200, "The changes, oldest first."),
        operation("GET", "/api/v1/availability", "getAvailability", "How much of the last 24 hours and 7 days slots and nodes could be used")
            .notes("From the recorded changes. While no server is active, what was last recorded counts.")
            .gives::<Availability>(200, "The shares of the grid and of each node."),
        operation("GET", "/api/v1/sessions", "listSessions", "The R sessions that live on the nodes, and whose they are")
            .notes("As the nodes were last looked at, at most half a minute ago, by node and process.")
            .query::<SessionsQuery>()
            .gives_page::<NodeSession>("A page of them."),
        operation("POST", "/api/v1/nodes/{name}/sessions/end", "endNodeSessions", "Ends R sessions of a node: those that nobody uses, or that tasks run in")
            .notes(
                "Each with all processes below it and its directory. What allows it is looked at again on the node: `sessions` of \
                 another group, in use, of a newer epoch, or marked meanwhile are left alone and say so. Those that `tasks` run in are \
                 interrupted, then killed; the answer comes when they are over, after 12 s at the latest.",
            )
            .takes::<SessionsEnd>()
            .gives_list::<SessionEnded>("What became of each in the order of the request, sessions before tasks."),
        operation("GET", "/api/v1/packages", "listPackages", "The R packages of the grid, and what differs between nodes")
            .notes("What was last read: when a node came up, when its packages changed, or when it was asked for.")
            .gives::<GridPackages>(200, "A row for each package that any node has."),
        operation("POST", "/api/v1/packages/check", "checkPackages", "Which packages are missing on nodes that take work")
            .takes::<PackagesQuestion>()
            .gives::<PackagesAnswer>(200, "What is missing where."),
        operation("GET", "/api/v1/nodes/{name}/packages", "getPackages", "The R packages of a node")
            .gives::<NodePackages>(200, "As they were last read."),
        operation("POST", "/api/v1/nodes/{name}/packages", "installPackages", "Installs or updates packages on a node")
            .notes(
                "From the repositories that the node has set, as a task on that node: its console tells how it goes, its value \
                 which versions came.",
            )
            .takes::<PackageInstall>()
            .gives::<Task>(202, "The task that does it."),
        operation("POST", "/api/v1/nodes/{name}/packages/refresh", "refreshPackages", "Reads the packages of a node now")
            .gives::<NodePackages>(200, "As they are."),
    ]
}
