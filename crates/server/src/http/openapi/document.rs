//! Puts the document together: what the table says, and what each route's rule says.

use super::operation::{Content, JSON, Operation, Quoting, Schemas, reference};
use super::table;
use crate::http::routes::{Access, Place, Route, Rule};
use gridhelm_api::Problem;
use gridhelm_api::account::Area;
use serde_json::{Map, Value, json};

/// What problems travel as (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// The tag of a path: the part of the interface that it belongs to.
fn tag(path: &str) -> &'static str {
    let rest = path.strip_prefix("/api/v1").unwrap_or(path);
    let first = rest.trim_start_matches('/').split('/').next().unwrap_or("");
    match first {
        "session" | "me" | "tokens" | "users" => "Accounts",
        "events" | "audit" => "Events and audit",
        "server" | "group" | "switch" | "switches" => "Group and switch",
        "nodes" | "packages" | "grid" | "availability" => "Grid",
        "alerts" => "Alerts",
        "tasks" => "Tasks",
        "repository" => "Repository and replication",
        "health" | "metrics" => "Health and metrics",
        "backups" | "sizes" | "support-bundle" => "Upkeep",
        _ => "Console and files",
    }
}

const TAGS: [(&str, &str); 10] = [
    (
        "Tasks",
        "Run a script or code on the grid, look at it, fetch what it left.",
    ),
    (
        "Grid",
        "Nodes, their slots, their past and their R packages.",
    ),
    (
        "Alerts",
        "What rules find in the grid, and who is told of it.",
    ),
    (
        "Repository and replication",
        "Files with versions; manifests and changesets.",
    ),
    ("Group and switch", "Who is active, and handing that over."),
    (
        "Events and audit",
        "What happened: a list, a stream of deltas, and the audit log.",
    ),
    ("Accounts", "Signing in, accounts, tokens for programs."),
    ("Upkeep", "Backups, sizes, what support needs."),
    ("Health and metrics", "For load balancers and Prometheus."),
    (
        "Console and files",
        "The console itself, one-time downloads, this description.",
    ),
];

/// The `OpenAPI` document of these routes. A route without an operation is left out; a test sees to it that there is none.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in table::operations() {
        let route = routes
            .iter()
            .find(|r| r.path == operation.path && r.method.as_str() == operation.method);
        let Some(route) = route else { continue };
        let described = described(&operation, route.rule, &mut schemas);
        let item = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(item) = item.as_object_mut() {
            item.insert(operation.method.to_lowercase(), described);
        }
    }
    let tags: Vec<_> = TAGS
        .iter()
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect();
    // `Millis` is an alias, which the library names by what it stands for.
    if schemas.remove("i64").is_some() {
        let millis = json!({ "type": "integer", "format": "int64", "description": "Milliseconds since the Unix epoch." });
        schemas.insert("Millis".to_owned(), millis);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gridhelm",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The admin API of a Gridhelm server. Times are milliseconds since the Unix epoch by the server's clock; \
                durations say their unit in their name. Errors are RFC 9457 problems with a stable `code` and the request's id. \
                What two people could edit at once bears an `ETag`; a write quotes it in `If-Match`. \
                Sign in with `POST /api/v1/session`, or make a token for a program with `POST /api/v1/tokens`, and send it as \
                `Authorization: Bearer`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that gave this description" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An account's or a program's token of the group." },
                "server": { "type": "http", "scheme": "bearer", "description": "A token that the group's servers make for each other." },
            },
        },
    });
    rename_millis(&mut document);
    document
}

/// References to the alias go to its name.
fn rename_millis(value: &mut Value) {
    match value {
        Value::String(text) if text == "#/components/schemas/i64" => {
            "#/components/schemas/Millis".clone_into(text);
        }
        Value::Object(fields) => fields.values_mut().for_each(rename_millis),
        Value::Array(items) => items.iter_mut().for_each(rename_millis),
        _ => {}
    }
}

fn content(content: &Content, schemas: &mut Schemas) -> Value {
    json!({ content.media: { "schema": (content.schema)(schemas) } })
}

