//! Accounts, tokens, events and the audit log.

use crate::http::journal::{AuditQuery, EventQuery, VerifyQuery};
use crate::http::openapi::operation::{Operation, operation};
use gridhelm_api::account::{
    Account, AccountDraft, AccountPatch, ApiToken, ApiTokenDraft, AuditChain, AuditRow, Lockout,
    NewApiToken, PasswordChange, SignIn, SignedIn,
};
use gridhelm_api::event::Event;

pub(super) fn operations() -> Vec<Operation> {
    let mut all = of_events();
    all.extend(of_oneself());
    all.extend(of_accounts());
    all
}

fn of_events() -> Vec<Operation> {
    vec![
        operation("GET", "/api/v1/events", "listEvents", "Events, newest first; or the stream of all changes")
            .notes(
                "With `Accept: text/event-stream` it is one stream of deltas in commit order, with ids `boot:sequence`, resumed \
                 by `Last-Event-ID`; an id of another boot, or too old, gets a snapshot. It ends when its token does. With `patches=1` what changes of \
                 nodes comes as events `patch` instead of whole nodes: see *Patches of nodes* in `docs/api.md`.",
            )
            .query::<EventQuery>()
            .gives_page::<Event>("A page of them."),
        operation("GET", "/api/v1/audit", "listAudit", "The audit log, newest first")
            .query::<AuditQuery>()
            .gives_page::<AuditRow>("A page of it."),
        operation("GET", "/api/v1/audit/verify", "verifyAudit", "Walks the audit log's chain of hashes")
            .query::<VerifyQuery>()
            .gives::<AuditChain>(200, "Whether it holds, and where it breaks."),
    ]
}

fn of_oneself() -> Vec<Operation> {
    vec![
        operation("POST", "/api/v1/session", "signIn", "Signs in")
            .takes::<SignIn>()
            .gives::<SignedIn>(200, "A token of the group."),
        operation(
            "DELETE",
            "/api/v1/session",
            "signOut",
            "Signs out: the token is revoked",
        )
        .gives_nothing("It opens nothing any more."),
        operation("GET", "/api/v1/me", "getMe", "The account that asks")
            .gives::<Account>(200, "The account."),
        operation(
            "PUT",
            "/api/v1/me/password",
            "changePassword",
            "Changes one's own password",
        )
        .notes("All other sign-ins of the account end.")
        .takes::<PasswordChange>()
        .gives::<SignedIn>(200, "A new token."),
        operation(
            "GET",
            "/api/v1/tokens",
            "listTokens",
            "Tokens for programs: one's own, or all for an admin",
        )
        .gives_list::<ApiToken>("All that have not ended; never the tokens themselves."),
        operation(
            "POST",
            "/api/v1/tokens",
            "createToken",
            "Makes a token for a program",
        )
        .takes::<ApiTokenDraft>()
        .gives::<NewApiToken>(201, "The token, shown once."),
        operation(
            "DELETE",
            "/api/v1/tokens/{id}",
            "endToken",
            "Ends such a token",
        )
        .gives_nothing("It opens nothing any more."),
    ]
}

fn of_accounts() -> Vec<Operation> {
    vec![
        operation("GET", "/api/v1/users", "listAccounts", "Accounts")
            .gives_list::<Account>("All of them."),
        operation("POST", "/api/v1/users", "createAccount", "Makes an account")
            .takes::<AccountDraft>()
            .gives::<Account>(201, "The account."),
        operation(
            "PATCH",
            "/api/v1/users/{name}",
            "editAccount",
            "Changes an account's role or password, or disables it",
        )
        .takes::<AccountPatch>()
        .gives::<Account>(200, "The account as it is now."),
        operation(
            "DELETE",
            "/api/v1/users/{name}/sessions",
            "endSessions",
            "Ends all sign-ins of an account",
        )
        .gives_nothing("They are ended."),
        operation(
            "GET",
            "/api/v1/users/lockouts",
            "listLockouts",
            "Names and addresses that may not sign in for a while",
        )
        .gives_list::<Lockout>("All of them."),
    ]
}
