//! Nodes.

use crate::http::nodes::TimelineQuery;
use crate::http::openapi::operation::{Operation, Quoting, operation};
use gridhelm_api::node::{IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint};
use gridhelm_api::packages::{
    GridPackages, NodePackages, PackageInstall, PackagesAnswer, PackagesQuestion,
};
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
            .quotes(Quoting::Version)
            .takes::<NodePatch>()
            .tagged()
            .gives::<Node>(200, "The node as it is now."),
        operation("DELETE", "/api/v1/nodes/{name}", "removeNode", "Takes a node out of the grid for good")
            .quotes(Quoting::Version)
            .gives_nothing("It is removed."),
        operation("POST", "/api/v1/nodes/{name}/intent", "setIntent", "Enables, drains or disables a node")
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
