//! Tasks.

use crate::http::openapi::operation::{Operation, operation};
use crate::http::tasks::{ConsoleQuery, TasksQuery, Wait};
use gridhelm_api::task::{ConsoleChunk, OneTimeLink, Task, TaskRequest};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation("POST", "/api/v1/tasks", "submitTask", "Runs a script or code on the grid")
            .notes(
                "The answer comes after the commit: a task that was acknowledged is not lost. With `wait` it comes when the \
                 task has ended, or as it is when the time is over. R's own error is a task that failed, not a problem.",
            )
            .query::<Wait>()
            .takes::<TaskRequest>()
            .gives::<Task>(200, "The task has ended.")
            .gives::<Task>(202, "The task is accepted; it waits or runs."),
        operation("GET", "/api/v1/tasks", "listTasks", "Tasks, newest first")
            .query::<TasksQuery>()
            .gives_page::<Task>("A page of them, without values, outputs and traces."),
        operation("GET", "/api/v1/tasks/{id}", "getTask", "One task")
            .query::<Wait>()
            .gives::<Task>(200, "The task, with its value and outputs."),
        operation("POST", "/api/v1/tasks/{id}/cancel", "cancelTask", "Cancels a task")
            .notes("One that runs is interrupted, and its session is ended when it does not heed that.")
            .gives::<Task>(200, "The task as it is now; it may take 2 s to end."),
        operation("GET", "/api/v1/tasks/{id}/console", "getConsole", "What a task printed")
            .query::<ConsoleQuery>()
            .gives_list::<ConsoleChunk>("Pieces of output, in order."),
        operation(
            "GET",
            "/api/v1/tasks/{id}/artifacts/{name}",
            "getArtifact",
            "A plot or a file that a task left",
        )
        .gives_bytes("The content, as an attachment."),
        operation(
            "POST",
            "/api/v1/tasks/{id}/artifacts/{name}/link",
            "linkArtifact",
            "An address at which a browser can fetch it once",
        )
        .gives::<OneTimeLink>(200, "The address; good for a minute."),
    ]
}
