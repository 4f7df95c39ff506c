//! Tests a node to be, step by step, up to the first failure.

use super::words::{facts, of};
use super::{RserveProvider, leave, listener_pid};
use crate::store::StoredNode;
use gridhelm_api::Code;
use gridhelm_api::node::{NodeFacts, NodeTest, TestStep};
use gridhelm_api::switch::Outcome;
use gridhelm_rserve::{Connection, Error};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a tiny evaluation may take.
const EVALUATE: Duration = Duration::from_secs(2);
/// How long the probe may take.
const PROBE: Duration = Duration::from_secs(3);
/// Tiny evaluations whose median is the latency.
const ROUNDS: usize = 5;
/// Clocks that differ by more are worth a warning, milliseconds.
const CLOCK_OFF: i64 = 2_000;

struct Record {
    steps: Vec<TestStep>,
    code: Option<Code>,
    began: Instant,
}

impl Record {
    fn begin(&mut self) {
        self.began = Instant::now();
    }

    fn end(&mut self, what: String, outcome: Outcome, evidence: impl Into<String>) {
        let ms = self.began.elapsed().as_secs_f64() * 1_000.0;
        self.steps.push(TestStep {
            what,
            outcome,
            evidence: evidence.into(),
            ms: (ms * 100.0).round() / 100.0,
        });
    }

    fn fail(&mut self, what: String, code: Code, evidence: impl Into<String>) {
        self.code = Some(code);
        self.end(what, Outcome::Fail, evidence);
    }
}

/// Tests a node in five steps: connect, sign in, evaluate, probe, sign in with a password that is none.
pub(super) async fn run(
    provider: &RserveProvider,
    node: &StoredNode,
    tested_from: &str,
) -> NodeTest {
    let mut steps = Record {
        steps: Vec::new(),
        code: None,
        began: Instant::now(),
    };
    let mut latency_ms = None;
    let mut found: Option<NodeFacts> = None;
    if connects(provider, node, &mut steps).await
        && let Some(mut connection) = signs_in(provider, node, &mut steps).await
    {
        latency_ms = evaluates(&mut connection, &mut steps).await;
        if latency_ms.is_some() {
            found = probes(provider, &mut connection, &mut steps).await;
            keeps_out(provider, node, &mut steps).await;
        }
        leave(connection).await;
    }
    NodeTest {
        ok: steps.code.is_none(),
        code: steps.code,
        steps: steps.steps,
        latency_ms,
        suggested_slots: found.as_ref().map(|f| f.cores.max(1)),
        facts: found,
        tested_from: tested_from.to_owned(),
    }
}

async fn connects(provider: &RserveProvider, node: &StoredNode, steps: &mut Record) -> bool {
    let limit = provider.options().connect_timeout;
    let address = format!("{}:{}", node.host, node.port);
    let what = format!("TCP connect to {address}");
    match timeout(limit, TcpStream::connect((node.host.as_str(), node.port))).await {
        Ok(Ok(_)) => {
            steps.end(what, Outcome::Pass, "connected");
            true
        }
        Ok(Err(source)) => {
            let endpoint = address;
            let error = of(Error::Connect { endpoint, source });
            steps.fail(what, error.code, error.message);
            false
        }
        Err(_) => {
            let (endpoint, waited) = (address, limit);
            let error = of(Error::ConnectTimeout { endpoint, waited });
            steps.fail(what, error.code, error.message);
            false
        }
    }
}

async fn signs_in(
    provider: &RserveProvider,
    node: &StoredNode,
    steps: &mut Record,
) -> Option<Connection> {
    steps.begin();
    let what = match &node.user {
        Some(user) => format!("Rserve handshake and sign-in as {user}"),
        None => "Rserve handshake".to_owned(),
    };
    match provider.connect(node).await {
        Ok(connection) => {
            let shake = connection.handshake();
            let evidence = format!("Rserve protocol {} {}", shake.version, shake.protocol);
            steps.end(what, Outcome::Pass, evidence);
            Some(connection)
        }
        Err(error) => {
            let error = of(error);
            steps.fail(what, error.code, error.message);
            None
        }
    }
}

