//! Tasks: submit, look, cancel, console, plots and files.

use super::Http;
use super::extract::{Json, Params, Segments};
use super::given::{self, Given};
use super::journal::page_size;
use super::refusal::{Answer, Refusal};
use super::repository::one_time;
use crate::accounts::Actor;
use crate::store::Notes;
use crate::tasks::{Submission, TaskError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json as Answered};
use gridhelm_api::task::{ConsoleChunk, OneTimeLink, Source, Task, TaskRequest, TaskState};
use gridhelm_api::{Code, Page};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest code, bytes; also of a script that is run.
const MAX_CODE: u64 = 1 << 20;
/// The longest wait for an end, seconds.
const MAX_WAIT: u32 = 60;
/// How many pages a search looks at for one answer.
const PAGES_SEARCHED: usize = 20;
/// How often a task is looked for in the database once another server works on it.
const LOOK: Duration = Duration::from_millis(50);

impl From<TaskError> for Refusal {
    fn from(error: TaskError) -> Self {
        let text = format!("{error}.");
        match error {
            TaskError::NotActive(error) => error.into(),
            TaskError::QueueFull(_) | TaskError::NoSlot => {
                Self::new(Code::QueueFull, text).retry_after(Duration::from_secs(5))
            }
            TaskError::UserFull { .. } => {
                Self::new(Code::TooManyTasks, text).retry_after(Duration::from_secs(5))
            }
            TaskError::NotData(text) => Self::invalid("name", format!("{text}.")),
            TaskError::NotFound(id) => Self::not_found(format_args!("Task {id}")),
            TaskError::Conflict(_) => Self::new(Code::Conflict, text),
            TaskError::PackagesMissing(answer) => super::packages::missing(&answer, text),
            TaskError::Node(error) => Self::new(error.code, text),
            TaskError::Store(error) => error.into(),
            TaskError::Random(_) => {
                tracing::error!(error = text, "a task got no id");
                Self::new(Code::Internal, text)
            }
        }
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct Wait {
    /// How long to wait for the task's end, seconds, 0 to 60.
    wait: Option<u32>,
}

impl Wait {
    fn time(&self) -> Answer<Option<Duration>> {
        match self.wait {
            Some(seconds) if seconds > MAX_WAIT => {
                Err(Refusal::invalid("wait", "Give 0 to 60 seconds."))
            }
            wait => Ok(wait.map(|s| Duration::from_secs(s.into()))),
        }
    }
}

/// Accepts a task. With `wait` the answer is the task when it has ended, or as it is when the time is over.
pub(crate) async fn submit(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(wait): Params<Wait>,
    Json(request): Json<TaskRequest>,
) -> Answer<(StatusCode, Answered<Task>)> {
    let errors = request.check();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let wait = wait.time()?;
    let submission = resolve(&http, &actor, request, wait.is_some()).await?;
    let tasks = &http.app.tasks;
    let Some(wait) = wait else {
        let task = tasks.submit(submission).await?;
        return Ok((StatusCode::ACCEPTED, Answered(task)));
    };
    let task = tasks.submit(submission).await?;
    let task = ended(&http, &task.id, wait).await?;
    let status = if task.state.is_final() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Answered(task)))
}

/// A task when it has ended, or as it is when the time is over. One that nothing more happens to here and
/// that has not ended ends at another server, which took the active role meanwhile: that is read from the
/// database.
async fn ended(http: &Http, id: &str, within: Duration) -> Answer<Task> {
    let until = Instant::now() + within;
    let settled = |t: &Task| t.state.is_final() || t.state == TaskState::Uncertain;
    let mut standing = http.app.standing.clone();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let handed_over = async {
            // The guard that `wait_for` gives must not live across an await.
            let _ = standing.wait_for(|s| s.fence().is_err()).await.map(drop);
        };
        let seen = tokio::select! {
            biased;
            task = http.app.tasks.wait(id, left) => task?,
            () = handed_over => {
                tokio::time::sleep(LOOK.min(left)).await;
                http.app.store.task(id).await?.map(|t| t.task)
            }
        };
        let task = seen.ok_or_else(|| Refusal::not_found(format_args!("Task {id}")))?;
        if settled(&task) || Instant::now() >= until {
            return Ok(task);
        }
        tokio::time::sleep(LOOK.min(left)).await;
    }
}

