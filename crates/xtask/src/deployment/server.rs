//! One `gridhelm-server`: its configuration file and its start script.

use std::path::{Path, PathBuf};

use super::MARK;
use super::folder::{Folder, private_folder, write_with_mode};
use super::plan::{Plan, Server};
use super::script::Script;
use super::tls::Tls;
use super::{patroni, postgres};
use crate::error::Error;

/// What would override a server's configuration file: set for one server, it must not reach all of them.
const OVERRIDES: [&str; 11] = [
    "GRIDHELM_CONFIG",
    "GRIDHELM_LISTEN",
    "GRIDHELM_PUBLIC_URL",
    "GRIDHELM_DATABASE_PATH",
    "GRIDHELM_DATABASE_URL",
    "GRIDHELM_DATABASE_PASSWORD",
    "GRIDHELM_DATABASE_PASSWORD_FILE",
    "GRIDHELM_CONSOLE_DIR",
    "GRIDHELM_TLS_CERTIFICATE",
    "GRIDHELM_TLS_KEY",
    "GRIDHELM_TLS_CA",
];

/// `HAProxy`'s socket from the server's folder: a whole path may be longer than a socket's may be (107 bytes).
const BALANCER_SOCKET: &str = "../../haproxy/admin.sock";

/// What every server runs with.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a> {
    /// The built server.
    pub server: &'a Path,
    /// The built console.
    pub console: Option<&'a Path>,
    /// Where it looks for orders to stop before a commit; for drills.
    pub failpoints: Option<&'a Path>,
    /// The certificates, where HTTPS is spoken.
    pub tls: Option<&'a Tls>,
}

/// Writes what starting the server needs and gives its start script.
pub fn prepare(
    folder: &Folder,
    plan: &Plan,
    server: &Server,
    programs: &Programs<'_>,
) -> Result<PathBuf, Error> {
    let home = folder.path("servers").join(server.name);
    private_folder(&home)?;
    private_folder(&folder.path("groups").join(server.group))?;
    let configuration = home.join("server.toml");
    let text = configuration_text(
        plan,
        server,
        &database_text(folder, plan, server.group),
        &folder.path("deployment.json"),
        // On another host there is no socket to reach.
        (!plan.network.is_real()).then_some(Path::new(BALANCER_SOCKET)),
        programs.console,
    );
    let tls = programs.tls.map(|tls| tls.configuration(server.name));
    let text = tls.map_or(text.clone(), |tls| format!("{text}\n{tls}"));
    write_with_mode(&configuration, &text, 0o600)?;
    let log = folder.log(server.name);
    let script = Script {
        what: format!("the server {}", server.name),
        namespace: plan.network.namespace(server.name),
        folder: &home,
        log: &log,
        environment: vec![(MARK.to_owned(), folder.root().display().to_string())],
        without: &OVERRIDES,
        bare: false,
        user: None,
        program: [
            programs.server.display().to_string(),
            "--config".into(),
            configuration.display().to_string(),
        ]
        .into_iter()
        .chain(
            programs
                .failpoints
                .iter()
                .flat_map(|folder| ["--failpoints".to_owned(), folder.display().to_string()]),
        )
        .collect(),
    };
    let start = home.join("start");
    script.write(&start)?;
    Ok(start)
}

/// The group's database file.
pub fn database(folder: &Folder, group: &str) -> PathBuf {
    folder.path("groups").join(group).join("group.sqlite")
}

/// What `[database]` holds.
fn database_text(folder: &Folder, plan: &Plan, group: &str) -> String {
    let path = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
    let url = match (plan.postgres, &plan.patroni) {
        (Some(port), _) => postgres::url(plan.postgres_host(), port, group),
        (None, Some(cluster)) => patroni::url(cluster, group),
        (None, None) => return format!("path = {}\n", path(&database(folder, group))),
    };
    let password = path(&postgres::password_file(folder));
    format!("url = \"{url}\"\npassword_file = {password}\n")
}

fn configuration_text(
    plan: &Plan,
    server: &Server,
    database: &str,
    deployment: &Path,
    balancer: Option<&Path>,
    console: Option<&Path>,
) -> String {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let path = |path: &Path| string(&path.display().to_string());
    let origins: Vec<_> = plan
        .allowed_origins()
        .iter()
        .map(|origin| format!("    {},\n", string(origin)))
        .collect();
    format!(
        "# Server {name} of a local deployment; made by `cargo xtask run`.\n\
         name = {name_value}\n\
         group = {group}\n\
         listen = {listen}\n\
         public_url = {url}\n\
         {console}\
         deployment_file = {deployment}\n\
         allowed_origins = [\n{origins}]\n\
         \n\
         [database]\n\
         {database}\
         {balancer}\
         \n\
         [log]\n\
         format = \"text\"\n",
        name = server.name,
        name_value = string(server.name),
        group = string(server.group),
        listen = string(&format!("{}:{}", server.host, server.port)),
        url = string(&server.url()),
        console = console.map_or_else(String::new, |folder| format!(
            "console_dir = {}\n",
            path(folder)
        )),
        deployment = path(deployment),
        origins = origins.concat(),
        balancer = balancer.map_or_else(String::new, |socket| format!(
            "\n[balancer]\nsocket = {}\n",
            path(socket)
        )),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_configuration_holds_what_the_server_reads() {
        let plan = Plan::new(8100).unwrap();
        let text = configuration_text(
            &plan,
            &plan.servers[1],
            "path = \"/d/east.sqlite\"\n",
            Path::new("/d/deployment.json"),
            Some(Path::new("/d/admin.sock")),
            Some(Path::new("/w/dist")),
        );
        for line in [
            "name = \"east-2\"",
            "group = \"east\"",
            "listen = \"127.0.0.1:8102\"",
            "public_url = \"http://127.0.0.1:8102\"",
            "console_dir = \"/w/dist\"",
            "deployment_file = \"/d/deployment.json\"",
            "    \"http://127.0.0.1:8100\",",
            "path = \"/d/east.sqlite\"",
            "socket = \"/d/admin.sock\"",
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}\n{text}");
        }
        let without = configuration_text(&plan, &plan.servers[1], "", Path::new("/d"), None, None);
        assert!(!without.contains("console_dir") && !without.contains("balancer"));
    }
}
