//! Certificates made for the test: what is shown, what replaces it, whom one trusts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use time::{Duration, OffsetDateTime};

/// Signs certificates for a test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Told apart by name, as real ones are.
        let name = crate::random::hex(8).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `server.pem` and `server.key` for that name, good from a day ago for so many days from now on.
    pub(crate) fn issue(&self, folder: &Path, name: &str, days: i64) {
        let (certificate, key) = self.pair(name, days);
        write_key(folder, &key);
        std::fs::write(folder.join("server.pem"), certificate).unwrap();
    }

    fn pair(&self, name: &str, days: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let end = OffsetDateTime::now_utc() + Duration::days(days);
        params.not_before = end - Duration::days(days.abs() + 1);
        params.not_after = end;
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

pub(crate) fn write_key(folder: &Path, key: &str) {
    let file = folder.join("server.key");
    std::fs::write(&file, key).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// `[tls]` with the files of that folder.
pub(crate) fn config(folder: &Path) -> TlsConfig {
    TlsConfig {
        certificate: Some(folder.join("server.pem")),
        key: Some(folder.join("server.key")),
        ca: Some(folder.join("ca.pem")),
        ..TlsConfig::default()
    }
}

fn open() -> (tempfile::TempDir, Authority, Tls) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(folder.path(), "127.0.0.1", 90);
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let tls = Tls::open(&config(folder.path())).unwrap();
    (folder, authority, tls)
}

#[test]
fn what_is_shown_is_told() {
    let (_folder, _, tls) = open();
    let days = (tls.certificate().unwrap().not_after - clock::now()) / 86_400_000;
    assert!((89..=90).contains(&days), "{days}");
    assert!(tls.told().unwrap().contains("for 127.0.0.1, good until 20"));
    assert!(tls.acceptor().unwrap().is_some());
    let none = Tls::default();
    assert!(none.acceptor().unwrap().is_none() && none.told().is_none() && none.look().is_empty());
}

#[test]
fn a_good_pair_is_taken_over_and_a_bad_one_is_told_once_and_left() {
    let (folder, authority, tls) = open();
    let folder = folder.path();
    let before = tls.certificate().unwrap().not_after;
    assert_eq!(tls.look(), []);
    authority.issue(folder, "127.0.0.1", 200);
    let [Changed::Replaced(said)] = &tls.look()[..] else {
        panic!("it is not taken over");
    };
    assert!(said.contains("good until"), "{said}");
    let shown = tls.certificate().unwrap();
    assert!(shown.not_after > before && !shown.stale);
    assert_eq!(tls.look(), []);

    let good = std::fs::read(folder.join("server.pem")).unwrap();
    let expired = authority.pair("127.0.0.1", -1);
    let bad: [(&str, Vec<u8>); 4] = [
        ("no certificate", b"nonsense".to_vec()),
        ("no certificate", Vec::new()),
        (
            "does not go with",
            authority.pair("127.0.0.1", 300).0.into_bytes(),
        ),
        ("does not go with", expired.0.into_bytes()),
    ];
    for (why, bytes) in bad {
        std::fs::write(folder.join("server.pem"), bytes).unwrap();
        assert_eq!(tls.look(), [], "not before it is seen twice");
        let [Changed::Broken(said)] = &tls.look()[..] else {
            panic!("not told: {why}");
        };
        assert!(said.contains(why), "{said}");
        assert_eq!(tls.look(), [], "once");
        let left = tls.certificate().unwrap();
        assert_eq!((left.not_after, left.stale), (shown.not_after, true));
        std::fs::write(folder.join("server.pem"), &good).unwrap();
        assert!(matches!(&tls.look()[..], [Changed::Mended(_)]));
        assert!(!tls.certificate().unwrap().stale);
    }
    authority.issue(folder, "127.0.0.1", -2);
    tls.look();
    let said = format!("{:?}", tls.look());
    assert!(said.contains("expired on"), "{said}");
    std::fs::remove_file(folder.join("server.key")).unwrap();
    tls.look();
    let said = format!("{:?}", tls.look());
    assert!(said.contains("server.key: No such file"), "{said}");
}

#[test]
fn two_files_that_are_replaced_one_after_the_other_are_no_alarm() {
    let (folder, authority, tls) = open();
    let (certificate, key) = authority.pair("127.0.0.1", 300);
    std::fs::write(folder.path().join("server.pem"), certificate).unwrap();
    assert_eq!(tls.look(), []);
    write_key(folder.path(), &key);
    assert!(matches!(&tls.look()[..], [Changed::Replaced(_)]));
}

#[test]
fn a_start_names_what_cannot_be_used() {
    let (folder, _, _) = open();
    let folder = folder.path();
    let config = config(folder);
    let refused = |config: &TlsConfig| Tls::open(config).err().unwrap();
    let key = folder.join("server.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&config).contains("chmod 640"));
    write_key(folder, "nonsense");
    assert!(refused(&config).contains("no private key"));
    let other = TlsConfig {
        ca: Some(key),
        ..TlsConfig::default()
    };
    assert!(refused(&other).contains("tls.ca") && refused(&other).contains("no certificate"));
    let missing = TlsConfig {
        ca: Some("/nowhere.pem".into()),
        ..TlsConfig::default()
    };
    assert!(refused(&missing).contains("/nowhere.pem"));
    // What has expired is shown all the same: a server that does not start helps nobody.
    Authority::new().issue(folder, "a", -1);
    assert!(Tls::open(&config).unwrap().certificate().is_some());
}

#[test]
fn other_roots_are_taken_over() {
    let (folder, _, tls) = open();
    let file = folder.path().join("ca.pem");
    let old = std::fs::read(&file).unwrap();
    std::fs::write(&file, "nonsense").unwrap();
    assert!(matches!(&tls.look()[..], [Changed::Broken(_)]));
    assert_eq!(tls.look(), [], "once");
    std::fs::write(&file, Authority::new().pem()).unwrap();
    assert!(matches!(&tls.look()[..], [Changed::Replaced(_)]));
    assert_eq!(tls.look(), []);
    std::fs::write(&file, old).unwrap();
    assert!(matches!(&tls.look()[..], [Changed::Replaced(_)]));
}
