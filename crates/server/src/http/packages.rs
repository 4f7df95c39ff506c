//! R packages of the nodes.

use super::Http;
use super::extract::{Json, Segments};
use super::refusal::{Answer, Refusal};
use crate::accounts::Actor;
use crate::grid::packages::ReadError;
use crate::tasks::install_title;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json as Answered};
use gridhelm_api::Code;
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::packages::{
    GridPackages, NodePackages, PackageInstall, PackagesAnswer, PackagesQuestion,
};
use gridhelm_api::task::Task;
use serde_json::json;
use std::sync::Arc;

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(node) => Self::not_found(format_args!("Node {node}")),
            ReadError::Node(error) => Self::new(error.code, format!("{error}.")),
        }
    }
}

fn with_task(http: &Http, mut packages: NodePackages) -> NodePackages {
    packages.task = http.app.tasks.installs().remove(&packages.node);
    packages
}

pub(crate) async fn grid(State(http): State<Arc<Http>>) -> Answered<GridPackages> {
    let mut packages = http.app.grid.all_packages().await;
    let mut installs = http.app.tasks.installs();
    for node in &mut packages.nodes {
        node.task = installs.remove(&node.node);
    }
    Answered(packages)
}

/// Which of these packages are missing where.
pub(crate) async fn check(
    State(http): State<Arc<Http>>,
    Json(question): Json<PackagesQuestion>,
) -> Answer<Answered<PackagesAnswer>> {
    let errors = question.check();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let names = question.names.into_iter().collect();
    Ok(Answered(http.app.grid.lacking_anywhere(&names)))
}

pub(crate) async fn of_node(
    State(http): State<Arc<Http>>,
    Segments(name): Segments<String>,
) -> Answer<Answered<NodePackages>> {
    let packages = http.app.grid.packages(&name);
    let packages = packages.ok_or_else(|| Refusal::not_found(format_args!("Node {name}")))?;
    Ok(Answered(with_task(&http, packages)))
}

/// Reads a node's packages now.
pub(crate) async fn refresh(
    State(http): State<Arc<Http>>,
    Segments(name): Segments<String>,
) -> Answer<Answered<NodePackages>> {
    let packages = http.app.grid.read_packages(&name).await?;
    Ok(Answered(with_task(&http, packages)))
}

/// Installs packages, as a task on that node.
pub(crate) async fn install(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
    Json(mut order): Json<PackageInstall>,
) -> Answer<(StatusCode, Answered<Task>)> {
    let errors = order.check();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    if http.app.grid.packages(&name).is_none() {
        return Err(Refusal::not_found(format_args!("Node {name}")));
    }
    order.reason = order.reason.trim().to_owned();
    let title = install_title(&name, &order);
    let message = format!("{title}: {}", order.reason);
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "packages.install",
        &name,
        message,
    );
    let mut audit = actor.audit("packages.install", &name);
    audit.after = Some(json!({ "names": order.names, "outdated": order.outdated }));
    audit.reason = Some(order.reason.clone());
    let notes = actor.notes(audit, event);
    let tasks = &http.app.tasks;
    let task = tasks.install(&name, &order, &actor.name, notes).await?;
    Ok((StatusCode::ACCEPTED, Answered(task)))
}

/// The code of a problem with missing packages; its fields name package and nodes.
pub(super) fn missing(answer: &PackagesAnswer, text: String) -> Refusal {
    let errors = answer.lacked.iter().map(|package| {
        let message = format!("Missing on {}.", package.nodes.join(", "));
        gridhelm_api::FieldError::new(package.name.clone(), message)
    });
    Refusal::from(gridhelm_api::Problem {
        errors: errors.take(100).collect(),
        ..gridhelm_api::Problem::new(Code::PackagesMissing, text)
    })
}
