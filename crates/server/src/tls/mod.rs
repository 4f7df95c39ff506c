//! TLS: what this server shows to who connects, and whom it believes when it calls. Certificates, keys and roots are
//! followed while the server runs: what replaces them is taken over, what cannot be used is told and left.

mod expiry;
mod follow;
mod material;
#[cfg(test)]
pub(crate) mod tests;
mod trust;
mod watch;

pub(crate) use expiry::{check, distrust, untrusted};
pub(crate) use follow::follow;

use crate::clock;
use crate::config::TlsConfig;
use gridhelm_api::group::Certificate;
use material::{Pair, Shown, read};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use trust::Trust;
use watch::{News, Watch};

/// This process's TLS. Clones share it; the default shows nothing and trusts nobody.
#[derive(Clone, Default)]
pub struct Tls(Arc<Inner>);

#[derive(Default)]
struct Inner {
    shown: Option<Files>,
    trust: Arc<Trust>,
    ca: Option<Mutex<Followed>>,
}

/// The certificate's files and what is shown of them.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    live: Arc<Live>,
    watch: Mutex<Watch>,
}

/// The roots' file, and its content when it was last told of.
struct Followed {
    file: PathBuf,
    content: Vec<u8>,
    told: Option<String>,
}

/// What is shown now.
#[derive(Debug)]
struct Live(RwLock<Shown>);

impl Live {
    fn now(&self) -> Shown {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown.key))
    }
}

/// What changed of the files, for the log and the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// They were replaced, and that is in force.
    Replaced(String),
    /// They were replaced by something that cannot be used.
    Broken(String),
    /// They are again as they were.
    Mended(String),
}

impl Tls {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// What is wrong: which setting, which file, why.
    pub fn open(config: &TlsConfig) -> Result<Self, String> {
        let trust = Arc::new(Trust::default());
        let ca = match &config.ca {
            None => None,
            Some(file) => {
                trust.load(file).map_err(|why| format!("tls.ca: {why}"))?;
                Some(Mutex::new(Followed {
                    file: file.clone(),
                    content: read(file).map_err(|why| format!("tls.ca: {why}"))?,
                    told: None,
                }))
            }
        };
        let shown = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => {
                let pair = Pair::read(certificate, key).map_err(|why| format!("tls: {why}"))?;
                let opened = pair.open().map_err(|why| {
                    format!(
                        "tls: {} and {}: {why}",
                        certificate.display(),
                        key.display()
                    )
                })?;
                Some(Files {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    live: Arc::new(Live(RwLock::new(opened))),
                    watch: Mutex::new(Watch::new(pair.hash())),
                })
            }
            _ => None,
        };
        Ok(Self(Arc::new(Inner { shown, trust, ca })))
    }

    /// What answers TLS handshakes; `None` where this server speaks plain HTTP.
    ///
    /// # Errors
    /// What the TLS library does not take.
    pub fn acceptor(&self) -> Result<Option<TlsAcceptor>, String> {
        let Some(files) = &self.0.shown else {
            return Ok(None);
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let live: Arc<Live> = Arc::clone(&files.live);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(live);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }

    /// What calls to the group's other servers are made with: by their certificates where their addresses are https,
    /// past proxies, following no redirects.
    pub fn caller(&self) -> reqwest::ClientBuilder {
        provide();
        let caller = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        match self.0.trust.client() {
            Ok(config) => caller.tls_backend_preconfigured(config),
            Err(error) => {
                tracing::error!(%error, "calls to other servers cannot be protected");
                caller.tls_certs_only([])
            }
        }
    }

    /// The certificate that is shown.
    pub fn certificate(&self) -> Option<Certificate> {
        let files = self.0.shown.as_ref()?;
        Some(Certificate {
            not_after: files.live.now().not_after,
            stale: locked(&files.watch).broken(),
        })
    }

    /// The certificate in words, for `--check`; `None` where there is none.
    pub fn told(&self) -> Option<String> {
        let shown = self.0.shown.as_ref()?.live.now();
        let names = if shown.names.is_empty() {
            "no name".to_owned()
        } else {
            shown.names.join(", ")
        };
        Some(format!(
            "a certificate for {names}, good until {}",
            shown.until
        ))
    }

    /// Looks at the files; what is new is in force when this returns. Reads files: not for an async thread.
    pub fn look(&self) -> Vec<Changed> {
        let certificate = self.0.shown.as_ref().and_then(Files::look);
        let ca = self
            .0
            .ca
            .as_ref()
            .and_then(|ca| locked(ca).look(&self.0.trust));
        certificate.into_iter().chain(ca).collect()
    }
}

/// Makes `ring` what TLS is done with where nobody says: HTTP clients need one even for plain HTTP.
pub fn provide() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    fn look(&self) -> Option<Changed> {
        let found = Pair::read(&self.certificate, &self.key);
        let files = format!("{} and {}", self.certificate.display(), self.key.display());
        match locked(&self.watch).look(found, clock::now()) {
            News::None => None,
            News::Replaced(shown) => {
                let told = format!("shows a new certificate, good until {}", shown.until);
                *self.live.0.write().unwrap_or_else(PoisonError::into_inner) = *shown;
                Some(Changed::Replaced(told))
            }
            News::Broken(why) => Some(Changed::Broken(format!(
                "goes on with its certificate, as what is now in {files} cannot be used: {why}. Mend the files"
            ))),
            News::Mended => Some(Changed::Mended(
                "has its certificate's files as they were".to_owned(),
            )),
        }
    }
}

impl Followed {
    fn look(&mut self, trust: &Trust) -> Option<Changed> {
        let name = self.file.display().to_string();
        let outcome = read(&self.file).and_then(|content| {
            let new = content != self.content;
            if new {
                trust.load(&self.file)?;
                self.content = content;
            }
            Ok(new)
        });
        match outcome {
            Ok(new) => {
                let was_told = self.told.take().is_some();
                (new || was_told)
                    .then(|| Changed::Replaced(format!("trusts the certificates now in {name}")))
            }
            Err(why) if self.told.as_ref() == Some(&why) => None,
            Err(why) => {
                self.told = Some(why.clone());
                Some(Changed::Broken(format!(
                    "trusts on whom it did, as what is now in tls.ca cannot be used: {why}. Mend the file"
                )))
            }
        }
    }
}
