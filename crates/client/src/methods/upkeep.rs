//! Backups, sizes, and the bundle for support.

use gridhelm_api::task::OneTimeLink;
use gridhelm_api::upkeep::{Backups, Sizes};

use super::{Client, SLOW, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method};

impl Client {
    /// The backups that this server has, and the one that it makes.
    pub async fn backups(&self) -> Result<Backups> {
        self.get("/backups").await
    }

    /// Begins a backup at this server.
    pub async fn make_backup(&self) -> Result<Backups> {
        self.call(Method::Post, "/backups", Body::None, None).await
    }

    /// Removes a backup of this server.
    pub async fn remove_backup(&self, name: &str) -> Result<()> {
        let url = path(&["backups", name]);
        platform::send(self.request(Method::Delete, &url, Body::None)).await?;
        Ok(())
    }

    /// A one-time address of a backup's file.
    pub async fn backup_link(&self, name: &str) -> Result<OneTimeLink> {
        let url = path(&["backups", name, "link"]);
        self.call(Method::Post, &url, Body::None, None).await
    }

    /// How much the database holds of each kind of thing.
    pub async fn sizes(&self) -> Result<Sizes> {
        let mut request = self.request(Method::Get, "/sizes", Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// A one-time address of a bundle for support, which is made now.
    pub async fn support_link(&self) -> Result<OneTimeLink> {
        let mut request = self.request(Method::Post, "/support-bundle/link", Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }
}
