//! Alerts.

use crate::http::openapi::operation::{Operation, Quoting, operation};
use gridhelm_api::alert::{
    Acknowledge, Alert, AlertRules, Alerts, Delivery, Silence, SilenceDraft, Webhook, WebhookDraft,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation("GET", "/api/v1/alerts", "listAlerts", "Alerts that are open, and those that ended last")
            .gives::<Alerts>(200, "Newest first, with the silences that hold."),
        operation("POST", "/api/v1/alerts/{id}/acknowledge", "acknowledgeAlert", "Says that somebody looks after an alert")
            .takes::<Acknowledge>()
            .gives::<Alert>(200, "The alert as it is now."),
        operation("POST", "/api/v1/alerts/silences", "silenceAlerts", "Has nobody told of some alerts for a time")
            .notes("Of alerts that open in that time. They are shown all the same.")
            .takes::<SilenceDraft>()
            .gives::<Silence>(201, "The silence."),
        operation("DELETE", "/api/v1/alerts/silences/{id}", "endSilence", "Ends a silence before its time")
            .gives_nothing("It is ended."),
        operation("GET", "/api/v1/alerts/rules", "getAlertRules", "What opens alerts")
            .tagged()
            .gives::<AlertRules>(200, "The rules."),
        operation("PUT", "/api/v1/alerts/rules", "setAlertRules", "Sets what opens alerts")
            .quotes(Quoting::Version)
            .takes::<AlertRules>()
            .tagged()
            .gives::<AlertRules>(200, "The rules as they are now."),
        operation("GET", "/api/v1/alerts/webhook", "getWebhook", "Where messages about alerts go")
            .notes("With the latest messages. The secret is never told.")
            .tagged()
            .gives::<Webhook>(200, "The webhook."),
        operation("PUT", "/api/v1/alerts/webhook", "setWebhook", "Sets where messages about alerts go")
            .notes(
                "Each message is a POST of JSON with the headers `gridhelm-delivery` (its id, the same in every try), `gridhelm-timestamp` \
                 (seconds) and `gridhelm-signature`: `v1=` and the HMAC-SHA-256 of `TIMESTAMP.BODY` with the secret, hexadecimal.",
            )
            .quotes(Quoting::Version)
            .takes::<WebhookDraft>()
            .tagged()
            .gives::<Webhook>(200, "The webhook as it is now."),
        operation("POST", "/api/v1/alerts/webhook/test", "testWebhook", "Sends the webhook a message now")
            .notes("That it was not taken is an answer: `trouble` says why.")
            .gives::<Delivery>(200, "What became of it."),
    ]
}
