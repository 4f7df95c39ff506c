//! [`Store`] in SQL: each call is one job of the writing or of a reading thread.

use super::job::Kind;
use super::{
    Backend, SqlStore, accounts, alerts, changesets, content, files, group, holds, joins, journal,
    listing, mend, nodes, sessions, settings, sizes, task_rows, tasks, tidy, tokens, tree,
};
use crate::store::Reported;
use crate::store::StoreError;
use crate::store::backup::{BackupError, Contents, Progress};
use crate::store::{
    AttemptEnd, AttemptStart, AuditDraft, AuditFilter, EpochRow, EventFilter, Fence, FileWrite,
    LifeLock, Limits, Notes, Owner, Result, Seen, SessionRow, Store, StoredAccount,
    StoredJoinToken, StoredNode, StoredTask, TokenState, Trim,
};
use async_trait::async_trait;
use gridhelm_api::account::{Account, ApiToken, AuditChain, AuditCut, AuditRow, Role};
use gridhelm_api::alert::{Alert, Delivery};
use gridhelm_api::changeset::{
    ChangesetRecord, ChangesetRequest, Committed, Listings, Manifest, PartState, Tree, Verification,
};
use gridhelm_api::event::Event;
use gridhelm_api::group::{Failover, Group, Member};
use gridhelm_api::hold::{Hold, HoldVerdict};
use gridhelm_api::node::{IntentChange, NodePatch, TimelinePoint};
use gridhelm_api::repository::{FileId, FileMeta, FileVersion};
use gridhelm_api::switch::{Check, SwitchFilter, SwitchRecord};
use gridhelm_api::task::{ConsoleChunk, Task, TaskState};
use gridhelm_api::upkeep::SizeOf;
use gridhelm_api::{Millis, Page};
use std::path::Path;
use std::sync::Arc;

/// A job outlives the call that brought it: it takes its arguments along.
macro_rules! own {
    ($($argument:ident),+) => {
        $(let $argument = $argument.to_owned();)+
    };
}

// A table: what is called, what it takes along, what does it. By hand, for it reads better.
#[rustfmt::skip]
#[async_trait]
impl<B: Backend> Store for SqlStore<B> {
    async fn epoch(&self) -> Result<EpochRow> {
        self.read("read epoch", group::epoch).await
    }

    async fn take_epoch(
        &self, seen: Seen, owner: &Owner, by: &str, reason: &str, notes: Notes,
    ) -> Result<(EpochRow, Vec<Event>)> {
        own!(owner, by, reason);
        self.call(Kind::TakeEpoch, "take epoch", move |tx| group::take_epoch(tx, seen, &owner, &by, &reason, &notes)).await
    }

    async fn renew_lease(&self, fence: &Fence) -> Result<i64> {
        own!(fence);
        self.call(Kind::Renew, "renew lease", move |tx| group::renew_lease(tx, &fence)).await
    }

    async fn release_lease(&self, fence: &Fence, successor: Option<&str>) -> Result<()> {
        own!(fence);
        let successor = successor.map(str::to_owned);
        self.write("release lease", move |tx| group::release_lease(tx, &fence, successor.as_deref())).await
    }

