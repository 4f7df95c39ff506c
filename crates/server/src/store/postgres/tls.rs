//! TLS to the database, by rustls: the server must show a certificate that a given root signed, for the name by which it is
//! called (libpq's `verify-full`). Less than that, or none at all, are the only choices: encryption without a check of who
//! answers would protect from nobody who sits in between.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

/// How connections to a target are protected; `None`: not at all.
#[derive(Clone, Default)]
pub(super) struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// Trusts the certificates in this PEM file, and no others.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn trusting(file: &Path) -> Result<Self, String> {
        let named = |why: &dyn core::fmt::Display| format!("sslrootcert {}: {why}", file.display());
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_file_iter(file).map_err(|error| named(&error))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| named(&error))?;
            roots.add(certificate).map_err(|error| named(&error))?;
        }
        if roots.is_empty() {
            return Err(named(&"it holds no certificate (PEM)"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| named(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Some(Arc::new(config))))
    }

    /// Whether connections are protected.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        // The driver asks for it whether or not there will be TLS.
        Ok(Handshake {
            config: self.0.clone(),
            host: host.to_owned(),
        })
    }
}

/// One handshake.
pub(super) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self
                .config
                .ok_or_else(|| io::Error::other("TLS is not set up"))?;
            let host = self.host;
            let name = ServerName::try_from(host.clone()).map_err(|_| {
                io::Error::other(format!("{host} is no name that a certificate can be for"))
            })?;
            let connector = tokio_rustls::TlsConnector::from(config);
            connector.connect(name, socket).await.map(Stream)
        })
    }
}

/// A protected connection.
pub(super) struct Stream(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate is verified, so nobody sits in between to be found by it.
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What an address says of TLS, and the address without it: the driver knows neither `verify-full` nor `sslrootcert`.
///
/// # Errors
/// What is wrong with it and what would be accepted.
pub(super) fn split(url: &str) -> Result<(String, Tls), String> {
    let mut mode = None;
    let mut root = None;
    let mut keep = |pair: &&str| match pair.split_once('=') {
        Some(("sslmode", value)) => {
            mode = Some(value.to_owned());
            false
        }
        Some(("sslrootcert", value)) => {
            root = Some(value.to_owned());
            false
        }
        _ => true,
    };
    let rest = if url.contains("://") {
        match url.split_once('?') {
            None => url.to_owned(),
            Some((base, query)) => {
                let kept: Vec<_> = query.split('&').filter(|pair| keep(pair)).collect();
                if kept.is_empty() {
                    base.to_owned()
                } else {
                    format!("{base}?{}", kept.join("&"))
                }
            }
        }
    } else {
        let kept: Vec<_> = url.split_whitespace().filter(|pair| keep(pair)).collect();
        kept.join(" ")
    };
    let tls = match (mode.as_deref(), root) {
        (None | Some("disable"), None) => Tls::default(),
        (Some("verify-full"), Some(file)) => Tls::trusting(Path::new(&file.replace("%2F", "/")))?,
        (Some("verify-full"), None) => {
            return Err(
                "sslmode=verify-full needs sslrootcert=FILE, the certificate (PEM) that signed the server's"
                    .to_owned(),
            );
        }
        (None | Some("disable"), Some(_)) => {
            return Err("sslrootcert is given without TLS; add sslmode=verify-full".to_owned());
        }
        (Some(other), _) => {
            return Err(format!(
                "sslmode={other} does not check who answers; give sslmode=verify-full and sslrootcert=FILE for TLS, or \
                 sslmode=disable for none"
            ));
        }
    };
    Ok((rest, tls))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(url: &str) -> String {
        split(url).err().unwrap()
    }

    #[test]
    fn what_the_driver_does_not_know_is_taken_out() {
        let plain = |url| {
            let (rest, tls) = split(url).unwrap();
            assert!(!tls.is_on());
            rest
        };
        assert_eq!(plain("postgresql://g@a/d"), "postgresql://g@a/d");
        assert_eq!(
            plain("postgresql://g@a/d?sslmode=disable"),
            "postgresql://g@a/d"
        );
        assert_eq!(
            plain("postgresql://g@a/d?options=x&sslmode=disable"),
            "postgresql://g@a/d?options=x"
        );
        assert_eq!(plain("host=a user=g sslmode=disable"), "host=a user=g");
    }

    #[test]
    fn half_a_protection_is_refused_with_the_whole_one_named() {
        for mode in ["require", "prefer", "allow", "verify-ca"] {
            let why = refused(&format!("postgresql://g@a/d?sslmode={mode}"));
            assert!(why.contains(mode) && why.contains("verify-full"), "{why}");
        }
        assert!(refused("postgresql://g@a/d?sslmode=verify-full").contains("sslrootcert"));
        assert!(refused("postgresql://g@a/d?sslrootcert=/x").contains("verify-full"));
        let missing = refused("postgresql://g@a/d?sslmode=verify-full&sslrootcert=/nowhere.pem");
        assert!(missing.contains("/nowhere.pem"), "{missing}");
    }
}
