//! The load balancer's configuration, from the template in `deploy/haproxy/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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

/// The files by which the load balancer speaks HTTPS to its clients and to the servers.
#[derive(Clone, Debug)]
pub struct Secure {
    /// Its certificate and key in one file (PEM).
    pub certificate: PathBuf,
    /// The certificate that signed the servers'.
    pub ca: PathBuf,
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

/// The name that a server's certificate must have: its host's, or its own where the host is given by address.
fn verified(server: &str, address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    format!(" verifyhost {}", if is_address { server } else { host })
}

/// The configuration: `bind` is where it listens, `socket` its control socket; plain HTTP unless `secure`.
pub fn configuration(
    bind: &str,
    socket: &Path,
    groups: &[Group],
    secure: Option<&Secure>,
) -> String {
    let (bind, cookie, servers_by) = match secure {
        None => (bind.to_owned(), "", String::new()),
        Some(Secure { certificate, ca }) => (
            format!("{bind} ssl crt {} alpn h2,http/1.1", certificate.display()),
            "secure ",
            format!(" ssl verify required ca-file {}", ca.display()),
        ),
    };
    // A connection with its handshake takes longer, and no slow one may count as a dead server.
    let (connect, retries) = if secure.is_some() {
        ("500ms", "6")
    } else {
        ("150ms", "20")
    };
    let verify = |server: &str, address: &str| match secure {
        Some(_) => verified(server, address),
        None => String::new(),
    };
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
            let host = verify(server, address);
            let _ = writeln!(
                newcomers,
                "    server {server} {address} cookie {name}{host}"
            );
            let _ = writeln!(backends, "    server {server} {address}{host}");
        }
    }
    TEMPLATE
        .replace("{{socket}}", &socket.display().to_string())
        .replace("{{bind}}", &bind)
        .replace("{{secure}}", cookie)
        .replace("{{connect}}", connect)
        .replace("{{retries}}", retries)
        .replace("{{tls}}", &servers_by)
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
            None,
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
        assert!(!text.contains("{{") && !text.contains("ssl"), "{text}");
    }

    /// What HAProxy says of it.
    fn checked(text: &str, dir: &Path) {
        let path = dir.join("haproxy.cfg");
        std::fs::write(&path, text).unwrap();
        let check = Command::new("/usr/sbin/haproxy")
            .args(["-c", "-f"])
            .arg(&path)
            .current_dir(dir)
            .output();
        let output = check
            .expect("HAProxy is missing: sudo apt-get install --no-install-recommends haproxy");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("WARNING"), "{said}");
    }

    #[test]
    fn haproxy_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        checked(&local(), dir.path());
    }

    #[test]
    fn haproxy_takes_it_with_tls() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example.org".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let both = dir.path().join("console.pem");
        std::fs::write(&both, format!("{certificate}{}", key.serialize_pem())).unwrap();
        let text = include_str!("../../../../deploy/haproxy/haproxy-tls.cfg")
            .replace("/etc/haproxy/tls/console.pem", &both.display().to_string())
            .replace("/etc/haproxy/tls/ca.pem", &both.display().to_string())
            .replace("/run/haproxy/admin.sock", "unix@admin.sock")
            // Names that no host has are looked up at the start.
            .replace(".example.org:8101", ":8101")
            .replace("server east-1 east-1:", "server east-1 127.0.0.1:")
            .replace("server east-2 east-2:", "server east-2 127.0.0.2:")
            .replace("server west-1 west-1:", "server west-1 127.0.0.3:");
        assert!(text.contains("verifyhost west-1.example.org"), "{text}");
        checked(&text, dir.path());
    }

    #[test]
    fn the_examples_for_operators_are_the_template_filled_in() {
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
        let secure = Secure {
            certificate: "/etc/haproxy/tls/console.pem".into(),
            ca: "/etc/haproxy/tls/ca.pem".into(),
        };
        let socket = Path::new("/run/haproxy/admin.sock");
        let folder = crate::workspace::Workspace::find()
            .unwrap()
            .root
            .join("deploy/haproxy");
        for (file, bind, secure) in [
            ("haproxy.cfg", ":8100", None),
            ("haproxy-tls.cfg", ":443", Some(&secure)),
        ] {
            let made = configuration(bind, socket, &groups, secure);
            let example = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            if example != made {
                let beside = std::env::temp_dir().join(file);
                std::fs::write(&beside, made).unwrap();
                panic!("copy {} to deploy/haproxy/", beside.display());
            }
        }
    }
}
