//! TLS to a real PostgreSQL, with certificates made for the test.

use super::cluster::Cluster;
use super::target;
use crate::store::contract::notes;
use crate::store::{PostgresOptions, PostgresStore, PostgresTarget, Store, look_at_postgres};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A root, and a certificate that it signed for this name; written as PEM.
struct Certificates {
    root: PathBuf,
    certificate: String,
    key: String,
}

fn certificates(folder: &Path, label: &str, name: &str) -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &root).unwrap();
    let file = folder.join(format!("{label}.pem"));
    std::fs::write(&file, root.pem()).unwrap();
    Certificates {
        root: file,
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn url(cluster: &Cluster, host: &str, root: &Path) -> String {
    format!(
        "postgresql://gridhelm@{host}:{}/east?sslmode=verify-full&sslrootcert={}",
        cluster.port(),
        root.display()
    )
}

async fn refused(url: &str) -> String {
    let options = PostgresOptions::new("east-1", "boot-1");
    let opened = PostgresStore::open(&target(url), "east", &options).await;
    opened.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_must_show_a_certificate_of_the_given_root_for_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = certificates(folder.path(), "good", "127.0.0.1");
    let other = certificates(folder.path(), "other", "127.0.0.1");
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE DATABASE east").unwrap();
    let address = url(&cluster, "127.0.0.1", &good.root);

    // A server without TLS is not spoken to in plain words.
    let plain = refused(&address).await;
    assert!(plain.contains("TLS"), "{plain}");

    cluster.serve_tls(&good.certificate, &good.key);
    let end = Instant::now() + Duration::from_secs(10);
    while !look_at_postgres(&target(&address)).await.1 {
        assert!(Instant::now() < end, "{}", cluster.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let options = PostgresOptions::new("east-1", "boot-1");
    let store = PostgresStore::open(&target(&address), "east", &options)
        .await
        .unwrap();
    store.note(notes("k")).await.unwrap();
    assert!(store.try_life_lock().await.unwrap().is_some());
    let plain = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
        WHERE NOT s.ssl AND a.application_name LIKE 'gridhelm/%'";
    let ours = "SELECT count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
        WHERE s.ssl AND a.application_name LIKE 'gridhelm/%'";
    assert_eq!(cluster.psql("east", plain).unwrap(), "0");
    assert_eq!(cluster.psql("east", ours).unwrap(), "t");

    let stranger = refused(&url(&cluster, "127.0.0.1", &other.root)).await;
    assert!(
        stranger.contains("certificate") && stranger.contains("sslrootcert"),
        "{stranger}"
    );
    let misnamed = refused(&url(&cluster, "localhost", &good.root)).await;
    assert!(
        misnamed.contains("certificate") && misnamed.contains("localhost"),
        "{misnamed}"
    );
}

#[test]
fn tls_is_for_hosts_on_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let good = certificates(folder.path(), "good", "127.0.0.1");
    let url = format!(
        "postgresql://gridhelm@%2Ftmp/east?sslmode=verify-full&sslrootcert={}",
        good.root.display()
    );
    let why = PostgresTarget::parse(&url, None).unwrap_err();
    assert!(why.contains("socket"), "{why}");
}
