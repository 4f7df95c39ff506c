//! Which servers there are: `deployment.json` beside the page, or the one server that serves it.

use gridhelm_api::deployment::{Deployment, GroupEntry, ServerEntry};
use gridhelm_client::{Client, Error};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;

/// The most groups of a deployment.
const GROUPS: usize = 64;
/// The most servers of a group.
const SERVERS: usize = 16;

/// Reads the deployment. `base` is the folder that the page lies in, without a slash at its end; `origin` is the page's own.
pub(super) async fn load(base: &str, origin: &str) -> Result<Deployment, String> {
    let found = match early().await {
        Some(deployment) => Ok(deployment),
        None => Client::new(base).deployment().await,
    };
    let (deployment, file) = match found {
        Ok(deployment) => (deployment, true),
        // A server without a deployment file describes itself.
        Err(absent) => match Client::new(origin).server().await {
            Ok(status) => {
                let server = ServerEntry {
                    name: status.name.clone(),
                    url: origin.to_owned(),
                };
                let group = GroupEntry {
                    name: status.group.clone(),
                    servers: vec![server],
                };
                (
                    Deployment {
                        name: status.name,
                        label: String::new(),
                        load_balancer: None,
                        groups: vec![group],
                    },
                    false,
                )
            }
            Err(_) => return Err(missing(base, &absent)),
        },
    };
    match check(&deployment) {
        Err(fault) if file => Err(format!("{base}/deployment.json: {fault}")),
        Err(fault) => Err(fault),
        Ok(()) => Ok(deployment),
    }
}

/// What `boot.js` asked for while the program was on its way: a round trip less. Nothing of it is kept when it is not good: the
/// console then asks itself, and tells what is wrong.
async fn early() -> Option<Deployment> {
    let window = web_sys::window()?;
    let promise = js_sys::Reflect::get(&window, &"gridhelmDeployment".into()).ok()?;
    let promise: js_sys::Promise = promise.dyn_into().ok()?;
    let text = JsFuture::from(promise).await.ok()?.as_string()?;
    gridhelm_client::read(&text).ok()
}

fn missing(base: &str, error: &Error) -> String {
    format!(
        "Neither {base}/deployment.json nor a Gridhelm server was found here ({error}). Put a deployment.json beside the console: it names the groups and their servers."
    )
}

/// What a deployment must be, for people who write the file by hand.
fn check(deployment: &Deployment) -> Result<(), String> {
    if deployment.groups.is_empty() || deployment.groups.len() > GROUPS {
        return Err(format!("it must name 1 to {GROUPS} groups."));
    }
    let mut groups = Vec::new();
    let mut names = Vec::new();
    for group in &deployment.groups {
        if gridhelm_api::names::check_name("name", &group.name).is_err()
            || groups.contains(&&group.name)
        {
            return Err(format!(
                "the group name {:?} is taken twice, or is not made of letters, digits, dots, dashes and underscores.",
                group.name
            ));
        }
        groups.push(&group.name);
        if group.servers.is_empty() || group.servers.len() > SERVERS {
            return Err(format!(
                "group {} must name 1 to {SERVERS} servers.",
                group.name
            ));
        }
        for server in &group.servers {
            if gridhelm_api::names::check_name("name", &server.name).is_err()
                || names.contains(&&server.name)
            {
                return Err(format!(
                    "the server name {:?} is taken twice, or is not made of letters, digits, dots, dashes and underscores.",
                    server.name
                ));
            }
            names.push(&server.name);
            if !is_origin(&server.url) {
                return Err(format!(
                    "the address of {}, {:?}, must be http://host:port or https://host:port, without a path.",
                    server.name, server.url
                ));
            }
        }
    }
    Ok(())
}

/// Whether a text is `http(s)://host[:port]`: nothing else may go into the page's policy, or get a token.
fn is_origin(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest.len() <= 260
            && rest.bytes().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
            })
    })
}

/// The policy that narrows requests to these servers: added to the page's own, which it can only tighten.
pub(super) fn policy(deployment: &Deployment) -> String {
    let mut policy = "connect-src 'self'".to_owned();
    for server in deployment.groups.iter().flat_map(|group| &group.servers) {
        policy.push(' ');
        policy.push_str(&server.url);
    }
    policy
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn deployment(groups: &[(&str, &[(&str, &str)])]) -> Deployment {
        let servers = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(name, url)| ServerEntry {
                    name: (*name).to_owned(),
                    url: (*url).to_owned(),
                })
                .collect()
        };
        let groups = groups
            .iter()
            .map(|(name, list)| GroupEntry {
                name: (*name).to_owned(),
                servers: servers(list),
            })
            .collect();
        Deployment {
            name: "d".to_owned(),
            label: String::new(),
            load_balancer: None,
            groups,
        }
    }

    #[test]
    fn a_good_file_passes_and_makes_its_policy() {
        let good = deployment(&[(
            "east",
            &[
                ("east-1", "http://127.0.0.1:8101"),
                ("east-2", "https://[::1]:8102"),
            ],
        )]);
        assert_eq!(check(&good), Ok(()));
        assert_eq!(
            policy(&good),
            "connect-src 'self' http://127.0.0.1:8101 https://[::1]:8102"
        );
    }

    #[test]
    fn faults_are_named() {
        let url = "http://a:1";
        let cases: [(&str, Deployment); 6] = [
            ("1 to 64 groups", deployment(&[])),
            ("1 to 16 servers", deployment(&[("east", &[])])),
            (
                "twice",
                deployment(&[("east", &[("a", url)]), ("east", &[("b", url)])]),
            ),
            (
                "twice",
                deployment(&[("east", &[("a", url)]), ("west", &[("a", url)])]),
            ),
            (
                "without a path",
                deployment(&[("east", &[("a", "http://a:1/x")])]),
            ),
            (
                "without a path",
                deployment(&[("east", &[("a", "http://a; script-src *")])]),
            ),
        ];
        for (fault, deployment) in cases {
            let told = check(&deployment).unwrap_err();
            assert!(told.contains(fault), "{told}");
        }
    }
}
