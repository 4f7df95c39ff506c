//! Files of the session's host, through Rserve's file commands.

use super::{Answer, Connection, Reply};
use crate::Error;
use crate::error::bounded;
use crate::qap::{self, Request};

/// Bytes moved in one command: well below any `maxinbuf`, large enough that round trips do not count.
const CHUNK: u32 = 512 * 1024;
/// Longest path that is sent, bytes (Linux's `PATH_MAX`).
const MAX_PATH: usize = 4096;

impl Connection {
    /// Writes `content` into the file at `path`, replacing what is there. A relative path counts
    /// from the session's present directory. Rserve knows no fence but the node's user.
    pub async fn upload(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.file(
            "create",
            path,
            self.path_request(qap::CMD_CREATE_FILE, "create", path)?,
        )
        .await?;
        for chunk in content.chunks(CHUNK as usize) {
            let written = self
                .file(
                    "write",
                    path,
                    Request::new(qap::CMD_WRITE_FILE).bytes(chunk).finish(),
                )
                .await;
            if let Err(error) = written {
                self.close_file_quietly(&error).await;
                return Err(error);
            }
        }
        self.file("close", path, Request::new(qap::CMD_CLOSE_FILE).finish())
            .await?;
        Ok(())
    }

    /// Reads the file at `path`, if it holds at most `max_bytes`.
    pub async fn download(&mut self, path: &str, max_bytes: u64) -> Result<Vec<u8>, Error> {
        self.file(
            "open",
            path,
            self.path_request(qap::CMD_OPEN_FILE, "open", path)?,
        )
        .await?;
        let mut content = Vec::new();
        let result = loop {
            match self
                .file(
                    "read",
                    path,
                    Request::new(qap::CMD_READ_FILE).int(CHUNK).finish(),
                )
                .await
            {
                Ok(chunk) if chunk.is_empty() => break Ok(()),
                Ok(chunk) => content.extend_from_slice(&chunk),
                Err(error) => break Err(error),
            }
            if content.len() as u64 > max_bytes {
                break Err(Error::TooLarge {
                    endpoint: self.endpoint.clone(),
                    what: format!("the file '{}'", bounded(path, 200)),
                    bytes: content.len() as u64,
                    limit: max_bytes,
                    ended: false,
                });
            }
        };
        if let Err(error) = result {
            self.close_file_quietly(&error).await;
            return Err(error);
        }
        self.file("close", path, Request::new(qap::CMD_CLOSE_FILE).finish())
            .await?;
        Ok(content)
    }

    /// Removes the file at `path`.
    pub async fn remove_file(&mut self, path: &str) -> Result<(), Error> {
        self.file(
            "remove",
            path,
            self.path_request(qap::CMD_REMOVE_FILE, "remove", path)?,
        )
        .await?;
        Ok(())
    }

    fn path_request(
        &self,
        command: u32,
        action: &'static str,
        path: &str,
    ) -> Result<Vec<u8>, Error> {
        let refuse = |reason: &str| Error::File {
            endpoint: self.endpoint.clone(),
            action,
            path: bounded(path, 200).escape_default().to_string(),
            reason: reason.to_owned(),
        };
        if path.is_empty() || path.contains('\0') {
            return Err(refuse("the path is empty or contains a NUL character"));
        }
        if path.len() > MAX_PATH {
            return Err(refuse("the path is longer than 4096 bytes"));
        }
        Ok(Request::new(command).string(path).finish())
    }

    async fn file(
        &mut self,
        action: &'static str,
        path: &str,
        request: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        match self.request(request, Answer::Bytes, |_| {}).await? {
            Reply::Bytes(body) => Ok(body),
            Reply::Value(_) => Ok(Vec::new()),
            Reply::Failed(qap::ERR_IO) => Err(Error::File {
                endpoint: self.endpoint.clone(),
                action,
                path: bounded(path, 200).escape_default().to_string(),
                reason: "the node reports an input/output error: the file may not exist, its directory may be missing or closed to the node's user, or the disk may be full".to_owned(),
            }),
            Reply::Failed(status) => Err(self.refused("use files", status)),
        }
    }

    /// After a failure the file is still open in the session. What the close says adds nothing.
    async fn close_file_quietly(&mut self, error: &Error) {
        if error.leaves_session_usable() {
            let _ = self
                .request(
                    Request::new(qap::CMD_CLOSE_FILE).finish(),
                    Answer::Bytes,
                    |_| {},
                )
                .await;
        }
    }
}
