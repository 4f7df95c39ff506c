//! Which servers this one believes: those whose certificates the given ones signed, and no others. The file may change
//! while the server runs.

use super::material::{certificates, read};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// Verifies by the roots of the moment.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    roots: RwLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl Default for Trust {
    /// Trusts nobody.
    fn default() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            roots: RwLock::default(),
        }
    }
}

impl Trust {
    /// Trusts what the certificates in this file signed, from now on.
    ///
    /// # Errors
    /// What is wrong with the file; the roots stay as they were.
    pub(super) fn load(&self, file: &Path) -> Result<(), String> {
        self.set(&read(file)?)
            .map_err(|why| format!("{}: {why}", file.display()))
    }

    fn set(&self, pem: &[u8]) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem)? {
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("it holds no certificate (PEM)".to_owned());
        }
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        *self.roots.write().unwrap_or_else(PoisonError::into_inner) = Some(verifier);
        Ok(())
    }

    fn roots(&self) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let roots = self.roots.read().unwrap_or_else(PoisonError::into_inner);
        roots
            .clone()
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    /// What calls to other servers are made with.
    pub(super) fn client(self: &Arc<Self>) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            // Not less than rustls checks by itself: the roots may change, that is all.
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Self>::clone(self))
            .with_no_client_auth();
        // A resumed session would not look at the certificate again.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.roots()?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