async fn evaluates(connection: &mut Connection, steps: &mut Record) -> Option<f64> {
    steps.begin();
    let what = "Evaluation in a new session".to_owned();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        match timeout(EVALUATE, connection.eval("1 + 1")).await {
            Ok(Ok(value)) if value.as_f64() == Some(2.0) => {
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok(Ok(_)) => {
                steps.fail(
                    what,
                    Code::NodeFailed,
                    "R answered 1 + 1 with something else than 2",
                );
                return None;
            }
            Ok(Err(error)) => {
                let error = of(error);
                steps.fail(what, error.code, error.message);
                return None;
            }
            Err(_) => {
                let evidence =
                    "R did not answer 1 + 1 within 2 s; the node is overloaded or stopped";
                steps.fail(what, Code::NodeSilent, evidence);
                return None;
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let median = (times.get(ROUNDS / 2).copied().unwrap_or(0.0) * 1_000.0).round() / 1_000.0;
    let evidence = format!("R answered 1 + 1 in {median} ms, median of {ROUNDS}");
    steps.end(what, Outcome::Pass, evidence);
    Some(median)
}

async fn probes(
    provider: &RserveProvider,
    connection: &mut Connection,
    steps: &mut Record,
) -> Option<NodeFacts> {
    steps.begin();
    let what = "Probe".to_owned();
    let probing = async {
        let listener = listener_pid(connection).await?;
        provider.probe_on(connection, listener).await
    };
    match timeout(PROBE, probing).await {
        Ok(Ok(probe)) => {
            let facts = facts(&probe);
            let mut evidence = format!(
                "R {}, Rserve {}, {} cores, {} of {} GiB memory free, {} packages",
                facts.r_version,
                facts.rserve_version,
                facts.cores,
                facts.memory_available >> 30,
                facts.memory_total >> 30,
                facts.packages
            );
            let mut outcome = Outcome::Pass;
            if facts.clock_offset_ms.abs() > CLOCK_OFF {
                outcome = Outcome::Warn;
                let _ = write!(
                    evidence,
                    "; its clock is off by {} ms",
                    facts.clock_offset_ms
                );
            }
            if !probe.utf8 {
                outcome = Outcome::Warn;
                evidence.push_str("; R does not run in a UTF-8 locale");
            }
            steps.end(what, outcome, evidence);
            Some(facts)
        }
        Ok(Err(error)) => {
            let error = of(error);
            steps.fail(what, error.code, error.message);
            None
        }
        Err(_) => {
            let evidence = "the probe did not end within 3 s; the node is overloaded";
            steps.fail(what, Code::NodeSilent, evidence);
            None
        }
    }
}

/// Rserve before 1.8-14 compares what was sent with what `crypt()` answers when it fails, which is this on Debian: then it fits every
/// user (docs/decisions/051).
const NO_PASSWORD: &str = "*0";

/// Whether somebody without the password is let in, which Rserve 1.8-11 does. The node can be used all the same.
async fn keeps_out(provider: &RserveProvider, node: &StoredNode, steps: &mut Record) {
    if node.user.is_none() {
        return;
    }
    steps.begin();
    let what = "Sign-in with a password that is none".to_owned();
    let stranger = StoredNode {
        password: Some(NO_PASSWORD.to_owned()),
        ..node.clone()
    };
    match provider.connect(&stranger).await {
        Ok(connection) => {
            leave(connection).await;
            let evidence = "the node lets in whoever sends the password *0, as Rserve 1.8-11 does; set `auth.function` there (deploy/systemd/Rserve.conf.example) or demand a certificate";
            steps.end(what, Outcome::Warn, evidence);
        }
        Err(Error::SignInRefused { .. }) => steps.end(what, Outcome::Pass, "refused"),
        Err(error) => steps.end(what, Outcome::Warn, of(error).message),
    }
}
