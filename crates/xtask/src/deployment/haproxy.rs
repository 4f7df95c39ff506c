//! The load balancer's configuration, from the template in `deploy/haproxy/`.

use std::fmt::Write as _;
use std::path::Path;

use super::plan::{GROUPS, Plan};

/// What it is called among our children and its log.
pub const NAME: &str = "haproxy";

/// The template; `deploy/haproxy/README.md` tells an operator how to use it.
pub const TEMPLATE: &str = include_str!("../../../../deploy/haproxy/haproxy.cfg.template");

/// A group for the load balancer: its name and its servers' names and addresses (`host:port`).
#[derive(Clone, Debug)]
pub struct Group {
    /// The group's name: the cookie's value.
    pub name: String,
    /// Names and addresses.
    pub servers: Vec<(String, String)>,
}

/// The groups of a local deployment.
pub fn groups(plan: &Plan) -> Vec<Group> {
    let servers = |group| {
        plan.servers_of(group)
            .map(|server| {
                (
                    server.name.to_owned(),
                    format!("{}:{}", server.host, server.port),
                )
            })
            .collect()
    };
    GROUPS
        .iter()
        .map(|group| Group {
            name: (*group).to_owned(),
            servers: servers(group),
        })
        .collect()
}

/// The configuration: `bind` is where it listens, `socket` its control socket.
pub fn configuration(bind: &str, socket: &Path, groups: &[Group]) -> String {
    let mut choices = String::new();
    let mut newcomers = String::new();
    let mut backends = String::new();
    for Group { name, servers } in groups {
        let _ = writeln!(
            choices,
            "    use_backend {name} if {{ req.cook(GROUP) -m str {name} }}"
        );
        let _ = write!(
            backends,
            "\nbackend {name}\n    option httpchk GET /health/active\n    http-check expect status 200\n    http-check disable-on-404\n"
        );
        for (server, address) in servers {
            let _ = writeln!(newcomers, "    server {server} {address} cookie {name}");
            let _ = writeln!(backends, "    server {server} {address}");
        }
    }
    TEMPLATE
        .replace("{{socket}}", &socket.display().to_string())
        .replace("{{bind}}", bind)
        .replace("{{choices}}\n", &choices)
        .replace("{{newcomers}}\n", &newcomers)
        .replace("{{groups}}\n", &backends)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::process::Command;

    fn local() -> String {
        let plan = Plan::new(8100).unwrap();
        configuration(
            "127.0.0.1:8100",
            Path::new("unix@admin.sock"),
            &groups(&plan),
        )
    }

    #[test]
    fn every_group_has_its_backend_and_its_cookie() {
        let text = local();
        for line in [
            "    bind 127.0.0.1:8100",
            "    use_backend east if { req.cook(GROUP) -m str east }",
            "    server east-2 127.0.0.1:8102 cookie east",
            "    server west-1 127.0.0.1:8103 cookie west",
            "backend west",
            "    server west-1 127.0.0.1:8103",
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}\n{text}");
        }
        assert!(!text.contains("{{"), "{text}");
    }

    #[test]
    fn haproxy_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haproxy.cfg");
        std::fs::write(&path, local()).unwrap();
        let check = Command::new("/usr/sbin/haproxy")
            .args(["-c", "-f"])
            .arg(&path)
            .current_dir(dir.path())
            .output();
        let output = check
            .expect("HAProxy is missing: sudo apt-get install --no-install-recommends haproxy");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("WARNING"), "{said}");
    }

    #[test]
    fn the_example_for_operators_is_the_template_filled_in() {
        let example = include_str!("../../../../deploy/haproxy/haproxy.cfg");
        let server = |name: &str, host: &str| (name.to_owned(), format!("{host}:8101"));
        let groups = [
            Group {
                name: "east".into(),
                servers: vec![
                    server("east-1", "east-1.example.org"),
                    server("east-2", "east-2.example.org"),
                ],
            },
            Group {
                name: "west".into(),
                servers: vec![server("west-1", "west-1.example.org")],
            },
        ];
        let made = configuration(":8100", Path::new("/run/haproxy/admin.sock"), &groups);
        assert_eq!(
            example, made,
            "write the second into deploy/haproxy/haproxy.cfg"
        );
    }
}
