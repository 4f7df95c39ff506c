//! Contents from server to server.

use super::*;
use sha2::{Digest, Sha256};

const GRANTS: &str = "/api/v1/repository/grants";
const SETS: &str = "/api/v1/repository/changesets";

#[tokio::test]
async fn a_target_pulls_what_the_source_granted_and_nothing_else() {
    let source = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut target_config = config("east-2", dir.path());
    target_config.replication.sources = vec![source.url()];
    let target = Server::start_with(target_config).await;
    target.await_active().await;
    let (from, to) = (source.role("operator").await, target.role("operator").await);
    let large = "0123456789abcdef".repeat(50_000);
    let (hash, other) = (sha(&large), sha("secret"));
    for (name, content) in [("large.rds", large.as_str()), ("other.R", "secret")] {
        let path = format!("/api/v1/repository/content?author=mia&directory=models&name={name}");
        assert_eq!(from.put_new(&path, content.to_owned()).await.status, 201);
    }
    source
        .role("viewer")
        .await
        .post(GRANTS, json!({ "sha256": [hash] }))
        .await
        .is_problem(403, "forbidden");
    from.post(GRANTS, json!({ "sha256": [sha("absent")] }))
        .await
        .is_problem(404, "not_found");
    from.post(GRANTS, json!({ "sha256": [] }))
        .await
        .is_problem(422, "invalid_input");
    let granted = from.post(GRANTS, json!({ "sha256": [hash] })).await;
    assert_eq!(granted.status, 201, "{}", granted.text);
    let secret = granted.json["secret"].as_str().unwrap();

    // The grant opens this content to whoever has it, and no other; without it nothing is given.
    let nobody = source.nobody();
    let read = |sha256: String, secret: Option<String>| {
        let mut request = nobody.request(
            Method::GET,
            &format!("/api/v1/repository/granted/{sha256}?offset=4&length=8"),
        );
        if let Some(secret) = secret {
            request = request.header("gridhelm-grant", secret);
        }
        nobody.send(request)
    };
    assert_eq!(
        read(hash.clone(), Some(secret.to_owned())).await.text,
        "456789ab"
    );
    read(other.clone(), Some(secret.to_owned()))
        .await
        .is_problem(401, "invalid_token");
    read(hash.clone(), None)
        .await
        .is_problem(401, "invalid_token");
    read(hash.clone(), Some("0".repeat(32)))
        .await
        .is_problem(401, "invalid_token");

    let file = |name: &str, sha256: &str, size: usize| json!({ "id": { "author": "mia", "directory": "models", "name": name }, "sha256": sha256, "size": size });
    let set = json!({ "plan": "p-1", "source": "west", "operations": [file("large.rds", &hash, large.len()), file("other.R", &other, 6)] });
    let set = to.post(SETS, set).await;
    let id = set.json["id"].as_str().unwrap();
    let pull = |url: String, secret: &str, sha256: &str| {
        let body = json!({ "url": url, "secret": secret, "sha256": sha256 });
        let (to, path) = (to.clone(), format!("{SETS}/{id}/pull"));
        async move { to.post(&path, body).await }
    };
    // Only named servers are called.
    let refused = pull(target.url(), secret, &hash).await;
    refused.is_problem(403, "forbidden");
    assert!(refused.text.contains("[replication]"), "{}", refused.text);
    pull(source.url(), secret, &other)
        .await
        .is_problem(409, "conflict");
    pull(source.url(), &"0".repeat(32), &hash)
        .await
        .is_problem(409, "conflict");
    pull(source.url(), secret, &sha("not of the changeset"))
        .await
        .is_problem(404, "not_found");
    let came = pull(source.url(), secret, &hash).await;
    assert_eq!(
        (came.json["whole"].as_bool(), came.json["have"].as_u64()),
        (Some(true), Some(large.len() as u64)),
        "{}",
        came.text
    );
    let path = format!("{SETS}/{id}/content/{other}");
    let sent = to.send(to.request(Method::PUT, &path).body("secret")).await;
    assert_eq!(sent.status, 204, "{}", sent.text);
    let done = to.post(&format!("{SETS}/{id}/commit"), json!({})).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let path = "/api/v1/repository/content?author=mia&directory=models&name=large.rds";
    assert_eq!(to.get(path).await.text, large);
    target.stop().await;
    source.stop().await;
}

fn sha(text: &str) -> String {
    crate::random::to_hex(&Sha256::digest(text))
}
