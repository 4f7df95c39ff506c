//! The repository and replication over HTTP.

use super::*;
use sha2::{Digest, Sha256};

const CONTENT: &str = "/api/v1/repository/content";
const SETS: &str = "/api/v1/repository/changesets";

fn at(directory: &str, name: &str) -> String {
    let escaped = |text: &str| {
        let bytes = text.bytes().map(|b| format!("%{b:02x}"));
        bytes.collect::<Vec<_>>().concat()
    };
    format!(
        "{CONTENT}?author=mia&directory={}&name={}",
        escaped(directory),
        escaped(name)
    )
}

fn sha(text: &str) -> String {
    crate::random::to_hex(&Sha256::digest(text))
}

#[tokio::test]
async fn a_file_is_written_read_and_restored() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let path = at("risk", "limits.R");
    let made = api.put_new(&path, "x <- 1").await;
    assert_eq!(
        (made.status, made.header("etag")),
        (201, "\"1\""),
        "{}",
        made.text
    );
    assert_eq!(made.json["sha256"], sha("x <- 1"));
    api.put_new(&path, "x <- 2")
        .await
        .is_problem(412, "version_mismatch");
    let bare = api
        .send(api.request(Method::PUT, &path).body("x <- 2"))
        .await;
    bare.is_problem(428, "version_required");
    let write = |version: &'static str| {
        api.send(
            api.request(Method::PUT, &path)
                .header("if-match", version)
                .body("x <- 2"),
        )
    };
    assert_eq!(write("\"1\"").await.json["version"], 2);
    write("\"1\"").await.is_problem(412, "version_mismatch");
    write("1").await.is_problem(422, "invalid_input");
    let read = api.get(&path).await;
    assert_eq!(
        (read.text.as_str(), read.header("etag")),
        ("x <- 2", "\"2\"")
    );
    let body =
        json!({ "id": { "author": "mia", "directory": "risk", "name": "limits.R" }, "version": 1 });
    let restored = api
        .at(2, Method::POST, "/api/v1/repository/restore", body)
        .await;
    assert_eq!(restored.json["version"], 3, "{}", restored.text);
    assert_eq!(api.get(&path).await.text, "x <- 1");
    assert_eq!(api.get(&format!("{path}&version=2")).await.text, "x <- 2");
    assert_eq!(
        api.at(3, Method::DELETE, &path, json!({})).await.status,
        204
    );
    api.get(&path).await.is_problem(404, "not_found");
    let versions = api.get(&path.replace("/content", "/versions")).await;
    assert_eq!(
        versions.json.as_array().unwrap().len(),
        4,
        "{}",
        versions.text
    );
    server.stop().await;
}

#[tokio::test]
async fn names_that_could_harm_are_refused_before_anything_is_written() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let long = "x".repeat(300);
    for name in [
        "../../etc/passwd",
        "a\u{0}b",
        &long,
        "<img onerror=alert(1)>",
        "a/b",
        "",
        " a",
    ] {
        let answer = api.put_new(&at("risk", name), "x").await;
        answer.is_problem(422, "invalid_input");
        assert_eq!(answer.json["errors"][0]["field"], "name");
        api.put_new(&at(name, "a.R"), "x")
            .await
            .is_problem(422, "invalid_input");
    }
    assert_eq!(
        api.get("/api/v1/repository/files").await.json["items"],
        json!([])
    );
    server.stop().await;
}

