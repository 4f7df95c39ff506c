//! The group, the switch, health, and the console's own files.

use crate::group::{After, TakeOrder, Taken};
use crate::http::group::{AfterQuery, PreflightQuery};
use crate::http::health::HealthAnswer;
use crate::http::openapi::operation::{Operation, Quoting, operation};
use gridhelm_api::deployment::Deployment;
use gridhelm_api::group::{Failover, FailoverChange, Group, ServerStatus};
use gridhelm_api::join::{JoinRequest, JoinToken, JoinTokenDraft, JoinTokenMade, Joined};
use gridhelm_api::switch::{Check, Preflight, SwitchFilter, SwitchRecord, SwitchRequest};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = of_group();
    all.extend(of_switch());
    all.extend(of_joining());
    all.extend(of_health());
    all
}

fn of_group() -> Vec<Operation> {
    vec![
        operation(
            "GET",
            "/api/v1/server",
            "getServer",
            "Who answers here, and who is active",
        )
        .gives::<ServerStatus>(200, "This server."),
        operation(
            "GET",
            "/api/v1/group",
            "getGroup",
            "The group and its servers",
        )
        .gives::<Group>(200, "The group."),
        operation(
            "GET",
            "/api/v1/group/failover",
            "getFailover",
            "Who decides that an active server that is gone is replaced",
        )
        .tagged()
        .gives::<Failover>(200, "How it is set."),
        operation(
            "PUT",
            "/api/v1/group/failover",
            "setFailover",
            "Sets automatic failover, or lets it rest",
        )
        .quotes(Quoting::Version)
        .takes::<FailoverChange>()
        .tagged()
        .gives::<Failover>(200, "How it is set now."),
    ]
}

fn of_switch() -> Vec<Operation> {
    vec![
        operation("GET", "/api/v1/switch/preflight", "preflight", "What speaks against a switch to a server")
            .query::<PreflightQuery>()
            .gives::<Preflight>(200, "Checks with evidence, and a way to mend each."),
        operation("POST", "/api/v1/switch", "switch", "Switches the active server, planned or forced, now or later")
            .notes("It goes on in the background and is seen in the event stream. `expect_epoch` is the epoch that the caller saw.")
            .takes::<SwitchRequest>()
            .gives::<SwitchRecord>(200, "What a dry run found; nothing was changed.")
            .gives::<SwitchRecord>(202, "The switch has begun, or waits for its time."),
        operation("DELETE", "/api/v1/switch/{id}", "callOffSwitch", "Calls a switch off that has released nothing yet")
            .gives::<SwitchRecord>(200, "Its record."),
        operation("GET", "/api/v1/switches", "listSwitches", "Past switches, newest first")
            .query::<SwitchFilter>()
            .gives_page::<SwitchRecord>("A page of them."),
        operation("GET", "/api/v1/switch/after", "afterSwitch", "What there is to see here after a switch")
            .query::<AfterQuery>()
            .gives::<After>(200, "Checks, and refused requests."),
        operation("GET", "/api/v1/switch/reach", "reach", "Whether the nodes answer this server")
            .gives::<Check>(200, "The check."),
        operation("POST", "/api/v1/switch/take", "takeOver", "The leaving server tells its successor")
            .takes::<TakeOrder>()
            .gives::<Taken>(200, "Whether it is active now."),
    ]
}

fn of_joining() -> Vec<Operation> {
    const TOKENS: &str = "/api/v1/group/join-tokens";
    vec![
        operation(
            "GET",
            TOKENS,
            "listJoinTokens",
            "Tokens by which servers may join the group",
        )
        .gives_list::<JoinToken>("All that are remembered; never the tokens themselves."),
        operation(
            "POST",
            TOKENS,
            "makeJoinToken",
            "Makes a token that lets one server join, once",
        )
        .takes::<JoinTokenDraft>()
        .gives::<JoinTokenMade>(201, "The token, shown once, and the command that uses it."),
        operation(
            "DELETE",
            "/api/v1/group/join-tokens/{id}",
            "revokeJoinToken",
            "Revokes such a token",
        )
        .gives_nothing("It is revoked."),
        operation(
            "POST",
            "/api/v1/group/join",
            "join",
            "Joins the group; for `gridhelm-server join`",
        )
        .notes("The token in the body is what lets in.")
        .takes::<JoinRequest>()
        .gives::<Joined>(200, "What the new server is configured with."),
    ]
}

fn of_health() -> Vec<Operation> {
    vec![
        operation("GET", "/health/live", "live", "Whether the process answers")
            .gives::<HealthAnswer>(200, "It does."),
        operation(
            "GET",
            "/health/ready",
            "ready",
            "Whether the server could do its role now",
        )
        .gives::<HealthAnswer>(200, "It could.")
        .gives::<HealthAnswer>(503, "It could not; `reason` says why."),
        operation(
            "GET",
            "/health/active",
            "active",
            "Whether this is the group's active server, for load balancers",
        )
        .gives::<HealthAnswer>(200, "It is.")
        .gives::<HealthAnswer>(404, "It handed over, and ends what is under way.")
        .gives::<HealthAnswer>(503, "It is not."),
        operation("GET", "/metrics", "metrics", "Metrics for Prometheus")
            .gives_text("application/openmetrics-text", "OpenMetrics text."),
        operation("GET", "/", "console", "The console")
            .gives_text("text/html", "Its page, where this server hosts it."),
        operation(
            "GET",
            "/deployment.json",
            "deployment",
            "The servers that the console talks to",
        )
        .gives::<Deployment>(200, "The deployment, where this server hosts the console."),
        operation(
            "GET",
            "/download/{secret}",
            "download",
            "What a one-time address stands for",
        )
        .gives_bytes("The content, as an attachment; the address is used up."),
        operation(
            "GET",
            "/api/v1/openapi.json",
            "openapi",
            "This description, for programs",
        )
        .gives_object("An OpenAPI 3.1 document."),
        operation("GET", "/api/docs", "docs", "This description, for people")
            .gives_text("text/html", "A page."),
    ]
}
