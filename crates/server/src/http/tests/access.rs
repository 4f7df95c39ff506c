//! Who may call what: every route for every role. A route that is not in this table fails the test.

use super::*;
use crate::http::{Access, mount};
use gridhelm_api::account::Role;
use std::collections::BTreeMap;

/// Method, path, and who may call it: o everyone, v viewer, w operator, a admin, s servers of the group.
const TABLE: &str = "
    GET    /                                                   o
    GET    /deployment.json                                    o
    GET    /download/{secret}                                  o
    GET    /health/live                                        o
    GET    /health/ready                                       o
    GET    /health/active                                      o
    GET    /metrics                                            v
    GET    /api/docs                                           o
    GET    /api/v1/openapi.json                                o
    GET    /api/v1/server                                      o
    POST   /api/v1/session                                     o
    DELETE /api/v1/session                                     v
    GET    /api/v1/me                                          v
    PUT    /api/v1/me/password                                 v
    GET    /api/v1/tokens                                      v
    POST   /api/v1/tokens                                      v
    DELETE /api/v1/tokens/{id}                                 v
    GET    /api/v1/users                                       a
    GET    /api/v1/users/lockouts                              a
    DELETE /api/v1/users/{name}/sessions                       a
    POST   /api/v1/users                                       a
    PATCH  /api/v1/users/{name}                                a
    GET    /api/v1/events                                      v
    GET    /api/v1/audit                                       a
    GET    /api/v1/audit/verify                                a
    GET    /api/v1/group                                       v
    GET    /api/v1/group/failover                              v
    PUT    /api/v1/group/failover                              a
    GET    /api/v1/group/join-tokens                           a
    POST   /api/v1/group/join-tokens                           a
    DELETE /api/v1/group/join-tokens/{id}                      a
    POST   /api/v1/group/join                                  o
    GET    /api/v1/switch/preflight                            v
    POST   /api/v1/switch                                      w
    DELETE /api/v1/switch/{id}                                 w
    GET    /api/v1/switches                                    v
    GET    /api/v1/switch/after                                s
    GET    /api/v1/switch/reach                                s
    POST   /api/v1/switch/take                                 s
    GET    /api/v1/backups                                     a
    POST   /api/v1/backups                                     a
    DELETE /api/v1/backups/{name}                              a
    POST   /api/v1/backups/{name}/link                         a
    GET    /api/v1/sizes                                       v
    GET    /api/v1/support-bundle                              s
    POST   /api/v1/support-bundle/link                         a
    GET    /api/v1/nodes                                       v
    POST   /api/v1/nodes                                       w
    POST   /api/v1/nodes/test                                  w
    GET    /api/v1/nodes/{name}                                v
    PATCH  /api/v1/nodes/{name}                                w
    DELETE /api/v1/nodes/{name}                                w
    POST   /api/v1/nodes/{name}/intent                         w
    POST   /api/v1/nodes/{name}/probe                          w
    GET    /api/v1/nodes/{name}/timeline                       v
    GET    /api/v1/nodes/{name}/measures                       v
    GET    /api/v1/grid/limits                                 v
    PUT    /api/v1/grid/limits                                 w
    GET    /api/v1/grid/history                                v
    GET    /api/v1/availability                                v
    GET    /api/v1/alerts                                      v
    POST   /api/v1/alerts/{id}/acknowledge                     w
    POST   /api/v1/alerts/silences                             w
    DELETE /api/v1/alerts/silences/{id}                        w
    GET    /api/v1/alerts/rules                                v
    PUT    /api/v1/alerts/rules                                w
    GET    /api/v1/alerts/webhook                              a
    PUT    /api/v1/alerts/webhook                              a
    POST   /api/v1/alerts/webhook/test                         a
    GET    /api/v1/sessions                                    v
    POST   /api/v1/nodes/{name}/sessions/end                   w
    GET    /api/v1/packages                                    v
    POST   /api/v1/packages/check                              v
    GET    /api/v1/nodes/{name}/packages                       v
    POST   /api/v1/nodes/{name}/packages                       w
    POST   /api/v1/nodes/{name}/packages/refresh               w
    GET    /api/v1/tasks                                       v
    POST   /api/v1/tasks                                       w
    GET    /api/v1/tasks/{id}                                  v
    POST   /api/v1/tasks/{id}/cancel                           w
    GET    /api/v1/tasks/{id}/console                          v
    GET    /api/v1/tasks/{id}/artifacts/{name}                 v
    POST   /api/v1/tasks/{id}/artifacts/{name}/link            v
    GET    /api/v1/repository/files                            v
    POST   /api/v1/repository/search                           v
    GET    /api/v1/repository/file                             v
    PATCH  /api/v1/repository/file                             w
    GET    /api/v1/repository/content                          v
    PUT    /api/v1/repository/content                          w
    DELETE /api/v1/repository/content                          w
    POST   /api/v1/repository/link                             v
    GET    /api/v1/repository/objects                          w
    GET    /api/v1/repository/versions                         v
    POST   /api/v1/repository/restore                          w
    GET    /api/v1/repository/manifest                         v
    GET    /api/v1/repository/tree                             v
    POST   /api/v1/repository/listings                         v
    GET    /api/v1/repository/content/{sha256}                 v
    POST   /api/v1/repository/contents                         v
    POST   /api/v1/repository/verify                           w
    POST   /api/v1/repository/grants                           w
    GET    /api/v1/repository/granted/{sha256}                 o
    POST   /api/v1/repository/changesets/{id}/pull             w
    GET    /api/v1/repository/rules                            v
    PUT    /api/v1/repository/rules                            a
    POST   /api/v1/repository/changesets/{id}/verdict          a
    GET    /api/v1/repository/changesets                       v
    GET    /api/v1/repository/changesets/{id}                  v
    DELETE /api/v1/repository/changesets/{id}                  w
    PUT    /api/v1/repository/changesets/{id}/contents         w
    PUT    /api/v1/repository/changesets/{id}/parts/{sha256}   w
    POST   /api/v1/repository/changesets                       w
    PUT    /api/v1/repository/changesets/{id}/content/{sha256} w
    POST   /api/v1/repository/changesets/{id}/commit           w
