//! The Content-Security-Policy of the console's page.

use axum::http::HeaderValue;
use gridhelm_api::deployment::Deployment;
use std::collections::BTreeSet;

/// What the console's page may do: its own files, and the deployment's servers.
pub(crate) fn policy(deployment: Option<&Deployment>) -> HeaderValue {
    let servers: BTreeSet<&str> = deployment
        .iter()
        .flat_map(|d| d.groups.iter().flat_map(|g| &g.servers))
        .map(|s| s.url.as_str())
        .chain(deployment.and_then(|d| d.load_balancer.as_deref()))
        .filter(|url| is_origin(url))
        .collect();
    let servers: Vec<&str> = servers.into_iter().collect();
    let text = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
         connect-src 'self' {}; img-src 'self' blob: data:; font-src 'self'; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        servers.join(" ")
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// `http(s)://host[:port]` and nothing that could end a directive.
fn is_origin(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_policy_lets_the_page_reach_its_servers_and_nobody_else() {
        let deployment: Deployment = serde_json::from_str(
            r#"{"name":"d","load_balancer":"http://lb:8080","groups":[{"name":"east","servers":[
                {"name":"east-1","url":"http://127.0.0.1:8401"},
                {"name":"evil","url":"http://x; script-src *"}]}]}"#,
        )
        .unwrap();
        let policy = policy(Some(&deployment));
        let text = policy.to_str().unwrap();
        assert!(
            text.contains("connect-src 'self' http://127.0.0.1:8401 http://lb:8080;"),
            "{text}"
        );
        assert!(!text.contains("script-src *") && text.contains("default-src 'none'"));
        assert!(text.contains("script-src 'self' 'wasm-unsafe-eval';"));
    }
}