    async fn set_failover(&self, fence: &Fence, failover: &Failover, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, failover);
        self.write("set failover", move |tx| group::set_failover(tx, &fence, &failover, &notes)).await
    }

    async fn try_life_lock(&self) -> Result<Option<Box<dyn LifeLock>>> {
        self.backend.try_life_lock().await
    }

    fn on_one_host(&self) -> bool {
        self.backend.on_one_host()
    }

    async fn prune(&self, fence: &Fence, tasks_before: Option<Millis>, events_before: Option<Millis>) -> Result<(usize, usize)> {
        own!(fence);
        self.write("prune", move |tx| tidy::prune(tx, &fence, tasks_before, events_before)).await
    }

    async fn trim(&self, fence: &Fence, what: &Trim) -> Result<(usize, Option<Trim>)> {
        own!(fence, what);
        self.write("trim", move |tx| tidy::trim(tx, &fence, &what)).await
    }

    async fn sizes(&self, limits: &Limits) -> Result<Vec<SizeOf>> {
        own!(limits);
        self.read_at_length("count sizes", move |tx| sizes::all(tx, &limits)).await
    }

    async fn cut_audit(&self, before: Millis, by: &str, reason: &str, row: &AuditDraft) -> Result<Option<AuditCut>> {
        own!(by, reason, row);
        self.write("cut audit log", move |tx| journal::cut_audit(tx, before, &by, &reason, &row)).await
    }

    async fn look_at_database(&self) -> Vec<Check> {
        self.backend.look().await
    }

    async fn back_up(
        &self, path: &Path, by: &str, server: &str, progress: Arc<Progress>,
    ) -> core::result::Result<Contents, BackupError> {
        self.save(path.to_owned(), by, server, progress).await
    }

    async fn shut_down(&self) {
        self.close_aside().await;
    }

    async fn announce(&self, member: &Member) -> Result<()> {
        own!(member);
        self.write("announce", move |tx| group::announce(tx, &member)).await
    }

    async fn group(&self) -> Result<Group> {
        let name = self.group.clone();
        let database = self.backend.shown();
        self.read("read group", move |tx| group::group(tx, &name, &database)).await
    }

    async fn put_switch(&self, record: &SwitchRecord, notes: Notes) -> Result<Vec<Event>> {
        own!(record);
        self.write("record switch", move |tx| group::put_switch(tx, &record, &notes)).await
    }

    async fn switches(&self, limit: u32) -> Result<Vec<SwitchRecord>> {
        self.read("read switches", move |tx| group::switches(tx, limit)).await
    }

    async fn switch_page(&self, filter: &SwitchFilter) -> Result<Page<SwitchRecord>> {
        let filter = filter.clone();
        self.read("read switches", move |tx| group::switch_page(tx, &filter)).await
    }

    async fn token_key(&self) -> Result<Vec<u8>> {
        self.write("token key", accounts::token_key).await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.read("read accounts", accounts::all).await
    }

    async fn account(&self, username: &str) -> Result<Option<StoredAccount>> {
        own!(username);
        self.read("read account", move |tx| accounts::one(tx, &username)).await
    }

    async fn create_account(&self, account: &StoredAccount, notes: Notes) -> Result<Vec<Event>> {
        own!(account);
        self.write("create account", move |tx| accounts::create(tx, &account, &notes)).await
    }

    async fn update_account(
        &self, username: &str, role: Option<Role>, disabled: Option<bool>, hash: Option<&str>, notes: Notes,
    ) -> Result<Vec<Event>> {
        own!(username); let hash = hash.map(str::to_owned);
        self.write("update account", move |tx| accounts::update(tx, &username, role, disabled, hash.as_deref(), &notes)).await
    }

    async fn revoke_token(&self, id: &str, expires_at: Millis, notes: Notes) -> Result<()> {
        own!(id);
        self.write("revoke token", move |tx| accounts::revoke_token(tx, &id, expires_at, &notes)).await
    }

    async fn token_state(&self) -> Result<TokenState> {
        self.read("read tokens", accounts::token_state).await
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Page<AuditRow>> {
        let filter = filter.clone();
        self.read("read audit", move |tx| journal::audit(tx, &filter)).await
    }

    async fn verify_audit(&self, noted: Option<&str>) -> Result<AuditChain> {
        let noted = noted.map(str::to_owned);
        self.read("verify audit", move |tx| journal::verify_audit(tx, noted.clone())).await
    }

    async fn signed_in(&self, username: &str, at: Millis, notes: Notes) -> Result<()> {
        own!(username);
        self.write("record sign-in", move |tx| accounts::signed_in(tx, &username, at, &notes)).await
    }

    async fn api_tokens(&self, username: Option<&str>) -> Result<Vec<ApiToken>> {
        let username = username.map(str::to_owned);
        self.read("read tokens", move |tx| tokens::all(tx, username.as_deref())).await
    }

    async fn create_api_token(&self, token: &ApiToken, notes: Notes) -> Result<Vec<Event>> {
        own!(token);
        self.write("create token", move |tx| tokens::create(tx, &token, &notes)).await
    }

    async fn end_api_token(&self, id: &str, username: Option<&str>, notes: Notes) -> Result<Vec<Event>> {
        own!(id);
        let username = username.map(str::to_owned);
        self.write("end token", move |tx| tokens::end(tx, &id, username.as_deref(), &notes)).await
    }

    async fn join_tokens(&self) -> Result<Vec<StoredJoinToken>> {
        self.read("read join tokens", joins::all).await
    }

    async fn join_token(&self, hash: &str) -> Result<Option<StoredJoinToken>> {
        own!(hash);
        self.read("read join token", move |tx| joins::by_hash(tx, &hash)).await
    }

    async fn create_join_token(&self, token: &StoredJoinToken, notes: Notes) -> Result<Vec<Event>> {
        own!(token);
        self.write("create join token", move |tx| joins::create(tx, &token, &notes)).await
    }

    async fn revoke_join_token(&self, id: &str, by: &str, notes: Notes) -> Result<Vec<Event>> {
        own!(id, by);
        self.write("revoke join token", move |tx| joins::revoke(tx, &id, &by, &notes)).await
    }

    async fn take_join_token(&self, hash: &str, server: &str, now: Millis, notes: Notes) -> Result<Option<Vec<Event>>> {
        own!(hash, server);
        self.write("use join token", move |tx| joins::take(tx, &hash, &server, now, &notes)).await
    }

    async fn note(&self, notes: Notes) -> Result<Vec<Event>> {
        self.write("note", move |tx| tx.notes(&notes)).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Page<Event>> {
        own!(filter);
        self.read("read events", move |tx| journal::events(tx, &filter)).await
    }

    async fn nodes(&self) -> Result<Vec<StoredNode>> {
        self.read("read nodes", nodes::all).await
    }

    async fn create_node(
        &self, fence: &Fence, node: &StoredNode, notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)> {
        own!(fence, node);
        self.write("create node", move |tx| nodes::create(tx, &fence, &node, &notes)).await
    }

    async fn update_node(
        &self, fence: &Fence, name: &str, version: i64, patch: &NodePatch, notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)> {
        own!(fence, name, patch);
        self.write("update node", move |tx| nodes::update(tx, &fence, &name, version, &patch, &notes)).await
    }

    async fn set_intent(
        &self, fence: &Fence, name: &str, version: i64, change: &IntentChange, by: &str, notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)> {
        own!(fence, name, change, by);
        self.write("set intent", move |tx| nodes::set_intent(tx, &fence, &name, version, &change, &by, &notes)).await
    }

    async fn remove_node(&self, fence: &Fence, name: &str, version: i64, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, name);
        self.write("remove node", move |tx| nodes::remove(tx, &fence, &name, version, &notes)).await
    }

    async fn record_capacity(
        &self, fence: &Fence, node: &str, point: &TimelinePoint, notes: Notes,
    ) -> Result<Vec<Event>> {
        own!(fence, node, point);
        self.write("record capacity", move |tx| nodes::record_capacity(tx, &fence, &node, &point, &notes)).await
    }

    async fn timeline(&self, node: &str, since: Millis) -> Result<Vec<TimelinePoint>> {
        own!(node);
        self.read("read timeline", move |tx| nodes::timeline(tx, &node, since)).await
    }

    async fn intent_passed(
        &self, fence: &Fence, name: &str, version: i64, by: &str, notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)> {
        own!(fence, name, by);
        self.write("end intent", move |tx| nodes::intent_passed(tx, &fence, &name, version, &by, &notes)).await
    }

    async fn last_points(&self) -> Result<Vec<(String, TimelinePoint)>> {
        self.read("read history", nodes::last_points).await
    }

    async fn points(&self, since: Millis, until: Millis, limit: u32) -> Result<Vec<(String, TimelinePoint)>> {
        self.read("read history", move |tx| nodes::points(tx, since, until, limit)).await
    }

    async fn setting(&self, name: &'static str) -> Result<Option<String>> {
        self.read("read setting", move |tx| settings::one(tx, name)).await
    }

    async fn put_setting(&self, fence: &Fence, name: &'static str, version: i64, value: &str, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, value);
        self.write("write setting", move |tx| settings::put(tx, &fence, name, version, &value, &notes)).await
    }

    async fn alerts(&self, ended: u32) -> Result<Vec<Alert>> {
        self.read("read alerts", move |tx| alerts::all(tx, ended)).await
    }

    async fn put_alerts(&self, fence: &Fence, alerts: &[Alert], deliveries: &[Delivery], notes: Notes) -> Result<Vec<Event>> {
        own!(fence, alerts, deliveries);
        self.write("write alerts", move |tx| alerts::put(tx, &fence, &alerts, &deliveries, &notes)).await
    }

    async fn due_deliveries(&self, before: Millis, limit: u32) -> Result<Vec<Delivery>> {
        self.read("read deliveries", move |tx| alerts::due(tx, before, limit)).await
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>> {
        self.read("read deliveries", move |tx| alerts::deliveries(tx, limit)).await
    }

    async fn put_delivery(&self, fence: &Fence, delivery: &Delivery, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, delivery);
        self.write("write delivery", move |tx| alerts::put_delivery(tx, &fence, &delivery, &notes)).await
    }

    async fn open_sessions(&self, fence: &Fence, sessions: &[SessionRow]) -> Result<()> {
        own!(fence, sessions);
        self.write("open sessions", move |tx| sessions::open(tx, &fence, &sessions)).await
    }

    async fn close_sessions(&self, fence: &Fence, ids: &[String]) -> Result<()> {
        own!(fence, ids);
        self.write("close sessions", move |tx| sessions::close(tx, &fence, &ids)).await
    }

    async fn sessions(&self) -> Result<Vec<SessionRow>> {
        self.read("read sessions", sessions::all).await
    }

    async fn submit_task(&self, fence: &Fence, task: &StoredTask, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, task);
        self.write("submit task", move |tx| tasks::submit(tx, &fence, &task, &notes)).await
    }

    async fn submit_and_start(
        &self, fence: &Fence, task: &StoredTask, start: &AttemptStart, session: Option<&SessionRow>, notes: Notes,
    ) -> Result<Vec<Event>> {
        own!(fence, task, start); let session = session.cloned();
        self.write("submit task", move |tx| tasks::submit_and_start(tx, &fence, &task, &start, session.as_ref(), &notes)).await
    }

    async fn start_attempt(
        &self, fence: &Fence, task: &str, start: &AttemptStart, session: Option<&SessionRow>, notes: Notes,
    ) -> Result<Vec<Event>> {
        own!(fence, task, start); let session = session.cloned();
        self.write("start attempt", move |tx| tasks::start_attempt(tx, &fence, &task, &start, session.as_ref(), &notes)).await
    }

    async fn end_attempt(&self, fence: &Fence, end: &AttemptEnd, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, end);
        self.write("end attempt", move |tx| tasks::end_attempt(tx, &fence, &end, &notes)).await
    }

    async fn cancel_queued(&self, fence: &Fence, task: &str, notes: Notes) -> Result<Vec<Event>> {
        own!(fence, task);
        self.write("cancel task", move |tx| tasks::cancel_queued(tx, &fence, &task, &notes)).await
    }

    async fn task(&self, id: &str) -> Result<Option<StoredTask>> {
        own!(id);
        self.read("read task", move |tx| task_rows::one(tx, &id)).await
    }

    async fn tasks(&self, states: &[TaskState], before: Option<&str>, limit: u32) -> Result<Page<Task>> {
        own!(states); let before = before.map(str::to_owned);
        self.read("read tasks", move |tx| task_rows::list(tx, &states, before.as_deref(), limit)).await
    }

    async fn open_tasks(&self) -> Result<Vec<StoredTask>> {
        self.read("read open tasks", task_rows::open).await
    }

    async fn console(&self, task: &str, from: u64, limit: u32) -> Result<Vec<ConsoleChunk>> {
        own!(task);
        self.read("read console", move |tx| task_rows::console(tx, &task, from, limit)).await
    }

    async fn put_blob(&self, sha256: &str, content: &[u8]) -> Result<()> {
        self.upload(sha256, content).await
    }

    async fn missing_blobs(&self, sha256: &[String]) -> Result<Vec<String>> {
        own!(sha256);
        self.read("look for content", move |tx| content::missing(tx, &sha256)).await
    }

    async fn read_blob(&self, sha256: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        own!(sha256);
        self.read("read content", move |tx| content::read(tx, &sha256, offset, length)).await
    }

    async fn files(&self, directory: Option<&str>) -> Result<Vec<FileMeta>> {
        let directory = directory.map(str::to_owned);
        self.read("read files", move |tx| files::list(tx, directory.as_deref())).await
    }

    async fn count_files(&self) -> Result<u64> {
        self.read("count files", files::count).await
    }

    async fn file(&self, id: &FileId, version: Option<i64>) -> Result<Option<FileMeta>> {
        own!(id);
        self.read("read file", move |tx| files::one(tx, &id, version)).await
    }

    async fn write_file(&self, fence: &Fence, write: &FileWrite, notes: Notes) -> Result<(FileMeta, Vec<Event>)> {
        own!(fence, write);
        self.write("write file", move |tx| files::write(tx, &fence, &write, &notes)).await
    }

    async fn delete_file(
        &self, fence: &Fence, id: &FileId, version: i64, by: &str, notes: Notes,
    ) -> Result<Vec<Event>> {
        own!(fence, id, by);
        self.write("delete file", move |tx| files::delete(tx, &fence, &id, version, &by, &notes)).await
    }

    async fn versions(&self, id: &FileId) -> Result<Vec<FileVersion>> {
        own!(id);
        self.read("read versions", move |tx| files::versions(tx, &id)).await
    }

    async fn manifest(&self, with: Option<&str>) -> Result<Manifest> {
        let (group, with) = (self.group.clone(), with.map(str::to_owned));
        self.read_at_length("read manifest", move |tx| listing::manifest(tx, &group, with.as_deref()).map(Some)).await?
            .ok_or_else(|| StoreError::Unavailable { operation: "read manifest", message: "it was not read".to_owned() })
    }

    async fn tree(&self, author: Option<&str>) -> Result<Tree> {
        let (group, author) = (self.group.clone(), author.map(str::to_owned));
        self.read("read the tree", move |tx| tree::read(tx, &group, author.as_deref())).await
    }

    async fn listings(&self, directories: &[(String, String)], with: Option<&str>) -> Result<Listings> {
        own!(directories);
        let with = with.map(str::to_owned);
        let length = directories.len() > 100;
        let read = move |tx: super::tx::Tx<'_>| listing::listings(tx, &directories, with.as_deref());
        if length { self.read_at_length("read listings", read).await } else { self.read("read listings", read).await }
    }

    async fn put_blobs(&self, contents: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.upload_all(contents).await
    }

    async fn put_part(&self, changeset: &str, sha256: &str, size: u64, offset: u64, bytes: &[u8]) -> Result<PartState> {
        self.upload_part(changeset, sha256, size, offset, bytes).await
    }

    async fn present_contents(&self, sha256: &[String]) -> Result<Vec<(String, u64)>> {
        own!(sha256);
        self.read("look for content", move |tx| content::present(tx, &sha256)).await
    }

    async fn changeset_sizes(&self, id: &str, sha256: &[String]) -> Result<Vec<(String, u64)>> {
        own!(id, sha256);
        self.read("read changeset", move |tx| changesets::sizes(tx, &id, &sha256)).await
    }

    async fn discard_changeset(&self, fence: &Fence, id: &str) -> Result<()> {
        own!(fence, id);
        self.write("discard changeset", move |tx| changesets::discard(tx, &fence, &id)).await
    }

    async fn changesets(&self, before: Option<&str>, limit: u32) -> Result<Vec<ChangesetRecord>> {
        let before = before.map(str::to_owned);
        self.read("read changesets", move |tx| changesets::history(tx, before.as_deref(), limit)).await
    }

    async fn changeset_report(&self, id: &str) -> Result<Option<Reported>> {
        own!(id);
        self.read_at_length("read a report", move |tx| changesets::report(tx, &id)).await
    }

    async fn judge_changeset(
        &self, fence: &Fence, id: &str, verdict: &HoldVerdict, notes: Notes,
    ) -> Result<(Hold, Vec<Event>)> {
        own!(fence, id, verdict);
        self.write("judge changeset", move |tx| holds::judge(tx, &fence, &id, &verdict, &notes)).await
    }

    async fn mend_tree(&self, fence: &Fence) -> Result<bool> {
        if self.read("look at the tree", tree::is_true).await? {
            return Ok(false);
        }
        own!(fence);
        self.write("mend the tree", move |tx| mend::step(tx, &fence, mend::STEP)).await
    }

    async fn keep_verification(&self, fence: &Fence, id: &str, found: &Verification) -> Result<()> {
        own!(fence, id, found);
        self.write("keep a verification", move |tx| changesets::verified(tx, &fence, &id, &found)).await
    }

    async fn files_behind(&self, after: Option<&FileId>, limit: u32) -> Result<Vec<FileMeta>> {
        let after = after.cloned();
        self.read("read files", move |tx| files::behind(tx, after.as_ref(), limit)).await
    }

    async fn open_changeset(&self, fence: &Fence, request: &ChangesetRequest, by: &str) -> Result<String> {
        self.stage(fence, request, by).await
    }

    async fn changeset(&self, id: &str) -> Result<Option<ChangesetRequest>> {
        own!(id);
        self.read("read changeset", move |tx| changesets::request(tx, &id)).await
    }

    async fn commit_changeset(
        &self, fence: &Fence, id: &str, by: &str, notes: Notes,
    ) -> Result<(Committed, Vec<Event>)> {
        own!(fence, id, by);
        self.write("commit changeset", move |tx| changesets::commit(tx, &fence, &id, &by, &notes)).await
    }
}
