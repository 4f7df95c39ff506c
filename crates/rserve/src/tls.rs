//! TLS to a node, by rustls: the node must show a certificate that a given authority signed, for the
//! name or address by which it is called. Less than that is no choice: encryption without a check of
//! who answers would protect from nobody who sits in between.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Error;
use crate::error::bounded;

/// The largest PEM file that is read, bytes.
const MAX_FILE: u64 = 1 << 20;

/// Why TLS to nodes cannot be set up: which file, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct TlsError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What this side shows to nodes that demand a certificate.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The certificate, perhaps followed by those that lead to its authority (PEM).
    pub certificate: &'a Path,
    /// Its private key (PEM).
    pub key: &'a Path,
}

/// How connections to nodes are protected. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts the certificates in the PEM file `ca`, and no others; shows `identity` to nodes that
    /// demand one.
    pub fn new(ca: &Path, identity: Option<Identity<'_>>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|e| wrong(ca, &e))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(ca, &e))?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|_| wrong(key, &"it holds no private key (PEM)"))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|e| wrong(certificate, &e))?
            }
        };
        // Rserve names no context for sessions that are taken up again, so OpenSSL ends the connection
        // of a client that shows a certificate and comes back with a ticket.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The handshake on an open TCP connection to `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        endpoint: &str,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls {
            endpoint: endpoint.to_owned(),
            reason: "its name cannot stand in a certificate".to_owned(),
        })?;
        TlsConnector::from(self.config.clone())
            .connect(name, stream)
            .await
            .map_err(|error| failed(endpoint, &error))
    }
}

/// What to tell of a failure of TLS.
pub(crate) fn failed(endpoint: &str, error: &std::io::Error) -> Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let reason = match inner {
        Some(rustls::Error::InvalidMessage(_)) => {
            "it does not speak TLS on this port; check the port, or leave TLS out for this node"
                .to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => format!(
            "it refuses with the alert {alert:?}; check that it trusts this side's certificate"
        ),
        _ if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it closed the connection without a word; it may demand a certificate that this side does not show"
                .to_owned()
        }
        _ => bounded(&error.to_string(), 300).to_owned(),
    };
    Error::Tls {
        endpoint: endpoint.to_owned(),
        reason,
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong(file, &"it holds no certificate (PEM)")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(file, &error)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let size = std::fs::metadata(file).map_err(|e| wrong(file, &e))?.len();
    if size > MAX_FILE {
        return Err(wrong(
            file,
            &format_args!("it has {size} bytes, more than 1 MiB"),
        ));
    }
    std::fs::read(file).map_err(|e| wrong(file, &e))
}

fn wrong(file: &Path, why: &dyn fmt::Display) -> TlsError {
    TlsError {
        file: file.to_owned(),
        why: why.to_string(),
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The same set-up, not one with the same content.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for Tls {}
