//! The description of the interface is complete, and true: every operation is done against a running server, and each
//! answer is held against its schema.

use super::tasks::with_node;
use super::*;
use crate::http::openapi::document;
use crate::http::{Route, mount};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

fn routes(server: &Server) -> Vec<Route> {
    let http = crate::http::parts(Arc::clone(&server.running.app)).unwrap();
    mount(&http).finish().1
}

/// Every operation of a document: method, path, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, about)| (method.to_uppercase(), path.clone(), about))
    });
    all.collect()
}

/// Every `$ref` in a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().filter(|_| name == "$ref") {
                    Some(to) => drop(found.insert(to.to_owned())),
                    None => references(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_route_is_described_once_and_every_reference_leads_somewhere() {
    let server = Server::start().await;
    let routes = routes(&server);
    let document = document(&routes);
    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let mounted: BTreeSet<_> = routes
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(described, mounted);
    let ids: BTreeSet<_> = operations(&document)
        .iter()
        .map(|(_, _, about)| about["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), mounted.len(), "an operation id occurs twice");
    let mut to = BTreeSet::new();
    references(&document, &mut to);
    assert!(to.len() > 50, "{}", to.len());
    for to in to {
        let found = document.pointer(to.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{to} leads nowhere");
    }
    for (method, path, about) in operations(&document) {
        let described = about["summary"].as_str().unwrap().len() > 5;
        assert!(described, "{method} {path}");
        for parameter in about["parameters"].as_array().unwrap() {
            let text = parameter["in"] == "path"
                || parameter["description"]
                    .as_str()
                    .is_some_and(|d| d.len() > 5);
            assert!(text, "{method} {path}: {parameter}");
        }
    }
    server.stop().await;
}

/// Holds answers against the description.
struct Walk {
    document: Value,
    left: Mutex<BTreeSet<(String, String)>>,
}

impl Walk {
    fn new(document: Value) -> Self {
        let left = operations(&document)
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect();
        Self {
            document,
            left: Mutex::new(left),
        }
    }

    /// The path of the description that an address is of.
    fn template(&self, method: &str, address: &str) -> String {
        let path = address.split('?').next().unwrap();
        let fits = |template: &str| {
            let (wanted, given) = (template.split('/'), path.split('/'));
            wanted.clone().count() == given.clone().count()
                && wanted.zip(given).all(|(w, g)| w == g || w.starts_with('{'))
        };
        let mut found: Vec<_> = operations(&self.document)
            .into_iter()
            .filter(|(m, template, _)| m == method && fits(template))
            .map(|(_, template, _)| template)
            .collect();
        // A fixed name goes before a placeholder.
        found.sort_by_key(|template| template.matches('{').count());
        assert!(!found.is_empty(), "{method} {path} is not described");
        found.remove(0)
    }

    /// Sends it; the answer must be one that is described, and no problem.
    async fn does(&self, api: &Api, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let (method, url) = (request.method().to_string(), request.url().clone());
        let template = self.template(&method, url.path());
        let asked = &self.document["paths"][&template][method.to_lowercase()]["requestBody"];
        if let Some(schema) = asked.pointer("/content/application~1json/schema") {
            let body = request.body().and_then(reqwest::Body::as_bytes).unwrap();
            let body = serde_json::from_slice(body).unwrap();
            self.fits(schema, &body, &format!("the body of {method} {template}"));
        }
        let response = api.client.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let what = format!(
            "{method} {template}: {status} {}",
            &text[..text.floor_char_boundary(600)]
        );
        let about = &self.document["paths"][&template][method.to_lowercase()];
        let answer = &about["responses"][status.to_string()];
        assert!(answer.is_object(), "the status is not described: {what}");
        let media = answer["content"].as_object().and_then(|c| c.iter().next());
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        if let Some((media, body)) = media {
            let said = headers["content-type"].to_str().unwrap();
            assert!(
                media == "application/octet-stream" || said.starts_with(media.as_str()),
                "{said}: {what}"
            );
            if media == "application/json" {
                self.fits(&body["schema"], &json, &what);
            }
            assert_ne!(media, "application/problem+json", "{what}");
        } else {
            assert!(text.is_empty(), "an answer without a body: {what}");
        }
        let tagged = answer["headers"]["ETag"].is_object();
        assert_eq!(tagged, headers.contains_key("etag"), "ETag of {what}");
        self.left.lock().unwrap().remove(&(method, template));
        Answer {
            status,
            headers,
            text,
            json,
        }
    }

    fn fits(&self, schema: &Value, value: &Value, what: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let wrong: Vec<_> = validator
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        let wrong: String = wrong.join("; ").chars().take(2000).collect();
        assert!(wrong.is_empty(), "{wrong}: {what}");
    }

    async fn get(&self, api: &Api, path: &str) -> Answer {
        self.does(api, api.request(Method::GET, path)).await
    }

    async fn post(&self, api: &Api, path: &str, body: Value) -> Answer {
        self.does(api, api.request(Method::POST, path).json(&body))
            .await
    }

    async fn delete(&self, api: &Api, path: &str) -> Answer {
        self.does(api, api.request(Method::DELETE, path)).await
    }

    async fn at(
        &self,
        api: &Api,
        method: Method,
        path: &str,
        version: &Value,
        body: Value,
    ) -> Answer {
        let request = api
            .request(method, path)
            .header("if-match", format!("\"{version}\""));
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        self.does(api, request).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_as_described() {
    let server = Server::start().await;
    let walk = Walk::new(document(&routes(&server)));
    let admin = server.admin().await;
    let node = with_node(&admin).await;
    grid(&walk, &admin, node.port).await;
    alerts(&walk, &admin).await;
    tasks(&walk, &server, &admin).await;
    files(&walk, &admin).await;
    replication(&walk, &admin).await;
    approval(&walk, &admin, &server.role("operator").await).await;
    pulling(&walk, &server).await;
    switches(&walk, &server, &admin).await;
    people(&walk, &server, &admin).await;
    upkeep(&walk, &server, &admin).await;
    rest(&walk, &server, &admin).await;
    let left = walk.left.lock().unwrap().clone();
    // A server without a console has no page; `journey.rs` opens both at one that has it.
    let console = [("GET", "/"), ("GET", "/deployment.json")];
    let console = console.map(|(m, p)| (m.to_owned(), p.to_owned()));
    assert_eq!(left, BTreeSet::from(console), "not tried");
    server.stop().await;
}

async fn grid(walk: &Walk, api: &Api, port: u16) {
    const NODES: &str = "/api/v1/nodes";
    let draft = json!({
        "name": "n2", "host": "127.0.0.1", "port": port, "slot_limit": 2, "user": "grid", "password": "secret",
    });
    walk.post(api, &format!("{NODES}/test"), draft).await;
    let draft = json!({ "name": "n2", "host": "localhost", "port": port, "slot_limit": 2, "intent": "disabled" });
    let made = walk.post(api, NODES, draft).await.json;
    walk.get(api, NODES).await;
    let path = format!("{NODES}/n2");
    let version = &made["version"];
    let patch = json!({ "slot_limit": 1, "labels": ["big"] });
    let edited = walk
        .at(api, Method::PATCH, &path, version, patch)
        .await
        .json;
    let change = json!({ "intent": "draining", "reason": "to be removed" });
    let intent = format!("{path}/intent");
    let drained = walk
        .at(api, Method::POST, &intent, &edited["version"], change)
        .await
        .json;
    walk.post(api, &format!("{NODES}/n1/probe"), json!({}))
        .await;
    walk.get(api, &format!("{NODES}/n1")).await;
    walk.get(api, "/api/v1/sessions?kind=unknown,used&node=n1&limit=5")
        .await;
    let order = json!({
        "sessions": [{ "pid": 1, "start": 1 }], "tasks": ["t-none"], "reason": "to try it",
    });
    walk.post(api, &format!("{NODES}/n1/sessions/end"), order)
        .await;
    let packages = format!("{NODES}/n1/packages");
    walk.post(api, &format!("{packages}/refresh"), json!({}))
        .await;
    walk.get(api, &packages).await;
    walk.get(api, "/api/v1/packages").await;
    let question = json!({ "names": ["stats", "nowhere"] });
    walk.post(api, "/api/v1/packages/check", question).await;
    let order = json!({ "names": ["nowhere"], "reason": "to try it" });
    walk.post(api, &packages, order).await;
    walk.get(api, &format!("{NODES}/n1/timeline?since=0")).await;
    walk.get(api, &format!("{NODES}/n1/measures")).await;
    walk.at(api, Method::DELETE, &path, &drained["version"], Value::Null)
        .await;
}

async fn alerts(walk: &Walk, api: &Api) {
    const ALERTS: &str = "/api/v1/alerts";
    let limits = walk.get(api, "/api/v1/grid/limits").await.json;
    let change = json!({ "least_slots": 1 });
    walk.at(
        api,
        Method::PUT,
        "/api/v1/grid/limits",
        &limits["version"],
        change,
    )
    .await;
    walk.get(api, "/api/v1/grid/history").await;
    walk.get(api, "/api/v1/availability").await;
    let mut rules = walk.get(api, &format!("{ALERTS}/rules")).await.json;
    rules["rules"] =
        json!([{ "name": "all", "kind": "slots_below", "severity": "warn", "threshold": 1_000 }]);
    let version = rules["version"].clone();
    walk.at(
        api,
        Method::PUT,
        &format!("{ALERTS}/rules"),
        &version,
        rules,
    )
    .await;
    let until = tokio::time::Instant::now() + PATIENCE;
    let id = loop {
        let all = walk.get(api, ALERTS).await.json;
        if let Some(id) = all["open"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(tokio::time::Instant::now() < until, "no alert: {all}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let reason = json!({ "reason": "to try it" });
    walk.post(api, &format!("{ALERTS}/{id}/acknowledge"), reason)
        .await;
    let silence = json!({ "subject": "n1", "for_s": 60, "reason": "to try it" });
    let silence = walk.post(api, &format!("{ALERTS}/silences"), silence).await;
    let id = silence.json["id"].as_str().unwrap();
    walk.delete(api, &format!("{ALERTS}/silences/{id}")).await;
    let hook = format!("{ALERTS}/webhook");
    let version = walk.get(api, &hook).await.json["version"].clone();
    let draft =
        json!({ "url": "http://127.0.0.1:9/", "enabled": false, "secret": "sixteen letters!" });
    walk.at(api, Method::PUT, &hook, &version, draft).await;
    walk.post(api, &format!("{hook}/test"), json!({})).await;
}

async fn tasks(walk: &Walk, server: &Server, api: &Api) {
    const TASKS: &str = "/api/v1/tasks";
    let run = json!({
        "source": { "code": { "code": "cat('x\\n'); plot(1); y <- list(a = 1, b = 'z'); y" } }, "outputs": ["y"],
    });
    let done = walk.post(api, &format!("{TASKS}?wait=30"), run).await;
    assert_eq!(done.json["state"], "succeeded", "{}", done.text);
    let id = done.json["id"].as_str().unwrap();
    let failing = json!({ "source": { "code": { "code": "f <- function() stop('no'); f()" } } });
    let failed = walk.post(api, &format!("{TASKS}?wait=30"), failing).await;
    assert_eq!(failed.json["state"], "failed", "{}", failed.text);
    walk.get(api, &format!("{TASKS}?limit=10")).await;
    walk.get(api, &format!("{TASKS}/{id}?wait=1")).await;
    walk.get(api, &format!("{TASKS}/{id}/console?from=0")).await;
    let plot = done.json["artifacts"][0]["name"].as_str().unwrap();
    let path = format!("{TASKS}/{id}/artifacts/{plot}");
    walk.get(api, &path).await;
    let link = walk.post(api, &format!("{path}/link"), json!({})).await;
    walk.get(&server.nobody(), link.json["path"].as_str().unwrap())
        .await;
    let long = json!({ "source": { "code": { "code": "Sys.sleep(60)" } } });
    let running = walk.post(api, TASKS, long).await;
    let id = running.json["id"].as_str().unwrap();
    walk.post(api, &format!("{TASKS}/{id}/cancel"), json!({}))
        .await;
}

async fn files(walk: &Walk, api: &Api) {
    let at = |what: &str| {
        format!("/api/v1/repository/{what}?directory=risk&name=limits.R&message=first")
    };
    let content = at("content");
    let write = |tag: (&'static str, &'static str), body: &'static str| {
        let request = api.request(Method::PUT, &content).header(tag.0, tag.1);
        request
            .header("content-type", "application/octet-stream")
            .body(body)
    };
    walk.does(api, write(("if-none-match", "*"), "1")).await;
    walk.does(api, write(("if-match", "\"1\""), "2")).await;
    walk.get(api, &content).await;
    walk.get(api, &at("file")).await;
    let said = api
        .request(Method::PATCH, &at("file"))
        .json(&json!({ "access": "shared", "tags": ["risk"] }));
    walk.does(api, said.header("if-match", "\"2\"")).await;
    walk.get(api, &at("versions")).await;
    walk.post(api, &at("link"), json!({})).await;
    let data = |what: &str| format!("/api/v1/repository/{what}?directory=risk&name=data.rds");
    let put = api.request(Method::PUT, &data("content"));
    // The number 42 as R's `saveRDS(ascii = TRUE)` writes it.
    let put = put.body("A\n2\n262144\n131840\n13\n1\n42\n");
    let put = put.header("content-type", "application/octet-stream");
    walk.does(api, put.header("if-none-match", "*")).await;
    walk.get(api, &data("objects")).await;
    walk.get(api, "/api/v1/repository/files?directory=risk")
        .await;
    let search = json!({ "text": "limits", "contents": true });
    walk.post(api, "/api/v1/repository/search", search).await;
    walk.at(api, Method::DELETE, &content, &json!(3), Value::Null)
        .await;
    let restore = json!({ "id": { "author": "admin", "directory": "risk", "name": "limits.R" }, "version": 1 });
    let request = api
        .request(Method::POST, "/api/v1/repository/restore")
        .json(&restore);
    walk.does(api, request.header("if-none-match", "*")).await;
}

async fn replication(walk: &Walk, api: &Api) {
    const SETS: &str = "/api/v1/repository/changesets";
    walk.get(api, "/api/v1/repository/manifest").await;
    let hash = crate::random::to_hex(&Sha256::digest("new"));
    let operation = json!({
        "id": { "author": "mia", "directory": "risk", "name": "new.R" }, "sha256": hash, "size": 3,
    });
    let request = json!({ "plan": "p-1", "source": "west", "operations": [operation], "reason": "to try it" });
    let set = walk.post(api, SETS, request).await;
    let id = set.json["id"].as_str().unwrap();
    let send = api.request(Method::PUT, &format!("{SETS}/{id}/content/{hash}"));
    walk.does(
        api,
        send.header("content-type", "application/octet-stream")
            .body("new"),
    )
    .await;
    let mut pack = Vec::new();
    assert!(gridhelm_replicate::pack::put(&mut pack, &hash, b"new"));
    let send = api.request(Method::PUT, &format!("{SETS}/{id}/contents"));
    let bytes = "application/octet-stream";
    walk.does(api, send.header("content-type", bytes).body(pack))
        .await;
    let send = api.request(Method::PUT, &format!("{SETS}/{id}/parts/{hash}"));
    walk.does(api, send.header("content-type", bytes).body("new"))
        .await;
    walk.post(api, &format!("{SETS}/{id}/commit"), json!({}))
        .await;
    walk.get(api, &format!("/api/v1/repository/content/{hash}"))
        .await;
    walk.get(api, "/api/v1/repository/tree").await;
    let listings = json!({ "directories": [["mia", "risk"]], "with": "west" });
    walk.post(api, "/api/v1/repository/listings", listings)
        .await;
    let contents = json!({ "sha256": [hash] });
    walk.post(api, "/api/v1/repository/contents", contents)
        .await;
    let verify = json!({ "changeset": id });
    walk.post(api, "/api/v1/repository/verify", verify).await;
    walk.get(api, &format!("{SETS}?limit=10")).await;
    walk.get(api, &format!("{SETS}/{id}")).await;
    let other = json!({ "plan": "p-2", "source": "west", "operations": [{
        "id": { "author": "mia", "directory": "risk", "name": "other.R" }, "sha256": hash, "size": 3,
    }] });
    let set = walk.post(api, SETS, other).await;
    let id = set.json["id"].as_str().unwrap();
    walk.does(api, api.request(Method::DELETE, &format!("{SETS}/{id}")))
        .await;
}

async fn approval(walk: &Walk, admin: &Api, operator: &Api) {
    const SETS: &str = "/api/v1/repository/changesets";
    const RULES: &str = "/api/v1/repository/rules";
    walk.get(admin, RULES).await;
    let rules = json!({ "hold": true, "approval_hours": 3, "enforce_access": false });
    walk.at(admin, Method::PUT, RULES, &json!(0), rules).await;
    let request = json!({ "plan": "p-3", "source": "west", "operations": [{
        "id": { "author": "mia", "directory": "risk", "name": "held.R" }, "sha256": crate::random::to_hex(&Sha256::digest("new")), "size": 3,
    }] });
    let set = operator.post(SETS, request).await;
    let id = set.json["id"].as_str().unwrap();
    let verdict = json!({ "approve": true, "reason": "looked at it" });
    walk.post(admin, &format!("{SETS}/{id}/verdict"), verdict)
        .await;
    walk.get(admin, &format!("{SETS}/{id}")).await;
    walk.get(admin, SETS).await;
    let off = json!({ "hold": false });
    walk.at(admin, Method::PUT, RULES, &json!(1), off).await;
}

async fn pulling(walk: &Walk, source: &Server) {
    const SETS: &str = "/api/v1/repository/changesets";
    let from = source.admin().await;
    let hash = crate::random::to_hex(&Sha256::digest("new"));
    let granted = walk
        .post(
            &from,
            "/api/v1/repository/grants",
            json!({ "sha256": [hash] }),
        )
        .await;
    let secret = granted.json["secret"].as_str().unwrap();
    let read = from.request(Method::GET, &format!("/api/v1/repository/granted/{hash}"));
    walk.does(&from, read.header("gridhelm-grant", secret))
        .await;
    let dir = tempfile::tempdir().unwrap();
    let mut there = config("east-2", dir.path());
    there.replication.sources = vec![source.url()];
    let target = Server::start_with(there).await;
    target.await_active().await;
    let to = target.admin().await;
    let request = json!({ "plan": "p-4", "source": "west", "operations": [{
        "id": { "author": "mia", "directory": "risk", "name": "pulled.R" }, "sha256": hash, "size": 3,
    }] });
    let set = to.post(SETS, request).await;
    let id = set.json["id"].as_str().unwrap();
    let pull = json!({ "url": source.url(), "secret": secret, "sha256": hash });
    walk.post(&to, &format!("{SETS}/{id}/pull"), pull).await;
    target.stop().await;
}

async fn switches(walk: &Walk, server: &Server, api: &Api) {
    let second = Server::start_in(server.dir.as_ref().unwrap().path(), "east-2").await;
    let until = tokio::time::Instant::now() + PATIENCE;
    let request = |at: Option<i64>| {
        json!({
            "kind": "planned", "to": "east-2", "expect_epoch": 1, "reason": "to try it", "dry_run": at.is_none(), "at": at,
        })
    };
    // The standby is ready once it has looked around.
    while api.post("/api/v1/switch", request(None)).await.status != 200 {
        assert!(tokio::time::Instant::now() < until, "no dry run passes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    walk.post(api, "/api/v1/switch", request(None)).await;
    walk.get(api, "/api/v1/switch/preflight?to=east-2").await;
    let later = crate::clock::now() + 3_600_000;
    let planned = walk.post(api, "/api/v1/switch", request(Some(later))).await;
    let id = planned.json["id"].as_str().unwrap();
    walk.delete(api, &format!("/api/v1/switch/{id}")).await;
    walk.get(api, "/api/v1/switches?kind=planned&limit=5").await;
    let failover = walk.get(api, "/api/v1/group/failover").await;
    let change = json!({ "mode": "automatic", "pause_s": 60, "reason": "maintenance" });
    walk.at(
        api,
        Method::PUT,
        "/api/v1/group/failover",
        &failover.json["version"],
        change,
    )
    .await;
    walk.get(api, "/api/v1/group").await;
    let token = server.running.app.accounts.server_token("east-1").unwrap();
    let peer = second.nobody().with(token);
    walk.get(&peer, "/api/v1/switch/after?within_ms=1000").await;
    walk.get(&peer, "/api/v1/switch/reach").await;
    // A switch that is only being prepared.
    let mut record = planned.json.clone();
    record["state"] = json!("running");
    walk.post(&peer, "/api/v1/switch/take", json!({ "switch": record }))
        .await;
    second.stop().await;
}

async fn people(walk: &Walk, server: &Server, admin: &Api) {
    const TOKENS: &str = "/api/v1/group/join-tokens";
    let draft = json!({ "username": "mia", "password": "a good password", "role": "viewer" });
    walk.post(admin, "/api/v1/users", draft).await;
    walk.get(admin, "/api/v1/users").await;
    walk.get(admin, "/api/v1/users/lockouts").await;
    let patch = json!({ "role": "operator" });
    walk.does(
        admin,
        admin
            .request(Method::PATCH, "/api/v1/users/mia")
            .json(&patch),
    )
    .await;
    walk.delete(admin, "/api/v1/users/mia/sessions").await;
    let sign_in = json!({ "username": "mia", "password": "a good password" });
    let signed = walk
        .post(&server.nobody(), "/api/v1/session", sign_in)
        .await;
    let mia = server
        .nobody()
        .with(signed.json["token"].as_str().unwrap().to_owned());
    walk.get(&mia, "/api/v1/me").await;
    let change = json!({ "current": "a good password", "new": "a better password" });
    let changed = walk
        .does(
            &mia,
            mia.request(Method::PUT, "/api/v1/me/password")
                .json(&change),
        )
        .await;
    let mia = server
        .nobody()
        .with(changed.json["token"].as_str().unwrap().to_owned());
    let draft = json!({ "name": "nightly", "role": "viewer", "areas": ["tasks"], "days": 1 });
    let made = walk.post(&mia, "/api/v1/tokens", draft).await;
    walk.get(&mia, "/api/v1/tokens").await;
    let id = made.json["about"]["id"].as_str().unwrap();
    walk.delete(&mia, &format!("/api/v1/tokens/{id}")).await;
    walk.delete(&mia, "/api/v1/session").await;
    let made = walk
        .post(admin, TOKENS, json!({ "expires_in_s": 600 }))
        .await;
    let other = walk.post(admin, TOKENS, json!({})).await;
    walk.get(admin, TOKENS).await;
    let host = crate::identity::host_boot().unwrap();
    let ask = json!({ "token": made.json["token"], "name": "east-9", "host_boot": host });
    walk.post(&server.nobody(), "/api/v1/group/join", ask).await;
    let id = other.json["listed"]["id"].as_str().unwrap();
    walk.delete(admin, &format!("{TOKENS}/{id}")).await;
}

async fn upkeep(walk: &Walk, server: &Server, admin: &Api) {
    const BACKUPS: &str = "/api/v1/backups";
    walk.post(admin, BACKUPS, json!({})).await;
    let until = tokio::time::Instant::now() + PATIENCE;
    let name = loop {
        let listed = walk.get(admin, BACKUPS).await.json;
        let name = listed["items"][0]["name"].as_str();
        if let Some(name) = name.filter(|_| listed["running"].is_null()) {
            break name.to_owned();
        }
        assert!(tokio::time::Instant::now() < until, "no backup: {listed}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    walk.post(admin, &format!("{BACKUPS}/{name}/link"), json!({}))
        .await;
    walk.delete(admin, &format!("{BACKUPS}/{name}")).await;
    walk.get(admin, "/api/v1/sizes").await;
    walk.post(admin, "/api/v1/support-bundle/link", json!({}))
        .await;
    let token = server.running.app.accounts.server_token("east-1").unwrap();
    walk.get(&server.nobody().with(token), "/api/v1/support-bundle")
        .await;
}

async fn rest(walk: &Walk, server: &Server, admin: &Api) {
    let nobody = server.nobody();
    for path in [
        "/health/live",
        "/health/ready",
        "/health/active",
        "/api/v1/server",
        "/api/v1/openapi.json",
        "/api/docs",
    ] {
        walk.get(&nobody, path).await;
    }
    for path in [
        "/metrics",
        "/api/v1/events?limit=50",
        "/api/v1/audit?limit=50",
        "/api/v1/audit/verify",
    ] {
        walk.get(admin, path).await;
    }
    let page = nobody.get("/api/docs").await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script"),
        "{policy}"
    );
    assert!(
        page.text.contains("submitTask"),
        "the page does not name the operations"
    );
}