#[tokio::test]
async fn content_leaves_as_an_attachment_in_a_sandbox() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let html = "<script>alert(1)</script>";
    let path = at("www", "Größe.html");
    assert_eq!(api.put_new(&path, html).await.status, 201);
    let check = |answer: &Answer| {
        assert_eq!(answer.text, html);
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert!(
            answer
                .header("content-disposition")
                .starts_with("attachment;")
        );
        assert!(answer.header("content-security-policy").contains("sandbox"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    };
    check(&api.get(&path).await);
    let link = api
        .post(&path.replace("/content", "/link"), json!({}))
        .await;
    let once = link.json["path"].as_str().unwrap().to_owned();
    let browser = server.nobody();
    check(&browser.get(&once).await);
    browser.get(&once).await.is_problem(404, "not_found");
    browser.get(&path).await.is_problem(401, "missing_token");
    server.stop().await;
}

#[tokio::test]
async fn large_content_comes_back_as_it_was() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let big: Vec<u8> = (0..3_000_017_u32).map(|n| (n % 251) as u8).collect();
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        big.chunks(70_001).map(|c| Ok(c.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let path = at("data", "big.bin");
    let made = api.put_new(&path, stream).await;
    assert_eq!(made.json["size"], 3_000_017, "{}", made.text);
    let response = api.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.headers()["content-length"], "3000017");
    assert_eq!(response.bytes().await.unwrap(), big);
    let by_hash = format!("{CONTENT}/{}", made.json["sha256"].as_str().unwrap());
    let response = api.request(Method::GET, &by_hash).send().await.unwrap();
    assert_eq!(response.bytes().await.unwrap().len(), big.len());
    api.get(&format!("{CONTENT}/{}", sha("absent")))
        .await
        .is_problem(404, "not_found");
    api.get(&format!("{CONTENT}/xyz"))
        .await
        .is_problem(422, "invalid_input");
    let too_big = api
        .request(Method::PUT, &path)
        .header("content-length", (257 << 20).to_string());
    let refused = too_big.header("if-none-match", "*").body("x").send().await;
    if let Ok(answer) = refused {
        assert_eq!(answer.status(), 413);
    }
    server.stop().await;
}

fn operation(name: &str, expect: Option<&str>, content: &str) -> Value {
    json!({
        "id": { "author": "mia", "directory": "risk", "name": name },
        "expect": expect.map(sha), "sha256": sha(content), "size": content.len(),
    })
}

#[tokio::test]
async fn a_changeset_is_applied_whole() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    api.put_new(&at("risk", "old.R"), "old").await;
    let operations = [
        operation("old.R", Some("old"), "new"),
        operation("more.R", None, "more"),
    ];
    let request = json!({ "plan": "7f3a-91c2", "source": "west", "operations": operations, "reason": "release" });
    let open = api.post(SETS, request).await;
    assert_eq!(open.status, 201, "{}", open.text);
    let id = open.json["id"].as_str().unwrap().to_owned();
    assert_eq!(open.json["missing"].as_array().unwrap().len(), 2);
    let put = |hash: String, body: &'static str| {
        api.send(
            api.request(Method::PUT, &format!("{SETS}/{id}/content/{hash}"))
                .body(body),
        )
    };
    let committing = format!("{SETS}/{id}/commit");
    let commit = || api.post(&committing, json!({}));
    put(sha("new"), "other")
        .await
        .is_problem(422, "content_mismatch");
    put(sha("new"), "longer than announced")
        .await
        .is_problem(422, "content_mismatch");
    put(sha("stranger"), "stranger")
        .await
        .is_problem(404, "not_found");
    commit().await.is_problem(409, "conflict");
    assert_eq!(api.get(&at("risk", "old.R")).await.text, "old");
    assert_eq!(put(sha("new"), "new").await.status, 204);
    assert_eq!(put(sha("more"), "more").await.status, 204);
    let done = commit().await;
    assert_eq!(
        (done.status, &done.json["created"], &done.json["updated"]),
        (200, &json!(1), &json!(1)),
        "{}",
        done.text
    );
    assert_eq!(api.get(&at("risk", "old.R")).await.text, "new");
    let manifest = api.get("/api/v1/repository/manifest").await;
    assert_eq!(manifest.json["root"], done.json["root"]);
    // The answer to a commit may be lost: asked again it is the same, and nothing is done twice.
    let again = commit().await;
    assert_eq!((again.status, &again.json), (200, &done.json));
    let now = api.get("/api/v1/repository/manifest").await;
    assert_eq!(now.json["entries"], manifest.json["entries"]);
    api.post(&format!("{SETS}/none/commit"), json!({}))
        .await
        .is_problem(404, "not_found");
    server.stop().await;
}

#[tokio::test]
async fn a_plan_is_refused_with_what_changed_after_it_was_made() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    api.put_new(&at("risk", "a.R"), "a").await;
    api.put_new(&at("risk", "b.R"), "b").await;
    let operations = [
        operation("a.R", Some("a"), "b"),
        operation("b.R", Some("b"), "a"),
    ];
    let open = api
        .post(
            SETS,
            json!({ "plan": "p", "source": "west", "operations": operations }),
        )
        .await;
    let id = open.json["id"].as_str().unwrap().to_owned();
    assert_eq!(open.json["missing"], json!([]));
    let write = api
        .request(Method::PUT, &at("risk", "b.R"))
        .header("if-match", "\"1\"")
        .body("meanwhile");
    assert_eq!(api.send(write).await.status, 200);
    let stale = api.post(&format!("{SETS}/{id}/commit"), json!({})).await;
    stale.is_problem(412, "plan_stale");
    assert_eq!(stale.json["changed"], json!(["mia/risk/b.R"]));
    assert_eq!(api.get(&at("risk", "a.R")).await.text, "a");
    let empty = api
        .post(
            SETS,
            json!({ "plan": "p", "source": "west", "operations": [] }),
        )
        .await;
    empty.is_problem(422, "invalid_input");
    server.stop().await;
}

