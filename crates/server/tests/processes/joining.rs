//! A server that joins a group by a token, with the real command.

use super::process::{Place, Server, binary};
use gridhelm_api::group::ServerRole;
use gridhelm_api::join::JoinTokenMade;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

async fn token(server: &Server) -> String {
    let admin = server.sign_in().await;
    let url = format!("{}/api/v1/group/join-tokens", server.url);
    let asked = server.http.post(url).bearer_auth(admin);
    let answer = asked.json(&serde_json::json!({})).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let made: JoinTokenMade = answer.json().await.unwrap();
    assert_eq!(
        made.command,
        format!(
            "gridhelm-server join --server {} --token {}",
            server.url, made.token
        )
    );
    made.token
}

fn join(server: &str, token: &str, file: &Path, more: &[&str]) -> Output {
    binary()
        .args(["join", "--server", server, "--token", token, "--config"])
        .arg(file)
        .args(more)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn joins_and_stands_by(place: Place) {
    let mut one = place.server("east-1");
    one.start();
    one.until("active", |s| s.role == ServerRole::Active).await;
    let token = token(&one).await;
    let file = one.config().with_file_name("joined.toml");

    let joined = join(&one.url, &token, &file, &[]);
    assert_eq!(joined.status.code(), Some(0), "{}", words(&joined));
    assert!(words(&joined).contains("--config"), "{}", words(&joined));
    assert!(!words(&joined).contains(&token));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut two = Server::joined("east-2", file.clone());
    two.start();
    let status = two
        .until("a ready standby", |s| s.ready && s.active.is_some())
        .await;
    assert_eq!(
        (status.name.as_str(), status.role, status.active.as_deref()),
        ("east-2", ServerRole::Standby, Some("east-1"))
    );

    // Once, and never over a file that is there.
    let other = file.with_file_name("other.toml");
    let again = join(&one.url, &token, &other, &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        words(&again).contains("works once") && words(&again).contains("request "),
        "{}",
        words(&again)
    );
    assert!(!other.exists());
    let over = join(&one.url, &token, &file, &[]);
    assert!(words(&over).contains("it exists"), "{}", words(&over));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_joins_a_group_on_its_own_host() {
    joins_and_stands_by(Place::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_joins_a_group_on_postgresql() {
    joins_and_stands_by(Place::on_postgres()).await;
}

#[test]
fn what_cannot_be_joined_is_named() {
    let place = Place::new();
    let file = place.server("east-9").config().with_file_name("new.toml");
    let silent = join("http://127.0.0.1:1", "ghj_x", &file, &[]);
    assert_eq!(silent.status.code(), Some(1));
    assert!(
        words(&silent).contains("http://127.0.0.1:1 does not answer"),
        "{}",
        words(&silent)
    );
    let no_address = join("127.0.0.1:1", "ghj_x", &file, &[]);
    assert!(
        words(&no_address).contains("https://host:port"),
        "{}",
        words(&no_address)
    );
    // The answer would hold the database's password: nobody on the way may read it, unless that is said.
    let plain = "http://192.0.2.1:1";
    let refused = join(plain, "ghj_x", &file, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        words(&refused).contains("password") && words(&refused).contains("--plain-http"),
        "{}",
        words(&refused)
    );
    let more = ["--plain-http", "--user", "no-such-user"];
    let said = join(plain, "ghj_x", &file, &more);
    assert!(words(&said).contains("no-such-user"), "{}", words(&said));
    let ca = join("https://127.0.0.1:1", "ghj_x", &file, &["--ca", "/no.pem"]);
    assert!(words(&ca).contains("/no.pem"), "{}", words(&ca));
    let folder = join(
        "http://127.0.0.1:1",
        "ghj_x",
        Path::new("/nowhere/x.toml"),
        &[],
    );
    assert!(words(&folder).contains("/nowhere"), "{}", words(&folder));
    let user = join(
        "http://127.0.0.1:1",
        "ghj_x",
        &file,
        &["--user", "no-such-user"],
    );
    assert!(words(&user).contains("no-such-user"), "{}", words(&user));
    assert!(!file.exists());
}