";

fn table() -> BTreeMap<(String, String), char> {
    TABLE
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (method, path, who) = (words.next()?, words.next()?, words.next()?);
            Some(((method.to_owned(), path.to_owned()), who.chars().next()?))
        })
        .collect()
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says_and_nobody_else() {
    let server = Server::start().await;
    let http = crate::http::parts(std::sync::Arc::clone(&server.running.app)).unwrap();
    let (_, routes) = mount(&http).finish();
    let mut expected = table();
    let callers = [
        ('o', server.nobody()),
        ('v', server.role("viewer").await),
        ('w', server.role("operator").await),
        ('a', server.admin().await),
        (
            's',
            server
                .nobody()
                .with(server.running.app.accounts.server_token("east-2").unwrap()),
        ),
    ];
    for route in routes {
        let key = (route.method.to_string(), route.path.to_owned());
        let who = expected
            .remove(&key)
            .unwrap_or_else(|| panic!("{key:?} is not in the table"));
        let rule = match who {
            'o' => Access::Open,
            'v' => Access::Role(Role::Viewer),
            'w' => Access::Role(Role::Operator),
            'a' => Access::Role(Role::Admin),
            _ => Access::Peer,
        };
        assert_eq!(route.rule.access, rule, "{key:?}");
        if key.1 == "/api/v1/session" || key.1 == "/api/v1/events" {
            // Signing in and out and the stream have tests of their own.
            continue;
        }
        for (caller, api) in &callers {
            let may = match who {
                'o' => true,
                's' => *caller == 's',
                _ if *caller == 's' || *caller == 'o' => false,
                _ => "vwa".find(*caller) >= "vwa".find(who),
            };
            let path = route.path.replace('{', "x-").replace('}', "");
            // Without a body nothing is done: whoever is let in is told that something is missing.
            let answer = api.send(api.request(route.method.clone(), &path)).await;
            let refused = match answer.json["code"].as_str() {
                Some("missing_token") => answer.status == 401 && *caller == 'o',
                Some("forbidden") => answer.status == 403 && *caller != 'o',
                _ => false,
            };
            assert_eq!(
                refused, !may,
                "{caller} at {key:?}: {} {}",
                answer.status, answer.text
            );
        }
    }
    assert!(
        expected.is_empty(),
        "in the table, but not mounted: {expected:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_viewers_write_is_refused_and_audited() {
    let server = Server::start().await;
    let viewer = server.role("viewer").await;
    let draft = json!({ "name": "n1", "host": "127.0.0.1", "port": 1, "slot_limit": 1 });
    let refused = viewer.post("/api/v1/nodes", draft).await;
    refused.is_problem(403, "forbidden");
    assert!(refused.text.contains("operator") && refused.text.contains("viewer-1"));
    let admin = server.admin().await;
    assert_eq!(admin.get("/api/v1/nodes").await.json["items"], json!([]));
    let audit = admin.audit().await;
    let row = audit
        .iter()
        .find(|r| r["action"] == "access.refused")
        .unwrap();
    assert_eq!(row["actor"], "viewer-1");
    assert_eq!(row["subject"], "POST /api/v1/nodes");
    assert_eq!(row["request_id"], refused.header("x-request-id"));
    assert_eq!(row["address"], "127.0.0.1");
    server.stop().await;
}
