//! Nodes that are reached by TLS and demand this server's certificate: every connection to them is protected.

use crate::node::{RNode, free_port};
use crate::rig::{Rig, database};
use gridhelm_api::Code;
use gridhelm_api::node::{Health, NodeDraft};
use gridhelm_api::switch::Outcome;
use gridhelm_api::task::TaskState;
use gridhelm_server::grid::GridOptions;
use gridhelm_server::grid::rserve::{Protection, TlsFiles};
use gridhelm_server::group::Duties as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Makes an authority and certificates of it for a node and for `east-1`, and has the node demand the latter.
fn certify(dir: &Path) -> Option<u16> {
    certify_for(dir, 365)
}

/// As [`certify`], for so many days.
fn certify_for(dir: &Path, days: u64) -> Option<u16> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    for (name, host) in [("node", "127.0.0.1"), ("east-1", "east-1.test")] {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = (SystemTime::now() + Duration::from_secs(days * 86_400)).into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        let path = dir.join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let port = free_port();
    let place = dir.display();
    let more = format!(
        "qap.tls.port {port}\ntls.key {place}/node.key\ntls.cert {place}/node.pem\ntls.ca {place}/ca.pem\n\
         tls.client require\ntls.client match:east-1\n"
    );
    fs::write(dir.join("more.conf"), more).unwrap();
    Some(port)
}

fn protection(node: &RNode, shown: bool, only: Option<Vec<String>>) -> Protection {
    let file = |name: &str| node.folder().join(name);
    let files = TlsFiles {
        ca: file("ca.pem"),
        identity: shown.then(|| (file("east-1.pem"), file("east-1.key"))),
    };
    Protection::by(files, only).unwrap()
}

fn draft(node: &RNode) -> NodeDraft {
    NodeDraft {
        port: node.tls_port.unwrap(),
        ..node.draft(2)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_by_tls_is_watched_and_works_as_any_other() {
    let node = RNode::start_with("r01", certify).await;
    let (_dir, path) = database();
    let all = protection(&node, true, None);
    let options = GridOptions::default();
    let rig = Rig::with_drafts(&path, "east-1", options, &[draft(&node)], all).await;
    rig.until_health("r01", Health::Healthy).await;
    let task = rig.run("6 * 7").await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}");
    let test = rig.grid.test(&draft(&node)).await;
    assert!(test.ok, "{test:?}");
    // The certificate of this server is far from its end.
    assert_eq!(rig.work.reach_nodes().await.outcome, Outcome::Pass);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_says_that_the_certificate_for_nodes_ends_soon() {
    let node = RNode::start_with("r01", |dir| certify_for(dir, 12)).await;
    let (_dir, path) = database();
    let all = protection(&node, true, None);
    let options = GridOptions::default();
    let rig = Rig::with_drafts(&path, "east-1", options, &[draft(&node)], all).await;
    rig.until_health("r01", Health::Healthy).await;
    let check = rig.work.reach_nodes().await;
    assert_eq!(check.outcome, Outcome::Warn, "{check:?}");
    assert!(check.evidence.contains("ends in 11 days"), "{check:?}");
    assert!(check.repair.is_some());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_by_tls_that_is_called_otherwise_says_what_is_wrong() {
    let node = RNode::start_with("r01", certify).await;
    let (_dir, path) = database();
    // Without this server's certificate; and in the clear, because the list names another node.
    for (shown, only, words) in [
        (false, None, "certificate"),
        (true, Some(vec!["127.0.0.1:1".to_owned()]), "wants TLS"),
    ] {
        let how = protection(&node, shown, only);
        let rig = Rig::with_drafts(&path, "east-1", GridOptions::default(), &[], how).await;
        let test = rig.grid.test(&draft(&node)).await;
        assert!(!test.ok, "{test:?}");
        assert!(
            matches!(
                test.code,
                Some(Code::NodeFailed | Code::NodeSilent | Code::NodeNotRserve)
            ),
            "{test:?}"
        );
        let evidence = &test.steps.last().unwrap().evidence;
        assert!(evidence.contains(words), "{evidence}");
        rig.stop().await;
    }
}
