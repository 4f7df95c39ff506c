//! The event stream: no gaps, no doubles, an end.

use super::*;
use gridhelm_api::stream::Delta;
use gridhelm_client::{Message, Parser};
use std::collections::VecDeque;

const EVENTS: &str = "/api/v1/events";

pub(super) struct Stream {
    response: reqwest::Response,
    parser: Parser,
    ready: VecDeque<Message>,
}

async fn open(api: &Api, last: &str) -> Stream {
    open_at(api, EVENTS, last).await
}

pub(super) async fn open_at(api: &Api, path: &str, last: &str) -> Stream {
    let request = api
        .request(Method::GET, path)
        .header("accept", "text/event-stream");
    let response = request.header("last-event-id", last).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Stream {
        response,
        parser: Parser::new(),
        ready: VecDeque::new(),
    }
}

impl Stream {
    pub(super) async fn next(&mut self) -> Option<Message> {
        while self.ready.is_empty() {
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .unwrap();
            let piece = piece.ok().flatten()?;
            let mut messages = Vec::new();
            self.parser.push(&piece, &mut messages).unwrap();
            self.ready.extend(messages);
        }
        self.ready.pop_front()
    }

    /// The next of these names, passing others over.
    pub(super) async fn of(&mut self, name: &str) -> Message {
        loop {
            let message = self.next().await.unwrap();
            if message.event == name {
                return message;
            }
        }
    }
}

fn removed(n: usize) -> Delta {
    Delta::NodeRemoved {
        name: n.to_string(),
    }
}

fn number(message: &Message) -> usize {
    let value: Value = serde_json::from_str(&message.data).unwrap();
    value["data"]["name"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_ticks() {
    let server = Server::start().await;
    let mut stream = open(&server.role("viewer").await, "").await;
    let first = stream.next().await.unwrap();
    assert_eq!(first.event, "snapshot");
    let snapshot: Value = serde_json::from_str(&first.data).unwrap();
    assert_eq!(snapshot["data"]["server"]["role"], "active");
    assert_eq!(snapshot["data"]["group"]["name"], "east");
    assert!(
        first
            .id
            .starts_with(&format!("{}:", server.running.app.boot)),
        "{}",
        first.id
    );
    let tick = stream.of("tick").await;
    assert!(tick.data.contains("\"stats\""), "{}", tick.data);
    // A tick does not move the place to resume from.
    assert_eq!(tick.id, first.id);
    server.stop().await;
}

#[tokio::test]
async fn clients_that_break_off_and_resume_miss_nothing_and_get_nothing_twice() {
    const ALL: usize = 3000;
    let server = Server::start().await;
    let api = server.admin().await;
    let hub = server.running.app.hub.clone();
    let mut clients = Vec::new();
    for n in 0..4_usize {
        let api = api.clone();
        let mut stream = open(&api, "").await;
        let mut last = stream.next().await.unwrap().id;
        clients.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            let mut until_break = 100 + n * 37;
            while seen.len() < ALL {
                let message = stream.next().await.unwrap();
                assert_ne!(message.event, "snapshot");
                last.clone_from(&message.id);
                if message.event == "node_removed" {
                    seen.push(number(&message));
                    until_break -= 1;
                }
                if until_break == 0 {
                    until_break = 500;
                    stream = open(&api, &last).await;
                }
            }
            seen
        }));
    }
    for n in 0..ALL {
        hub.publish(&removed(n));
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let expected: Vec<usize> = (0..ALL).collect();
    for client in clients {
        assert_eq!(client.await.unwrap(), expected);
    }
    server.stop().await;
}

