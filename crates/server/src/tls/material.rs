//! Certificates and keys as they come from files: read within bounds, taken apart, judged.

use gridhelm_api::Millis;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// The largest file that is read, bytes. A bundle of all public roots has about 250 kB.
const MAX_FILE: u64 = 2 << 20;

/// The bytes of a certificate's and a key's file.
pub(super) struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate that can be shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) key: Arc<CertifiedKey>,
    /// From when it is good.
    pub(super) not_before: Millis,
    /// Until when it is good.
    pub(super) not_after: Millis,
    /// That day, for people: `2027-01-31`.
    pub(super) until: String,
    /// The names and addresses that it is for.
    pub(super) names: Vec<String>,
}

impl Pair {
    /// Reads both files.
    ///
    /// # Errors
    /// Names the file and says what is wrong with it.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let mode = std::fs::metadata(key).map_err(|error| named(key, &error))?;
        if mode.permissions().mode() & 0o007 != 0 {
            return Err(named(
                key,
                &"everybody on this host can read this key; chmod 640 it",
            ));
        }
        Ok(Self {
            certificate: read(certificate)?,
            key: read(key)?,
        })
    }

    /// A hash of both: equal files are the same pair.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(
            u64::try_from(self.certificate.len())
                .unwrap_or_default()
                .to_be_bytes(),
        );
        hash.update(&self.certificate);
        hash.update(&self.key);
        hash.finalize().into()
    }

    /// Takes the pair apart; the key must be the certificate's.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn open(&self) -> Result<Shown, String> {
        let chain =
            certificates(&self.certificate).map_err(|why| format!("the certificate: {why}"))?;
        let first = chain
            .first()
            .ok_or("the certificate: it holds no certificate (PEM)")?;
        let (_, facts) = X509Certificate::from_der(first)
            .map_err(|error| format!("the certificate: it is not X.509: {error}"))?;
        let names = names(&facts);
        let validity = facts.validity();
        let (from, until) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        let day = validity.not_after.to_datetime().date().to_string();
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| format!("the key: it holds no private key (PEM): {error}"))?;
        let provider = rustls::crypto::ring::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| format!("the key does not go with the certificate: {error}"))?;
        Ok(Shown {
            key: Arc::new(key),
            not_before: from.saturating_mul(1000),
            not_after: until.saturating_mul(1000),
            until: day,
            names,
        })
    }
}

/// The certificates in a PEM file's bytes.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// A file's bytes, at most 2 MiB.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(file)
        .map_err(|error| named(file, &error))?
        .len();
    if size > MAX_FILE {
        return Err(named(
            file,
            &format!("it has {size} bytes, more than 2 MiB"),
        ));
    }
    std::fs::read(file).map_err(|error| named(file, &error))
}

fn named(file: &Path, why: &dyn core::fmt::Display) -> String {
    format!("{}: {why}", file.display())
}

/// The names and addresses that a certificate is for.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let all = alternative
        .iter()
        .flat_map(|names| &names.value.general_names);
    all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|b| std::net::Ipv4Addr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|b| std::net::Ipv6Addr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    })
    .collect()
}
