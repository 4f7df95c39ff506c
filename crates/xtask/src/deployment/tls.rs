//! Certificates for a local deployment, made anew at each start: a root of its own, and one certificate for each server and
//! for the load balancer. The root's key is thrown away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData as _,
};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use ureq::tls::{Certificate, RootCerts};

use super::folder::{Folder, private_folder, write_with_mode};
use super::haproxy;
use super::plan::{HOST, Plan};
use crate::error::Error;

/// How long the certificates are good.
const DAYS: i64 = 90;
/// The folder in a deployment's.
const FOLDER: &str = "tls";

/// A deployment's certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    folder: PathBuf,
    roots: RootCerts,
}

impl Tls {
    /// Makes them all.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn make(folder: &Folder, plan: &Plan) -> Result<Self, Error> {
        let home = folder.path(FOLDER);
        private_folder(&home)?;
        let root = root().map_err(failed)?;
        let tls = Self {
            roots: RootCerts::Specific(Arc::new(vec![
                Certificate::from_pem(root.pem().as_bytes())
                    .map_err(|error| Error::Usage(format!("no certificates: {error}")))?,
            ])),
            folder: home,
        };
        write_with_mode(&tls.ca(), &root.pem(), 0o644)?;
        let pin = base64::engine::general_purpose::STANDARD
            .encode(Sha256::digest(root.key().subject_public_key_info()));
        write_with_mode(&tls.pin(), &pin, 0o644)?;
        let hosts = plan
            .servers
            .iter()
            .map(|server| (server.name, &*server.host));
        for (name, host) in hosts.chain([(haproxy::NAME, plan.balancer_host())]) {
            let (certificate, key) = issue(&root, name, host).map_err(failed)?;
            // The root goes along: a browser finds its pin in what it is shown, and nowhere else.
            let chain = format!("{certificate}{}", root.pem());
            write_with_mode(&tls.certificate(name), &chain, 0o644)?;
            write_with_mode(&tls.key(name), &key, 0o600)?;
        }
        // HAProxy wants both in one file.
        let read =
            |path: PathBuf| std::fs::read_to_string(&path).map_err(Error::file("read", &path));
        let both = format!(
            "{}{}",
            read(tls.certificate(haproxy::NAME))?,
            read(tls.key(haproxy::NAME))?
        );
        write_with_mode(&tls.balancer(), &both, 0o600)?;
        Ok(tls)
    }

    /// The root's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The hash of the root's public key, as Chromium's `--ignore-certificate-errors-spki-list` takes it.
    pub fn pin(&self) -> PathBuf {
        self.folder.join("ca.spki-sha256")
    }

    /// The certificate of that server.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// Its key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// The load balancer's certificate and key in one file.
    pub fn balancer(&self) -> PathBuf {
        self.folder.join("balancer.pem")
    }

    /// The root, for our own calls.
    pub fn roots(&self) -> RootCerts {
        self.roots.clone()
    }

    /// `[tls]` of that server.
    pub fn configuration(&self, name: &str) -> String {
        let path = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
        format!(
            "[tls]\ncertificate = {}\nkey = {}\nca = {}\n",
            path(&self.certificate(name)),
            path(&self.key(name)),
            path(&self.ca())
        )
    }
}

fn failed(error: rcgen::Error) -> Error {
    Error::Usage(format!("no certificates can be made: {error}"))
}

fn root() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Gridhelm local deployment");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = validity();
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn validity() -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (
        now - Duration::days(1),
        now + Duration::days(DAYS) + Duration::hours(1),
    )
}

/// A certificate for that name and address, and its key.
fn issue(
    root: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    host: &str,
) -> Result<(String, String), rcgen::Error> {
    let mut names = vec![name.to_owned(), "localhost".to_owned(), HOST.to_owned()];
    if host != HOST {
        names.push(host.to_owned());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = validity();
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, root)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
