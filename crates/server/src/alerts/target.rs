//! Whether a webhook's address may be called. The address is typed into a console by an admin of the group, and this server stands in a
//! network with things that trust it: so only public addresses are called, and hosts that the server's own configuration names. What a name
//! resolves to is checked, and exactly that is connected to; redirects are not followed.

use crate::config::AlertsConfig;
use ipnet::IpNet;
use reqwest::Url;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(3);

/// What is not public, or leads to what is not.
const INNER: [&str; 18] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
];

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The host as the address names it.
    pub(super) host: String,
    /// What it resolved to, all of it allowed.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let inner = INNER
        .iter()
        .filter_map(|net| net.parse::<IpNet>().ok())
        .any(|net| net.contains(&address));
    let unicast = match address {
        IpAddr::V4(_) => true,
        // What is given out for the public internet lies in 2000::/3.
        IpAddr::V6(v6) => is_global_unicast(v6),
    };
    unicast && !inner
}

fn is_global_unicast(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xe000 == 0x2000
}

/// Whether the configuration names this host.
fn is_named(config: &AlertsConfig, host: &str, port: u16) -> bool {
    let with_port = format!("{host}:{port}");
    config
        .webhook_hosts
        .iter()
        .any(|named| named.eq_ignore_ascii_case(host) || named.eq_ignore_ascii_case(&with_port))
}

/// Checks what a host resolved to.
fn allowed(
    config: &AlertsConfig,
    host: &str,
    port: u16,
    addresses: &[SocketAddr],
) -> Result<(), String> {
    if addresses.is_empty() {
        return Err(format!("{host} has no address"));
    }
    if is_named(config, host, port) {
        return Ok(());
    }
    match addresses.iter().find(|a| !is_public(a.ip())) {
        None => Ok(()),
        Some(inner) => Err(format!(
            "{host} is at {}, which is not a public address: name the host in webhook_hosts of [alerts] in the configuration of every \
             server of the group, if messages may go there",
            inner.ip()
        )),
    }
}

/// Where an address leads to, if it may be called.
///
/// # Errors
/// Why not, for a person.
pub(super) async fn find(config: &AlertsConfig, address: &str) -> Result<Target, String> {
    let url = Url::parse(address).map_err(|error| format!("the address is not one: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the address must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address must not hold a user or a password".to_owned());
    }
    let named = url.host_str().unwrap_or_default();
    let host = named
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let Some(port) = url.port_or_known_default() else {
        return Err("the address has no port".to_owned());
    };
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host.as_str(), port)))
            .await
            .map_err(|_| format!("{host} does not resolve within {} s", RESOLVE.as_secs()))?
            .map_err(|error| format!("{host} does not resolve: {error}"))?
            .collect(),
    };
    allowed(config, &host, port, &addresses)?;
    Ok(Target {
        url,
        host,
        addresses,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn every_refused_net_is_one() {
        for net in INNER {
            assert!(net.parse::<IpNet>().is_ok(), "{net}");
        }
    }

    #[test]
    fn what_stands_beside_the_server_is_not_public() {
        for inner in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "2001:0:1::",
        ] {
            assert!(!public(inner), "{inner}");
        }
        for outer in ["93.184.215.14", "8.8.8.8", "2606:4700::1111"] {
            assert!(public(outer), "{outer}");
        }
    }

    #[tokio::test]
    async fn an_address_is_called_only_where_it_may_be() {
        let nobody = AlertsConfig::default();
        for refused in [
            "http://127.0.0.1:9/x",
            "http://[::1]/",
            "http://localhost/",
            "http://169.254.169.254/latest/meta-data",
            // The same address, written otherwise: the parser makes one of all of them.
            "http://2130706433/",
            "http://0x7f.1/",
            "http://u:p@example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
        ] {
            assert!(find(&nobody, refused).await.is_err(), "{refused}");
        }
        let named = AlertsConfig {
            webhook_hosts: vec!["127.0.0.1:9".to_owned(), "LocalHost".to_owned()],
            ca: None,
        };
        let found = find(&named, "http://127.0.0.1:9/x").await.unwrap();
        assert_eq!(found.addresses, ["127.0.0.1:9".parse().unwrap()]);
        assert!(find(&named, "http://127.0.0.1:10/x").await.is_err());
        assert!(find(&named, "http://localhost:10/x").await.is_ok());
        assert!(find(&nobody, "https://93.184.215.14/x").await.is_ok());
    }

    #[test]
    fn one_inner_address_among_public_ones_is_enough_to_refuse() {
        let both = [
            "93.184.215.14:80".parse().unwrap(),
            "10.0.0.1:80".parse().unwrap(),
        ];
        let config = AlertsConfig::default();
        let why = allowed(&config, "twofold.example", 80, &both).unwrap_err();
        assert!(
            why.contains("10.0.0.1") && why.contains("webhook_hosts"),
            "{why}"
        );
        assert!(allowed(&config, "outer.example", 80, &both[..1]).is_ok());
        assert!(allowed(&config, "nowhere.example", 80, &[]).is_err());
    }
}
