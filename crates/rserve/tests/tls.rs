//! Nodes that are reached by TLS, with certificates made here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use common::{Node, credentials, patient};
use gridhelm_rserve::{Connection, Endpoint, Error, Identity, Options, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority, and where its files lie.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        // Rserve reads its files as nobody.
        common::open_to_all(dir.path(), 0o755);
        fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for these names, `name.pem` and `name.key`.
    fn issue(&self, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert, private) = (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        );
        fs::write(&cert, certificate.pem()).unwrap();
        fs::write(&private, key.serialize_pem()).unwrap();
        common::open_to_all(&private, 0o644);
        (cert, private)
    }
}

/// A node with a TLS port beside its plain one.
async fn node(authority: &Authority, name: &str, names: &[&str], extra: &str) -> (Node, Endpoint) {
    let (cert, key) = authority.issue(name, names);
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let lines = format!(
        "qap.tls.port {port}\ntls.key {}\ntls.cert {}\ntls.ca {}\n{extra}",
        key.display(),
        cert.display(),
        authority.ca().display()
    );
    let node = Node::start(&lines).await;
    let endpoint = Endpoint {
        host: "127.0.0.1".into(),
        port,
    };
    (node, endpoint)
}

fn trusting(ca: &Path, identity: Option<&(PathBuf, PathBuf)>) -> Options {
    let identity = identity.map(|(certificate, key)| Identity { certificate, key });
    Options {
        tls: Some(Tls::new(ca, identity).unwrap()),
        ..patient()
    }
}

async fn open(endpoint: &Endpoint, options: &Options) -> Result<Connection, Error> {
    Connection::open(endpoint, Some(&credentials()), options).await
}

#[tokio::test]
async fn a_node_with_the_right_certificate_is_used_as_any_other() {
    let authority = Authority::new();
    let (_node, endpoint) = node(&authority, "node", &["127.0.0.1", "localhost"], "").await;
    let options = trusting(&authority.ca(), None);
    let mut c = open(&endpoint, &options).await.unwrap();
    assert_eq!(c.eval("6 * 7").await.unwrap().as_f64(), Some(42.0));
    assert!(!c.peer_has_closed());
    // More than a record of TLS, both ways.
    let big: gridhelm_rserve::Value =
        gridhelm_rserve::Data::Double((0..300_000).map(f64::from).collect()).into();
    c.assign("big", &big).await.unwrap();
    assert_eq!(c.eval("big").await.unwrap(), big);
    c.upload("f", &vec![7; 100_000]).await.unwrap();
    assert_eq!(c.download("f", 1 << 20).await.unwrap(), vec![7; 100_000]);
    assert!(matches!(c.eval("quit()").await, Err(Error::Closed { .. })));
    assert!(c.peer_has_closed());

    let session = open(&endpoint, &options).await.unwrap();
    let mut session = session;
    let info = gridhelm_rserve::run::prepare(&mut session, common::MARKER)
        .await
        .unwrap();
    common::kill("-KILL", info.pid);
    common::wait_for("the end of the session is seen", || {
        session.peer_has_closed()
    })
    .await;
}

#[tokio::test]
async fn who_cannot_be_trusted_is_not_spoken_to() {
    let authority = Authority::new();
    let (plain, endpoint) = node(&authority, "node", &["elsewhere.test"], "").await;
    let told = async |endpoint: &Endpoint, options: &Options| match open(endpoint, options).await {
        Err(error @ Error::Tls { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    // The right authority, the wrong name.
    let error = told(&endpoint, &trusting(&authority.ca(), None)).await;
    assert!(error.contains("not valid for name"), "{error}");
    // Another authority.
    let other = Authority::new();
    let error = told(&endpoint, &trusting(&other.ca(), None)).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
    // No TLS at all on that port.
    let error = told(&plain.endpoint(), &trusting(&authority.ca(), None)).await;
    assert!(error.contains("does not speak TLS"), "{error}");
    // TLS where none is spoken: nobody says anything.
    let quick = Options {
        handshake_timeout: std::time::Duration::from_millis(300),
        ..Options::default()
    };
    let error = open(&endpoint, &quick).await.unwrap_err();
    assert!(matches!(error, Error::HandshakeTimeout { .. }), "{error}");
    assert!(error.to_string().contains("wants TLS"), "{error}");
}

#[tokio::test]
async fn a_node_that_demands_a_certificate_gets_it() {
    let authority = Authority::new();
    let demand = "tls.client require\ntls.client match:server-a";
    let (_node, endpoint) = node(&authority, "node", &["127.0.0.1"], demand).await;
    let ca = authority.ca();
    let right = authority.issue("server-a", &[]);
    let options = trusting(&ca, Some(&right));
    // More than once: OpenSSL refuses whoever shows a certificate and a ticket of an earlier session.
    for _ in 0..3 {
        let mut c = open(&endpoint, &options).await.unwrap();
        assert_eq!(c.eval("1").await.unwrap().as_f64(), Some(1.0));
    }

    let stranger = Authority::new().issue("server-a", &[]);
    for identity in [
        None,
        Some(authority.issue("server-b", &[])),
        Some(stranger).filter(|(cert, _)| cert.exists()),
    ] {
        let error = open(&endpoint, &trusting(&ca, identity.as_ref()))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Tls { .. }), "{identity:?}: {error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn files_that_are_none_are_named() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("client", &[]);
    let identity = |certificate, key| Some(Identity { certificate, key });
    let missing = authority.path("missing.pem");
    for (ca, identity, named) in [
        (&missing, None, "missing.pem"),
        (&key, None, "holds no certificate"),
        (&authority.ca(), identity(&missing, &key), "missing.pem"),
        (
            &authority.ca(),
            identity(&cert, &cert),
            "holds no private key",
        ),
        (&authority.ca(), identity(&authority.ca(), &key), "ca.pem"),
    ] {
        let error = Tls::new(ca, identity).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
