//! R packages of the nodes.

use gridhelm_api::packages::{
    GridPackages, NodePackages, PackageInstall, PackagesAnswer, PackagesQuestion,
};
use gridhelm_api::task::Task;

use super::{Client, SLOW, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method};

impl Client {
    /// The packages of the grid, and what differs between its nodes.
    pub async fn packages(&self) -> Result<GridPackages> {
        self.get("/packages").await
    }

    /// The packages of a node, as they were last read.
    pub async fn node_packages(&self, node: &str) -> Result<NodePackages> {
        self.get(&path(&["nodes", node, "packages"])).await
    }

    /// Has the packages of a node read now.
    pub async fn read_packages(&self, node: &str) -> Result<NodePackages> {
        let url = path(&["nodes", node, "packages", "refresh"]);
        let mut request = self.request(Method::Post, &url, Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Which of these packages are missing on nodes that take work.
    pub async fn check_packages(&self, question: &PackagesQuestion) -> Result<PackagesAnswer> {
        let body = Body::json(question);
        self.call(Method::Post, "/packages/check", body, None).await
    }

    /// Installs packages on a node, as a task there.
    pub async fn install_packages(&self, node: &str, order: &PackageInstall) -> Result<Task> {
        let url = path(&["nodes", node, "packages"]);
        let mut request = self.request(Method::Post, &url, Body::json(order));
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }
}