#[tokio::test]
async fn who_has_seen_the_root_is_told_nothing_new() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    api.put_new(&at("risk", "a.R"), "a").await;
    for path in ["/api/v1/repository/tree", "/api/v1/repository/manifest"] {
        let first = api.get(path).await;
        let tag = format!("\"{}\"", first.json["root"].as_str().unwrap());
        assert_eq!(first.headers["etag"], tag, "{path}");
        let again = || api.request(Method::GET, path).header("if-none-match", &tag);
        let seen = api.send(again()).await;
        assert_eq!((seen.status, seen.text.as_str()), (304, ""), "{path}");
        assert_eq!(seen.headers["etag"], tag);
    }
    let before = api.get("/api/v1/repository/tree").await;
    api.put_new(&at("risk", "b.R"), "b").await;
    let tag = before.headers["etag"].to_str().unwrap().to_owned();
    let request = api.request(Method::GET, "/api/v1/repository/tree");
    let now = api.send(request.header("if-none-match", tag)).await;
    assert_eq!((now.status, &now.json["files"]), (200, &json!(2)));
    server.stop().await;
}

#[tokio::test]
async fn many_contents_travel_in_a_pack_whole_or_not_at_all() {
    use gridhelm_replicate::pack;
    let server = Server::start().await;
    let api = server.role("operator").await;
    let operations = [
        operation("one.R", None, "one"),
        operation("two.R", None, "two"),
    ];
    let request =
        json!({ "plan": "p", "source": "west", "operations": operations, "reason": "release" });
    let open = api.post(SETS, request.clone()).await;
    let id = open.json["id"].as_str().unwrap().to_owned();
    let send = |pack: Vec<u8>| {
        let request = api.request(Method::PUT, &format!("{SETS}/{id}/contents"));
        api.send(request.body(pack))
    };
    let packed = |contents: &[(&str, &str)]| {
        let mut bytes = Vec::new();
        for (hashed, content) in contents {
            assert!(pack::put(&mut bytes, &sha(hashed), content.as_bytes()));
        }
        bytes
    };
    let mut cut = packed(&[("one", "one"), ("two", "two")]);
    cut.pop();
    for bad in [
        cut,
        packed(&[("one", "one"), ("two", "tow")]),
        packed(&[("one", "one"), ("stranger", "stranger")]),
    ] {
        send(bad).await.is_problem(422, "content_mismatch");
        let missing = api.get(&format!("{SETS}/{id}")).await.json["missing"].clone();
        assert_eq!(missing.as_array().unwrap().len(), 2, "nothing was kept");
    }
    let sent = send(packed(&[("one", "one")])).await;
    assert_eq!((sent.status, &sent.json["contents"]), (200, &json!(1)));
    // A second try goes on with the same changeset.
    let again = api.post(SETS, request).await;
    assert_eq!(again.json["id"].as_str(), Some(id.as_str()));
    assert_eq!(again.json["missing"], json!([sha("two")]));
    assert_eq!(send(packed(&[("two", "two")])).await.status, 200);
    let done = api.post(&format!("{SETS}/{id}/commit"), json!({})).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let contents = "/api/v1/repository/contents";
    let both = api
        .post(contents, json!({ "sha256": [sha("one"), sha("two")] }))
        .await;
    assert_eq!(both.text.matches("one").count(), 1);
    let none = api.post(contents, json!({ "sha256": [sha("none")] })).await;
    none.is_problem(404, "not_found");
    let range = format!(
        "/api/v1/repository/content/{}?offset=1&length=5",
        sha("two")
    );
    assert_eq!(api.get(&range).await.text, "wo");
    server.stop().await;
}

#[tokio::test]
async fn files_are_found_by_words_in_their_paths_and_texts() {
    const SEARCH: &str = "/api/v1/repository/search";
    let server = Server::start().await;
    let api = server.role("operator").await;
    for (name, text) in [
        ("limits.R", "x <- 1"),
        ("other.R", "# Größe der Limits\nlimits <- 2"),
        ("none.R", "y <- 2"),
        ("binary.rds", "limits\u{0}limits"),
    ] {
        assert_eq!(api.put_new(&at("risk", name), text).await.status, 201);
    }
    let found = async |body: Value| {
        let answer = api.post(SEARCH, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let found = answer.json["found"].as_array().unwrap().iter();
        let found = found.map(|f| format!("{} {}", f["id"]["name"].as_str().unwrap(), f["line"]));
        (
            found.collect::<Vec<_>>(),
            answer.json["looked"].clone(),
            answer.json["next"].clone(),
        )
    };
    let names = found(json!({ "text": "LIMITS" })).await;
    assert_eq!(
        names,
        (vec!["limits.R null".to_owned()], json!(4), Value::Null)
    );
    let contents = found(json!({ "text": "limits", "contents": true })).await.0;
    assert_eq!(contents, ["limits.R null", "other.R 1"]);
    assert_eq!(
        found(json!({ "text": "größe", "contents": true })).await.0,
        ["other.R 1"]
    );
    let after = json!({ "author": "mia", "directory": "risk", "name": "limits.R" });
    let rest = found(json!({ "text": "limits", "contents": true, "after": after })).await;
    assert_eq!((rest.0, rest.1), (vec!["other.R 1".to_owned()], json!(2)));
    for text in ["", "x", &"x".repeat(201)] {
        api.post(SEARCH, json!({ "text": text }))
            .await
            .is_problem(422, "invalid_input");
    }
    server.stop().await;
}