fn described(operation: &Operation, rule: Rule, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [tag(operation.path)],
        "summary": operation.summary,
        "description": description(operation, rule),
        "parameters": parameters(operation),
        "responses": responses(operation, rule, schemas),
        "x-gridhelm": {
            "access": access(rule.access),
            "place": place(rule.place),
            "longest_body": rule.body,
            "time_limit_s": rule.time.as_secs(),
        },
    });
    let security = match rule.access {
        Access::Open => json!([]),
        Access::Role(_) => json!([{ "token": [] }]),
        Access::Peer => json!([{ "server": [] }]),
    };
    described["security"] = security;
    if let Some(body) = &operation.body {
        described["requestBody"] = json!({ "required": true, "content": content(body, schemas) });
    }
    described
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Open => "everyone",
        Access::Role(role) => role.name(),
        Access::Peer => "servers of the group",
    }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Here => "the server that is asked",
        Place::Active => "the active server; others relay",
        Place::ActiveOrHere => "the active server, or the one that is asked when none is active",
        Place::Work => "the active server; others refuse with not_active",
    }
}

fn description(operation: &Operation, rule: Rule) -> String {
    let mut text = String::new();
    if !operation.notes.is_empty() {
        text.push_str(operation.notes);
        text.push_str("\n\n");
    }
    match rule.access {
        Access::Open => text.push_str("Needs no token."),
        Access::Peer => text.push_str("For servers of the group only."),
        Access::Role(role) => {
            text.push_str("Role: ");
            text.push_str(role.name());
            text.push('.');
        }
    }
    let path = operation
        .path
        .strip_prefix("/api/v1")
        .unwrap_or(operation.path);
    if let (Access::Role(_), Some(area)) = (rule.access, Area::of_path(path)) {
        text.push_str(" Area of a program's token: ");
        text.push_str(area.name());
        text.push('.');
    }
    if rule.place != Place::Here {
        text.push_str(" Done at ");
        text.push_str(place(rule.place));
        text.push('.');
    }
    text
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        )
    });
    let mut all: Vec<Value> = in_path.collect();
    all.extend(
        operation
            .query
            .iter()
            .filter_map(|p| serde_json::to_value(p).ok()),
    );
    let header = |name: &str, required: bool, description: &str| json!({ "name": name, "in": "header", "required": required, "description": description, "schema": { "type": "string" } });
    match operation.quoting {
        Quoting::Nothing => {}
        Quoting::Version => all.push(header(
            "If-Match",
            true,
            "The version that you saw (its ETag), in quotes.",
        )),
        Quoting::VersionOrNothing => {
            all.push(header(
                "If-Match",
                false,
                "The version that you saw (its ETag), in quotes.",
            ));
            all.push(header(
                "If-None-Match",
                false,
                "`*`: it must not exist yet. One of the two is needed.",
            ));
        }
    }
    all
}

fn responses(operation: &Operation, rule: Rule, schemas: &mut Schemas) -> Value {
    let mut all = Map::new();
    for (status, meaning, body) in &operation.answers {
        let mut response = json!({ "description": meaning });
        if let Some(body) = body {
            response["content"] = content(body, schemas);
        }
        if operation.tagged {
            response["headers"] = json!({ "ETag": { "description": "The version.", "schema": { "type": "string" } } });
        }
        all.insert(status.to_string(), response);
    }
    let problem = reference::<Problem>(schemas);
    for (status, meaning) in problems(operation, rule) {
        let response =
            json!({ "description": meaning, "content": { PROBLEM: { "schema": problem } } });
        all.entry(status.to_string()).or_insert(response);
    }
    Value::Object(all)
}

/// The problems that a caller must expect, by status; any other comes under `default`.
fn problems(operation: &Operation, rule: Rule) -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    let json = operation.body.as_ref().is_some_and(|b| b.media == JSON);
    if json {
        all.push(("400", "The body is not JSON of this shape."));
    }
    if rule.access != Access::Open {
        all.push(("401", "No token, or one that is not valid any more."));
        all.push(("403", "The role, or the token's areas, do not allow it."));
    }
    if operation.path.contains('{') || operation.query.iter().any(|p| p.name == "name") {
        all.push(("404", "It does not exist."));
    }
    if operation.quoting != Quoting::Nothing {
        all.push((
            "412",
            "It changed meanwhile; `current` or `changed` shows how.",
        ));
        all.push(("428", "The version is missing."));
    }
    if operation.body.is_some() {
        all.push(("413", "The body is too large."));
    }
    if json || !operation.query.is_empty() {
        all.push(("422", "A value is not accepted; `errors` names the fields."));
    }
    if rule.place != Place::Here {
        all.push(("503", "No server of the group is active, or the database does not answer. Try again as Retry-After says."));
    }
    all.push(("default", "Any other problem."));
    all
}
