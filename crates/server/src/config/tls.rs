//! `[tls]`: the certificate that this server shows, and which ones it trusts.

use super::ConfigError;
use serde::Deserialize;
use std::path::PathBuf;

/// `[tls]`. With `certificate` and `key` the server speaks HTTPS and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate (PEM), with those between it and the root behind it.
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM: PKCS#8, SEC1 or PKCS#1); not for everybody on the host to read.
    pub key: Option<PathBuf>,
    /// The certificates (PEM) that signed those of the group's other servers: nothing else is trusted.
    pub ca: Option<PathBuf>,
    /// What a plain HTTP request to this port gets.
    pub plain_http: PlainHttp,
}

/// What a plain HTTP request to a port of HTTPS gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainHttp {
    /// A refusal that says why.
    #[default]
    Refuse,
    /// GET and HEAD without a token are sent on to the public URL; everything else is refused.
    Redirect,
}

impl TlsConfig {
    /// Whether the server speaks HTTPS itself.
    pub fn is_on(&self) -> bool {
        self.certificate.is_some()
    }

    /// Lays the environment over it: `GRIDHELM_TLS_CERTIFICATE`, `GRIDHELM_TLS_KEY`, `GRIDHELM_TLS_CA`,
    /// `GRIDHELM_TLS_PLAIN_HTTP`.
    pub(super) fn overlay(
        &mut self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        for (name, field) in [
            ("GRIDHELM_TLS_CERTIFICATE", &mut self.certificate),
            ("GRIDHELM_TLS_KEY", &mut self.key),
            ("GRIDHELM_TLS_CA", &mut self.ca),
        ] {
            if let Some(file) = env(name) {
                *field = Some(file.into());
            }
        }
        match env("GRIDHELM_TLS_PLAIN_HTTP").as_deref() {
            None => {}
            Some("refuse") => self.plain_http = PlainHttp::Refuse,
            Some("redirect") => self.plain_http = PlainHttp::Redirect,
            Some(other) => {
                return Err(unusable(
                    "tls.plain_http (GRIDHELM_TLS_PLAIN_HTTP)",
                    format!("\"{other}\" is neither refuse nor redirect"),
                ));
            }
        }
        Ok(())
    }

    /// Checks what can be checked without reading the files.
    pub(super) fn check(&self, public_url: &str) -> Result<(), ConfigError> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => Err(unusable(
                "tls.key",
                "it is missing; a certificate needs its private key".to_owned(),
            )),
            (None, Some(_)) => Err(unusable(
                "tls.certificate",
                "it is missing; a key needs its certificate".to_owned(),
            )),
            (Some(_), Some(_)) if !public_url.starts_with("https://") => Err(unusable(
                "public_url",
                format!("\"{public_url}\" must begin with https://, as [tls] has a certificate"),
            )),
            _ => Ok(()),
        }
    }
}

fn unusable(key: &str, why: String) -> ConfigError {
    ConfigError::Unusable {
        key: key.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> TlsConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_certificate_has_a_key_and_an_https_address() {
        let both = read("certificate = 'c'\nkey = 'k'");
        both.check("https://h:1").unwrap();
        let said = both.check("http://h:1").unwrap_err().to_string();
        assert!(said.contains("https://"), "{said}");
        for (half, named) in [
            ("certificate = 'c'", "tls.key"),
            ("key = 'k'", "tls.certificate"),
        ] {
            let said = read(half).check("https://h:1").unwrap_err().to_string();
            assert!(said.contains(named), "{said}");
        }
        // A proxy in front may have the certificate; others are called by it all the same.
        read("ca = 'a'").check("https://h:1").unwrap();
        read("").check("http://h:1").unwrap();
        toml::from_str::<TlsConfig>("cert = 'c'").unwrap_err();
    }

    #[test]
    fn the_environment_lies_over_it() {
        let mut tls = read("certificate = 'c'\nkey = 'k'");
        let env = |name: &str| match name {
            "GRIDHELM_TLS_KEY" => Some("other".to_owned()),
            "GRIDHELM_TLS_PLAIN_HTTP" => Some("redirect".to_owned()),
            _ => None,
        };
        tls.overlay(&env).unwrap();
        assert_eq!(tls.key.as_deref(), Some(std::path::Path::new("other")));
        assert_eq!(tls.plain_http, PlainHttp::Redirect);
        let wrong = |name: &str| (name == "GRIDHELM_TLS_PLAIN_HTTP").then(|| "yes".to_owned());
        assert!(tls.overlay(&wrong).is_err());
    }
}
