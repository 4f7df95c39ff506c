//! A bundle for whoever helps: what a server is, knows and wrote lately, without anything secret. A tar, packed by zstd.
//!
//! Secrets are kept out twice: nothing that holds one is put in, and every file is searched for those that are known and for
//! what looks like one.

use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::store::{EventFilter, Store};
use std::io;

/// The most bytes of a file.
const MOST: usize = 8 << 20;
/// Events and switches that go in.
const EVENTS: u32 = 1_000;
/// What stands for a secret.
const HIDDEN: &str = "[removed]";
/// Shorter ones would be found in every second word.
const SHORTEST: usize = 4;

/// A bundle in the making.
#[derive(Debug, Default)]
pub struct Bundle {
    files: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Bundle {
    /// From now on this must not appear in it.
    pub fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.secrets.push(secret.to_owned());
        }
    }

    /// Adds a file.
    pub fn text(&mut self, name: &str, text: impl Into<String>) {
        self.files.push((name.to_owned(), text.into()));
    }

    /// Adds what serialises, or why it cannot be had.
    pub fn json<T: serde::Serialize, E: core::fmt::Display>(
        &mut self,
        name: &str,
        value: Result<T, E>,
    ) {
        let text = match value {
            Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
            Err(error) => serde_json::json!({ "not_available": error.to_string() }).to_string(),
        };
        self.text(name, text);
    }

    /// The bundle's bytes.
    ///
    /// # Errors
    /// When it cannot be packed.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        // A longer one may contain a shorter one.
        self.secrets
            .sort_by_key(|secret| core::cmp::Reverse(secret.len()));
        self.secrets.dedup();
        let mut tar = tar::Builder::new(Vec::new());
        let at = u64::try_from(clock::now() / 1000).unwrap_or_default();
        for (name, text) in &self.files {
            let text = redact(text, &self.secrets);
            let bytes = &text.as_bytes()[text.len().saturating_sub(MOST)..];
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(at);
            tar.append_data(&mut header, format!("gridhelm-support/{name}"), bytes)?;
        }
        zstd::bulk::compress(&tar.into_inner()?, 3)
    }
}

/// A text without these secrets, without tokens, and without passwords in addresses.
fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        // As it is, and as JSON writes it.
        let written = serde_json::to_string(secret).unwrap_or_default();
        for form in [secret.as_str(), written.trim_matches('"')] {
            if form.len() >= SHORTEST && text.contains(form) {
                text = text.replace(form, HIDDEN);
            }
        }
    }
    let text = hide_after(&text, "ghj_", |c| c.is_ascii_alphanumeric());
    let token = |c: char| c.is_ascii_alphanumeric() || "-_.+/=".contains(c);
    let text = hide_after(&text, "Bearer ", token);
    hide_in_addresses(&hide_after(&text, "/download/", token))
}

/// Hides what follows a mark.
fn hide_after(text: &str, mark: &str, belongs: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let (before, after) = rest.split_at(at + mark.len());
        out.push_str(before);
        let end = after.find(|c| !belongs(c)).unwrap_or(after.len());
        if end >= SHORTEST {
            out.push_str(HIDDEN);
        } else {
            out.push_str(&after[..end]);
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// `scheme://user:password@host` loses the password.
fn hide_in_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || "/\"'<>".contains(c))
            .unwrap_or(after.len());
        let (authority, more) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => {
                let name = user.split(':').next().unwrap_or_default();
                out.push_str(&format!("{name}:{HIDDEN}@{host}"));
            }
            _ => out.push_str(authority),
        }
        rest = more;
    }
    out.push_str(rest);
    out
}

/// A configuration as written, without what is secret in it.
fn configuration(config: &Config) -> String {
    let Some(path) = &config.source else {
        return "not read from a file".to_owned();
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return format!("{}: {error}", path.display()),
    };
    let mut table: toml::Table = match toml::from_str(&text) {
        Ok(table) => table,
        Err(error) => return format!("{}: {error}", path.display()),
    };
    hide_keys(&mut table);
    toml::to_string(&table).unwrap_or_default()
}

fn hide_keys(table: &mut toml::Table) {
    for (key, value) in table {
        let key = key.to_ascii_lowercase();
        let secret = ["password", "secret", "token"]
            .iter()
            .any(|word| key.contains(word));
        match value {
            toml::Value::Table(inner) => hide_keys(inner),
            toml::Value::Array(all) => all.iter_mut().for_each(|value| {
                if let toml::Value::Table(inner) = value {
                    hide_keys(inner);
                }
            }),
            // The name of a file says where a secret is, not what.
            value if secret && !key.ends_with("_file") => {
                *value = toml::Value::String(HIDDEN.to_owned());
            }
            _ => {}
        }
    }
}

