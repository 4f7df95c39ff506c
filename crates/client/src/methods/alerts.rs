//! Alerts, their rules, silences and the webhook.

use gridhelm_api::alert::{
    Acknowledge, Alert, AlertRules, Alerts, Delivery, Silence, SilenceDraft, Webhook, WebhookDraft,
};

use super::{Client, SLOW, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method};

impl Client {
    /// What is open, what ended last, what is silenced.
    pub async fn alerts(&self) -> Result<Alerts> {
        self.get("/alerts").await
    }

    /// Says that somebody looks after an alert.
    pub async fn acknowledge_alert(&self, id: &str, reason: &str) -> Result<Alert> {
        let body = Body::json(&Acknowledge {
            reason: reason.to_owned(),
        });
        self.call(
            Method::Post,
            &path(&["alerts", id, "acknowledge"]),
            body,
            None,
        )
        .await
    }

    /// Has nobody told of some alerts for a time.
    pub async fn silence_alerts(&self, draft: &SilenceDraft) -> Result<Silence> {
        self.call(Method::Post, "/alerts/silences", Body::json(draft), None)
            .await
    }

    /// Ends a silence before its time.
    pub async fn end_silence(&self, id: &str) -> Result<()> {
        let path = path(&["alerts", "silences", id]);
        self.call(Method::Delete, &path, Body::None, None).await
    }

    /// What opens alerts.
    pub async fn alert_rules(&self) -> Result<AlertRules> {
        self.get("/alerts/rules").await
    }

    /// Sets what opens alerts, if it still is at its version.
    pub async fn set_alert_rules(&self, rules: &AlertRules) -> Result<AlertRules> {
        let version = Some(rules.version);
        self.call(Method::Put, "/alerts/rules", Body::json(rules), version)
            .await
    }

    /// Where messages about alerts go.
    pub async fn webhook(&self) -> Result<Webhook> {
        self.get("/alerts/webhook").await
    }

    /// Sets where messages about alerts go, if that still is at that version.
    pub async fn set_webhook(&self, version: i64, draft: &WebhookDraft) -> Result<Webhook> {
        self.call(
            Method::Put,
            "/alerts/webhook",
            Body::json(draft),
            Some(version),
        )
        .await
    }

    /// Sends the webhook a message now; what became of it.
    pub async fn try_webhook(&self) -> Result<Delivery> {
        let mut request = self.request(Method::Post, "/alerts/webhook/test", Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }
}
