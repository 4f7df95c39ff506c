//! The command: what it checks, what it says, and its exit codes.

use super::process::{PASSWORD, Place, binary};
use gridhelm_api::group::ServerRole;
use std::process::Output;

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_bad_configuration_is_named_with_exit_code_2() {
    let missing = binary()
        .args(["--config", "/nowhere/server.toml"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing).contains("/nowhere/server.toml"),
        "{}",
        text(&missing)
    );
    let place = Place::new();
    let server = place.server("east-1");
    let listen = binary()
        .arg("--config")
        .arg(server.config())
        .args(["--listen", "everywhere", "--check"])
        .output()
        .unwrap();
    assert_eq!(listen.status.code(), Some(2));
    assert!(text(&listen).contains("--listen"), "{}", text(&listen));
    let good = binary()
        .arg("--config")
        .arg(server.config())
        .arg("--check")
        .output()
        .unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    assert!(!place.database().exists(), "a check touches nothing");
}

#[test]
fn a_port_that_is_taken_is_named_and_the_database_untouched() {
    let place = Place::new();
    let server = place.server("east-1");
    let address = server.url.trim_start_matches("http://").to_owned();
    let _taken = std::net::TcpListener::bind(&address).unwrap();
    let output = binary()
        .arg("--config")
        .arg(server.config())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&address), "{}", text(&output));
    assert!(!place.database().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_password_is_reset_on_the_host_while_the_server_runs() {
    let place = Place::new();
    let mut server = place.server("east-1");
    server.start();
    server
        .until("active", |s| s.role == ServerRole::Active)
        .await;
    let old = server.sign_in().await;
    let output = binary()
        .args(["reset-password", "admin", "--config"])
        .arg(server.config())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let password = text(&output).trim().rsplit(' ').next().unwrap().to_owned();
    assert_ne!(password, PASSWORD);
    let signed_in = async |password: &str| {
        let body = serde_json::json!({ "username": "admin", "password": password });
        let url = format!("{}/api/v1/session", server.url);
        let answer = server.http.post(url).json(&body).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(signed_in(PASSWORD).await, 401);
    assert_eq!(signed_in(&password).await, 200);
    // Tokens of before end, within about a second.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let me = server.http.get(format!("{}/api/v1/me", server.url));
        let answer = me.bearer_auth(&old).send().await.unwrap();
        if answer.status().as_u16() == 401 {
            break;
        }
        assert!(
            std::time::Instant::now() < end,
            "the old token still lets in"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!server.log().contains(&password), "a password was logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_when_it_answers_and_when_it_ends() {
    let place = Place::new();
    let server = place.server("east-1");
    let socket = server.config().with_file_name("notify.sock");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let mut child = binary()
        .arg("--config")
        .arg(server.config())
        .env("NOTIFY_SOCKET", &socket)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut said = [0; 64];
        let length = manager.recv(&mut said).unwrap();
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert!(server.status().await.is_some(), "it answers then");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(hear(), "STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_a_node_may_load_before_it_forks_is_printed_and_r_takes_it() {
    let printed = binary().arg("node-preload").output().unwrap();
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("preload.R");
    std::fs::write(&file, &printed.stdout).unwrap();
    let code = format!(
        "source('{}'); cat(any(startsWith(ls('gridhelm', all.names = TRUE), '.gridhelm_')), nchar(Sys.getenv('GLIBC_TUNABLES')))",
        file.display()
    );
    let r = std::process::Command::new("Rscript")
        .args(["--vanilla", "-e", &code])
        .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&r.stdout), "TRUE 0", "{}", text(&r));
}