/// What the database and the configuration tell, whether a server runs or not.
async fn of_database(bundle: &mut Bundle, config: &Config, store: &dyn Store) {
    if let Ok(Some(password)) = config.database.password_text() {
        bundle.hide(&password);
    }
    if let Ok(nodes) = store.nodes().await {
        for password in nodes.iter().filter_map(|node| node.password.as_deref()) {
            bundle.hide(password);
        }
    }
    if let Ok(key) = store.token_key().await {
        bundle.hide(&gridhelm_replicate::hex(&key));
    }
    let variables = [
        "GRIDHELM_BOOTSTRAP_PASSWORD",
        "GRIDHELM_DATABASE_PASSWORD",
        "GRIDHELM_JOIN_TOKEN",
    ];
    for secret in variables.iter().filter_map(|name| std::env::var(name).ok()) {
        bundle.hide(&secret);
    }
    bundle.text("configuration.toml", configuration(config));
    bundle.json(
        "versions.json",
        Ok::<_, &str>(serde_json::json!({
            "gridhelm_server": crate::release::version(),
            "name": config.name,
            "group": config.group,
            "system": std::fs::read_to_string("/proc/version").unwrap_or_default().trim(),
            "made_at": clock::now(),
        })),
    );
    bundle.json("group.json", store.group().await);
    let filter = EventFilter {
        limit: EVENTS,
        ..EventFilter::default()
    };
    bundle.json(
        "events.json",
        store.events(&filter).await.map(|page| page.items),
    );
    bundle.json("switches.json", store.switches(200).await);
    bundle.json(
        "database.json",
        Ok::<_, &str>(store.look_at_database().await),
    );
    bundle.json(
        "sizes.json",
        store.sizes(&crate::store::Limits::default()).await,
    );
    let sessions = store.sessions().await.map(|rows| {
        let row = |s: &crate::store::SessionRow| {
            serde_json::json!({ "node": s.node, "pid": s.pid, "server": s.server, "epoch": s.epoch, "opened_at": s.opened_at })
        };
        rows.iter().map(row).collect::<Vec<_>>()
    });
    bundle.json("sessions.json", sessions);
}

/// The bundle of a server that does not run.
///
/// # Errors
/// When it cannot be packed.
pub async fn at_rest(config: &Config, store: &dyn Store) -> io::Result<Vec<u8>> {
    let mut bundle = Bundle::default();
    of_database(&mut bundle, config, store).await;
    let nodes = store.nodes().await.map(|nodes| {
        nodes
            .iter()
            .map(crate::store::StoredNode::shown)
            .collect::<Vec<_>>()
    });
    bundle.json("nodes.json", nodes);
    bundle.text(
        "log.txt",
        "The server does not answer, so its log is not here: see journalctl, or where its standard error goes.\n",
    );
    bundle.finish()
}

/// The bundle of a server that runs.
///
/// # Errors
/// When it cannot be packed.
pub async fn running(app: &App, metrics: String) -> io::Result<Vec<u8>> {
    let mut bundle = Bundle::default();
    of_database(&mut bundle, &app.config, &*app.store).await;
    bundle.json(
        "server.json",
        Ok::<_, &str>(app.standing.borrow().status.clone()),
    );
    bundle.json(
        "checks.json",
        app.keeper.group().await.map(|group| group.database_checks),
    );
    bundle.json("nodes.json", app.grid.nodes().await);
    bundle.json("tasks.json", Ok::<_, &str>(app.tasks.stats()));
    bundle.json("disk.json", Ok::<_, &str>(app.disks.seen()));
    bundle.json("backups.json", app.backups.shown().await);
    bundle.text("metrics.txt", metrics);
    bundle.text("log.txt", crate::log_ring::lines());
    bundle.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_are() {
        let mut bundle = Bundle::default();
        bundle.hide("hush-\"hush\"");
        bundle.hide("hush-\"hush\"-and-more");
        bundle.hide("abc");
        bundle.text(
            "a.txt",
            "user said hush-\"hush\" and hush-\"hush\"-and-more; abc stays",
        );
        bundle.json("b.json", Ok::<_, &str>(["it is hush-\"hush\""]));
        bundle.text("c.txt", "Authorization: Bearer v1.abcdef.ghijk\nghj_0123456789abcdef joined by /download/0123456789abcdef");
        bundle.text(
            "d.txt",
            "url = 'postgresql://ada:pw@ssw0rd@db1/east' and http://h:80/x",
        );
        let packed = bundle.finish().unwrap();
        let bytes = zstd::bulk::decompress(&packed, 1 << 20).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["hush", "and-more", "abcdef", "0123456789", "ssw0rd"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        for kept in [
            "abc stays",
            "ada:[removed]@db1",
            "http://h:80/x",
            "gridhelm-support/a.txt",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn a_configuration_loses_its_secrets_and_keeps_the_rest() {
        let mut table: toml::Table = toml::from_str(
            "name = 'east-1'\n[database]\npassword = 'x1'\npassword_file = '/etc/pw'\n[[more]]\napi_token = 'x2'",
        )
        .unwrap();
        hide_keys(&mut table);
        let text = toml::to_string(&table).unwrap();
        assert!(!text.contains("x1") && !text.contains("x2"), "{text}");
        assert!(
            text.contains("/etc/pw") && text.contains("east-1"),
            "{text}"
        );
    }
}
