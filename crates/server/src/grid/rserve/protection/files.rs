//! Certificates and keys for nodes, read again when their files change. A new file that cannot be used leaves the old one in use.

use gridhelm_rserve::{Identity, Tls, TlsError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(10);

/// The files of TLS to nodes, all PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authorities that are trusted.
    pub ca: PathBuf,
    /// What is shown to nodes that demand a certificate, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What was made of the files.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) tls: Tls,
    /// When the certificate that is shown ends, milliseconds since 1970.
    pub(super) ends: Option<i64>,
}

impl TlsFiles {
    fn read(&self) -> Result<Read, TlsError> {
        let identity = self.identity.as_ref();
        let shown = identity.map(|(certificate, key)| Identity { certificate, key });
        let tls = Tls::new(&self.ca, shown)?;
        let ends = match identity {
            Some((certificate, _)) => Some(end_of(certificate)?),
            None => None,
        };
        Ok(Read { tls, ends })
    }

    /// When each file was written, and its length.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let identity = self.identity.iter().flat_map(|(c, k)| [c, k]);
        let stamp = |file: &PathBuf| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        std::iter::once(&self.ca)
            .chain(identity)
            .map(stamp)
            .collect()
    }
}

/// When the first certificate in this file ends, milliseconds since 1970.
fn end_of(file: &Path) -> Result<i64, TlsError> {
    let wrong = |why: String| TlsError {
        file: file.to_owned(),
        why,
    };
    let der = CertificateDer::from_pem_file(file).map_err(|error| wrong(error.to_string()))?;
    let (_, certificate) =
        X509Certificate::from_der(&der).map_err(|error| wrong(error.to_string()))?;
    Ok(certificate
        .validity()
        .not_after
        .timestamp()
        .saturating_mul(1000))
}

/// The files, and what was made of them last.
#[derive(Debug)]
pub(super) struct Kept {
    files: TlsFiles,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    read: Read,
    stamps: Vec<Option<(SystemTime, u64)>>,
    looked: Instant,
}

impl Kept {
    pub(super) fn read(files: TlsFiles) -> Result<Self, TlsError> {
        // Before they are read: a change in between is then seen at the next look.
        let stamps = files.stamps();
        let state = State {
            read: files.read()?,
            stamps,
            looked: Instant::now(),
        };
        Ok(Self {
            files,
            state: Mutex::new(state),
        })
    }

    /// What is in use.
    pub(super) fn now(&self) -> Read {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK {
            self.look(&mut state);
        }
        state.read.clone()
    }

    fn look(&self, state: &mut State) {
        state.looked = Instant::now();
        let stamps = self.files.stamps();
        if stamps == state.stamps {
            return;
        }
        match self.files.read() {
            Ok(read) => {
                state.read = read;
                tracing::info!("the certificates for nodes were read again");
            }
            Err(error) => tracing::warn!(
                %error,
                "the new certificates for nodes cannot be used; the old ones stay in use"
            ),
        }
        state.stamps = stamps;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn issue(folder: &Path, year: i32) -> TlsFiles {
        let mut params = rcgen::CertificateParams::new(vec!["east-1".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = |name: &str| folder.join(name);
        std::fs::write(file("c.pem"), certificate.pem()).unwrap();
        std::fs::write(file("k.pem"), key.serialize_pem()).unwrap();
        TlsFiles {
            ca: file("c.pem"),
            identity: Some((file("c.pem"), file("k.pem"))),
        }
    }

    #[test]
    fn new_files_are_taken_up_and_broken_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::read(issue(folder.path(), 2040)).unwrap();
        let look = || {
            let mut state = kept.state.lock().unwrap();
            kept.look(&mut state);
            state.read.clone()
        };
        let first = look();
        assert_eq!(first.ends, Some(2_208_988_800_000));
        assert!(look().tls == first.tls, "nothing has changed");

        issue(folder.path(), 2041);
        let second = look();
        assert_eq!(second.ends, Some(2_240_611_200_000));
        assert!(second.tls != first.tls);

        std::fs::write(folder.path().join("c.pem"), "broken").unwrap();
        assert!(look().tls == second.tls);
        std::fs::remove_file(folder.path().join("c.pem")).unwrap();
        assert!(look().tls == second.tls);
        issue(folder.path(), 2042);
        assert!(look().tls != second.tls);
    }
}