#[tokio::test]
async fn an_id_of_another_boot_or_too_old_gets_a_snapshot() {
    let server = Server::start().await;
    let api = server.admin().await;
    let boot = server.running.app.boot.clone();
    for n in 0..5000 {
        server.running.app.hub.publish(&removed(n));
    }
    for last in [
        "another:3",
        &format!("{boot}:2"),
        &format!("{boot}:999999"),
        "nonsense",
        &format!("{boot}:-1"),
    ] {
        let mut stream = open(&api, last).await;
        assert_eq!(stream.next().await.unwrap().event, "snapshot", "{last}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_lags_gets_a_fresh_snapshot() {
    let server = Server::start().await;
    let mut stream = open(&server.admin().await, "").await;
    let first = stream.next().await.unwrap();
    // More than the sockets and the hub hold, while the client does not read.
    let text = "x".repeat(4000);
    for _ in 0..20_000 {
        server
            .running
            .app
            .hub
            .publish(&Delta::NodeRemoved { name: text.clone() });
    }
    server.running.app.hub.publish(&removed(7));
    let snapshot = stream.of("snapshot").await;
    assert_ne!(snapshot.id, first.id);
    server.running.app.hub.publish(&removed(8));
    loop {
        let message = stream.of("node_removed").await;
        if !message.data.contains("xxxx") && number(&message) == 8 {
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let server = Server::start().await;
    let (ended, other) = (server.admin().await, server.admin().await);
    let mut stream = open(&ended, "").await;
    let mut goes_on = open(&other, "").await;
    stream.next().await.unwrap();
    assert_eq!(
        ended
            .send(ended.request(Method::DELETE, "/api/v1/session"))
            .await
            .status,
        204
    );
    while stream.next().await.is_some() {}
    goes_on.of("tick").await;
    goes_on.of("tick").await;
    server.stop().await;
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let server = Server::start().await;
    let mut stream = open(&server.admin().await, "").await;
    stream.next().await.unwrap();
    let started = std::time::Instant::now();
    server.stop().await;
    while stream.next().await.is_some() {}
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "the stream held the server up"
    );
}

#[tokio::test]
async fn a_write_is_seen_in_the_stream_with_its_event() {
    let server = Server::start().await;
    let api = server.admin().await;
    let mut stream = open(&api, "").await;
    stream.next().await.unwrap();
    let path = "/api/v1/repository/content?directory=risk&name=a.R";
    assert_eq!(api.put_new(path, "x").await.status, 201);
    let event = stream.of("event").await;
    assert!(
        event.data.contains("file.created") && event.data.contains("admin/risk/a.R"),
        "{}",
        event.data
    );
    let changed: Value = serde_json::from_str(&stream.of("repository").await.data).unwrap();
    assert_eq!(changed["data"]["files"], 1);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_becomes_active_sends_its_new_picture() {
    let (_dir, first, second) = super::relay::pair().await;
    let api = first.admin().await;
    let draft = json!({ "name": "n1", "host": "127.0.0.1", "port": 1, "slot_limit": 1 });
    assert_eq!(api.post("/api/v1/nodes", draft).await.status, 201);
    let at_second = second.nobody().with(api.token.clone().unwrap());
    let mut stream = open(&at_second, "").await;
    let snapshot = |message: Message| -> Value {
        let value: Value = serde_json::from_str(&message.data).unwrap();
        value["data"].clone()
    };
    let before = snapshot(stream.of("snapshot").await);
    assert_eq!(
        (&before["server"]["role"], &before["nodes"]),
        (&json!("standby"), &json!([]))
    );
    assert!(
        !before["events"].as_array().unwrap().is_empty(),
        "the journal is the group's"
    );
    let epoch = first.running.app.standing.borrow().status.epoch;
    let order = json!({
        "kind": "forced", "to": "east-2", "expect_epoch": epoch, "reason": "test", "confirm": "east",
    });
    let begun = at_second.post("/api/v1/switch", order).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let after = snapshot(stream.of("snapshot").await);
    assert_eq!(after["server"]["role"], "active", "{after}");
    assert_eq!(after["nodes"][0]["name"], "n1");
    second.stop().await;
    first.stop().await;
}
