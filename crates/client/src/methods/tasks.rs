//! Tasks, their console output and what they left.

use gridhelm_api::Page;
use gridhelm_api::task::{ConsoleChunk, OneTimeLink, Task, TaskRequest};

use super::{Client, add_number, add_some, path};
use crate::error::Result;
use crate::request::{Body, Method, add_query};

/// Which tasks a list shall have, newest first.
#[derive(Clone, Debug, Default)]
pub struct TaskQuery {
    /// States, comma between them; all when empty.
    pub state: String,
    /// Text that id or title must contain.
    pub q: String,
    /// The `next` of the page before.
    pub before: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
}

impl Client {
    /// Tasks, newest first.
    pub async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let mut url = "/tasks".to_owned();
        add_some(&mut url, "state", Some(&query.state));
        add_some(&mut url, "q", Some(&query.q));
        add_some(&mut url, "before", query.before.as_deref());
        add_number(&mut url, "limit", query.limit.map(i64::from));
        self.get(&url).await
    }

    /// Submits a task.
    pub async fn submit(&self, task: &TaskRequest) -> Result<Task> {
        self.call(Method::Post, "/tasks", Body::json(task), None)
            .await
    }

    /// One task, whole.
    pub async fn task(&self, id: &str) -> Result<Task> {
        self.get(&path(&["tasks", id])).await
    }

    /// A task's console output from the piece numbered `from` on.
    pub async fn console(&self, id: &str, from: u64) -> Result<Vec<ConsoleChunk>> {
        let mut url = path(&["tasks", id, "console"]);
        add_query(&mut url, "from", &from.to_string());
        self.get(&url).await
    }

    /// Ends a task.
    pub async fn cancel(&self, id: &str) -> Result<Task> {
        self.call(
            Method::Post,
            &path(&["tasks", id, "cancel"]),
            Body::None,
            None,
        )
        .await
    }

    /// A plot or file that a task left.
    pub async fn artifact(&self, id: &str, name: &str) -> Result<Vec<u8>> {
        self.content(&path(&["tasks", id, "artifacts", name])).await
    }

    /// An address under which the browser itself can fetch a plot or file, once.
    pub async fn artifact_link(&self, id: &str, name: &str) -> Result<OneTimeLink> {
        self.call(
            Method::Post,
            &path(&["tasks", id, "artifacts", name, "link"]),
            Body::None,
            None,
        )
        .await
    }
}