/// The request with the code that it will run.
async fn resolve(
    http: &Http,
    actor: &Actor,
    request: TaskRequest,
    waited_for: bool,
) -> Answer<Submission> {
    let (code, title, script, script_version) = match &request.source {
        Source::Code { code } => (code.clone(), "Code".to_owned(), None, None),
        Source::Script { file, version } => {
            let meta = http.repository.file(file, *version, actor).await?;
            let path = file.path();
            if meta.size > MAX_CODE {
                let text = format!("{path} is larger than 1 MiB and cannot be run as a script.");
                return Err(Refusal::invalid("source", text));
            }
            let bytes = http
                .app
                .store
                .read_blob(&meta.sha256, 0, meta.size)
                .await?
                .ok_or_else(|| Refusal::not_found(format_args!("The content of {path}")))?;
            let code = String::from_utf8(bytes).map_err(|_| {
                Refusal::invalid(
                    "source",
                    format!("{path} is not text in UTF-8; R cannot run it."),
                )
            })?;
            (code, path, Some(file.clone()), Some(meta.version))
        }
    };
    let mut audit = actor.audit("task.submit", &title);
    audit.after = script_version.map(|v| serde_json::json!({ "version": v }));
    Ok(Submission {
        request,
        code,
        title,
        script,
        script_version,
        by: actor.name.clone(),
        waited_for,
        notes: Notes {
            events: Vec::new(),
            audit: vec![audit],
        },
    })
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct TasksQuery {
    /// Only of these states, with commas between them.
    #[serde(default)]
    state: String,
    /// A text in the id or the title.
    #[serde(default)]
    q: String,
    /// The `next` of the page before.
    before: Option<String>,
    /// At most so many, 1 to 1,000; the default is 100.
    limit: Option<u32>,
}

/// Newest first; `state` takes several, with commas between them; `q` is a text in id or title.
pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Params(query): Params<TasksQuery>,
) -> Answer<Answered<Page<Task>>> {
    let states: Result<Vec<TaskState>, _> = query
        .state
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(|s| serde_json::from_value(s.into()))
        .collect();
    let states = states.map_err(|_| {
        Refusal::invalid(
            "state",
            "Give queued, running, succeeded, failed, cancelled or uncertain, with commas between them.",
        )
    })?;
    let limit = page_size(query.limit)?;
    let mut page = Page {
        items: Vec::new(),
        next: query.before,
        total: None,
    };
    let wanted = query.q.to_lowercase();
    // A search looks at pages until it has filled one or has looked at enough; `next` goes on from there.
    for _ in 0..PAGES_SEARCHED {
        let before = page.next.take();
        let found = http
            .app
            .store
            .tasks(&states, before.as_deref(), limit)
            .await?;
        page.next = found.next;
        for task in found.items {
            if page.items.len() == limit as usize {
                page.next = page.items.last().map(|t: &Task| t.id.clone());
                break;
            }
            if matches(&task, &wanted) {
                page.items.push(task);
            }
        }
        if page.next.is_none() || page.items.len() == limit as usize {
            break;
        }
    }
    Ok(Answered(page))
}

fn matches(task: &Task, wanted: &str) -> bool {
    task.id.contains(wanted) || task.title.to_lowercase().contains(wanted)
}

async fn find(http: &Http, id: &str) -> Answer<Task> {
    ended(http, id, Duration::ZERO).await
}

/// One task; with `wait` when it has ended, or as it is when the time is over.
pub(crate) async fn one(
    State(http): State<Arc<Http>>,
    Segments(id): Segments<String>,
    Params(wait): Params<Wait>,
) -> Answer<Answered<Task>> {
    let wait = wait.time()?.unwrap_or_default();
    ended(&http, &id, wait).await.map(Answered)
}

pub(crate) async fn cancel(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
) -> Answer<Answered<Task>> {
    let notes = Notes {
        events: Vec::new(),
        audit: vec![actor.audit("task.cancel", &id)],
    };
    http.app.tasks.cancel(&id, &actor.name, notes).await?;
    find(&http, &id).await.map(Answered)
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct ConsoleQuery {
    /// From the piece with this number on.
    #[serde(default)]
    from: u64,
}

pub(crate) async fn console(
    State(http): State<Arc<Http>>,
    Segments(id): Segments<String>,
    Params(query): Params<ConsoleQuery>,
) -> Answer<Answered<Vec<ConsoleChunk>>> {
    find(&http, &id).await?;
    Ok(Answered(http.app.tasks.console(&id, query.from).await?))
}

async fn artifact_of(http: &Http, id: &str, name: &str) -> Answer<Given> {
    let task = find(http, id).await?;
    let artifact = task.artifacts.into_iter().find(|a| a.name == name);
    let artifact =
        artifact.ok_or_else(|| Refusal::not_found(format_args!("{name} of task {id}")))?;
    Ok(Given {
        sha256: artifact.sha256,
        size: artifact.size,
        name: artifact.name,
    })
}

pub(crate) async fn artifact(
    State(http): State<Arc<Http>>,
    Segments((id, name)): Segments<(String, String)>,
) -> Answer<Response> {
    let given = artifact_of(&http, &id, &name).await?;
    given::give(&http, given).await
}

pub(crate) async fn link(
    State(http): State<Arc<Http>>,
    Segments((id, name)): Segments<(String, String)>,
) -> Answer<Answered<OneTimeLink>> {
    let given = artifact_of(&http, &id, &name).await?;
    one_time(&http, given)
}
