//! What monitoring reads.

use super::*;

#[tokio::test]
async fn metrics_tell_of_requests_role_tasks_and_lease() {
    let server = Server::start().await;
    server
        .nobody()
        .get("/metrics")
        .await
        .is_problem(401, "missing_token");
    let admin = server.admin().await;
    server
        .nobody()
        .get("/api/v1/nodes")
        .await
        .is_problem(401, "missing_token");
    let odd = admin.request(Method::from_bytes(b"BREW").unwrap(), "/api/v1/nodes");
    admin.send(odd).await;
    let made = json!({ "name": "prometheus", "role": "viewer", "areas": ["metrics"], "days": 1 });
    let made = admin.post("/api/v1/tokens", made).await;
    let program = admin.with(made.json["token"].as_str().unwrap().to_owned());
    program
        .get("/api/v1/nodes")
        .await
        .is_problem(403, "forbidden");
    let answer = program.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "gridhelm_active 1",
        "gridhelm_ready 1",
        "gridhelm_epoch 1",
        "gridhelm_tasks{state=\"queued\"} 0",
        "gridhelm_requests_total{method=\"GET\",route=\"/api/v1/nodes\",status=\"401\"} 1",
        "method=\"other\"",
        "gridhelm_request_seconds_bucket",
        "gridhelm_server_info{server=\"east-1\",group=\"east\"",
        "# EOF",
    ] {
        assert!(answer.text.contains(line), "{line} in\n{}", answer.text);
    }
    assert!(!answer.text.contains("BREW"));
    server.stop().await;
}

/// The shipped rules and dashboard ask for nothing that the servers do not tell.
#[tokio::test]
async fn what_is_shipped_for_prometheus_names_metrics_that_there_are() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let told = admin.get("/metrics").await.text;
    let rules = include_str!("../../../../../deploy/prometheus/alerts.yml");
    let dashboard = include_str!("../../../../../deploy/prometheus/dashboard.json");
    let names = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let own = words.filter(|word| word.starts_with("gridhelm_"));
        own.map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let asked = names(&[rules, dashboard].concat());
    assert!(asked.len() > 8, "{asked:?}");
    for name in asked {
        // These are told as soon as a node is registered, or by a server with a certificate.
        let later = [
            "gridhelm_heartbeat_seconds",
            "gridhelm_slots",
            "gridhelm_certificate_not_after_seconds",
        ];
        if later.contains(&name.as_str()) {
            continue;
        }
        let family = name.trim_end_matches("_total").trim_end_matches("_bucket");
        assert!(
            told.contains(&format!("# TYPE {family} ")),
            "{name} in\n{told}"
        );
    }
    server.stop().await;
}
