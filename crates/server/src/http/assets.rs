//! The built console, served from its folder, and `/deployment.json`.
//!
//! The folder is read into memory as a list of what there is; a request can name only what is on that list,
//! so no path leads out of the folder. The list is made again when `index.html` has changed.

use super::Http;
use super::policy::policy;
use super::refusal::{Answer, Refusal};
use crate::config::Config;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gridhelm_api::Code;
use gridhelm_api::deployment::Deployment;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// The most files, and bytes of files, that a console may have.
const MAX_FILES: usize = 2000;
const MAX_BYTES: u64 = 64 << 20;
/// The largest `deployment.json`.
const MAX_DEPLOYMENT: u64 = 1 << 20;

/// One file in the forms that it may be sent in.
#[derive(Clone)]
struct Asset {
    kind: &'static str,
    tag: HeaderValue,
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    immutable: bool,
}

struct Loaded {
    changed: Option<SystemTime>,
    files: BTreeMap<String, Asset>,
    policy: HeaderValue,
}

/// The console's files.
pub(crate) struct Assets {
    folder: Option<PathBuf>,
    deployment: Option<PathBuf>,
    loaded: RwLock<Option<Arc<Loaded>>>,
}

impl Assets {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            folder: config.console_dir.clone(),
            deployment: config.deployment_file.clone(),
            loaded: RwLock::new(None),
        }
    }

    /// The list as it is now; made again when `index.html` is another than the one that was read.
    fn current(&self) -> io::Result<Option<Arc<Loaded>>> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let changed = fs::metadata(folder.join("index.html"))?.modified().ok();
        let known = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = known.as_ref().filter(|l| l.changed == changed) {
            return Ok(Some(Arc::clone(loaded)));
        }
        drop(known);
        let loaded = Arc::new(Loaded {
            changed,
            files: load(folder)?,
            policy: policy(self.read_deployment().ok().flatten().as_ref()),
        });
        let mut known = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&loaded));
        Ok(Some(loaded))
    }

    fn deployment_text(&self) -> io::Result<Option<String>> {
        let Some(path) = &self.deployment else {
            return Ok(None);
        };
        if fs::metadata(path)?.len() > MAX_DEPLOYMENT {
            return Err(io::Error::other("it is larger than 1 MiB"));
        }
        fs::read_to_string(path).map(Some)
    }

    fn read_deployment(&self) -> io::Result<Option<Deployment>> {
        let text = self.deployment_text()?;
        text.map(|t| serde_json::from_str(&t).map_err(io::Error::other))
            .transpose()
    }
}

/// Reads the folder. Links that lead out of it are left out.
fn load(folder: &Path) -> io::Result<BTreeMap<String, Asset>> {
    let root = folder.canonicalize()?;
    let mut raw: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut waiting = vec![root.clone()];
    let mut bytes = 0;
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path().canonicalize()?;
            let Ok(inside) = path.strip_prefix(&root) else {
                continue;
            };
            let Some(name) = inside.to_str().map(str::to_owned) else {
                continue;
            };
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            bytes += fs::metadata(&path)?.len();
            if raw.len() >= MAX_FILES || bytes > MAX_BYTES {
                return Err(io::Error::other(
                    "the console's folder has more than 2000 files or 64 MiB",
                ));
            }
            raw.insert(name, fs::read(&path)?.into());
        }
    }
    let files = raw
        .iter()
        .filter(|(name, _)| !is_packed(name, &raw))
        .map(|(name, plain)| (name.clone(), asset(name, plain, &raw)))
        .collect();
    Ok(files)
}

/// Whether a file is the compressed form of another.
fn is_packed(name: &str, raw: &BTreeMap<String, Bytes>) -> bool {
    [".br", ".gz"]
        .iter()
        .filter_map(|e| name.strip_suffix(e))
        .any(|plain| raw.contains_key(plain))
}

fn asset(name: &str, plain: &Bytes, raw: &BTreeMap<String, Bytes>) -> Asset {
    let packed = |ending: &str| raw.get(&format!("{name}{ending}")).cloned();
    Asset {
        kind: kind(name),
        tag: tag(plain),
        plain: plain.clone(),
        brotli: packed(".br"),
        gzip: packed(".gz"),
        immutable: is_hashed(name),
    }
}

fn tag(content: &[u8]) -> HeaderValue {
    use sha2::{Digest, Sha256};
    let hash = crate::random::to_hex(&Sha256::digest(content)[..12]);
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"-\""))
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, e)| e) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

/// Whether a name carries a hash of its content, as the build writes them: `gridhelm-1a2b3c4d5e6f7a8b.js`,
/// `…_bg.wasm`. Such a name never gets another content.
fn is_hashed(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.split('.').next().unwrap_or(file);
    let stem = stem.strip_suffix("_bg").unwrap_or(stem);
    stem.rsplit_once('-').is_some_and(|(_, hash)| {
        hash.len() >= 8
            && hash.bytes().all(|b| b.is_ascii_hexdigit())
            && hash.bytes().any(|b| b.is_ascii_digit())
    })
}

/// The console's page.
pub(crate) async fn index(State(http): State<Arc<Http>>, headers: HeaderMap) -> Answer<Response> {
    send(&http, "index.html", &headers).await
}

/// A file of the console, or a problem.
pub(crate) async fn file(State(http): State<Arc<Http>>, request: Request) -> Answer<Response> {
    let get = request.method().is_safe();
    let name = request.uri().path().trim_start_matches('/').to_owned();
    if !get || name.starts_with("api/") {
        return Err(super::edge::unknown_route(&request));
    }
    send(&http, &name, request.headers()).await
}

async fn send(http: &Arc<Http>, name: &str, headers: &HeaderMap) -> Answer<Response> {
    let here = Arc::clone(http);
    let loaded = tokio::task::spawn_blocking(move || here.assets.current())
        .await
        .map_err(|e| io::Error::other(e.to_string()))
        .flatten();
    let loaded = loaded.map_err(|error| {
        tracing::error!(%error, "the console's folder cannot be read");
        Refusal::new(
            Code::Internal,
            "The console's files cannot be read; check console_dir in the configuration.",
        )
    })?;
    let found = loaded.as_ref().and_then(|l| Some((l, l.files.get(name)?)));
    let Some((loaded, asset)) = found else {
        let shown: String = name.chars().take(200).collect();
        let text = format!("/{shown} is not an address of this server.");
        return Err(Refusal::new(Code::UnknownRoute, text));
    };
    let mut response = pick(asset, headers);
    if asset.kind.starts_with("text/html") {
        let policy = loaded.policy.clone();
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// The form that the client takes, or 304 when it has it already.
fn pick(asset: &Asset, headers: &HeaderMap) -> Response {
    let has =
        |name, wanted: &HeaderValue| headers.get(name).is_some_and(|v: &HeaderValue| v == wanted);
    let cache = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let (body, encoding) = if takes(headers, "br") && asset.brotli.is_some() {
        (asset.brotli.clone(), Some("br"))
    } else if takes(headers, "gzip") && asset.gzip.is_some() {
        (asset.gzip.clone(), Some("gzip"))
    } else {
        (Some(asset.plain.clone()), None)
    };
    let mut response = if has(header::IF_NONE_MATCH, &asset.tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(body.unwrap_or_default()));
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        if let Some(encoding) = encoding {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(header::ETAG, asset.tag.clone());
    response
}

/// Whether the client takes this encoding (RFC 9110, 12.5.3; `q=0` says no).
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|part| {
            let mut part = part.split(';').map(str::trim);
            part.next()
                .is_some_and(|p| p.eq_ignore_ascii_case(encoding))
                && part.all(|q| {
                    q.strip_prefix("q=")
                        .and_then(|q| q.parse::<f32>().ok())
                        .is_none_or(|q| q > 0.0)
                })
        })
}

/// `/deployment.json` as configured; 404 where none is.
pub(crate) async fn deployment(State(http): State<Arc<Http>>) -> Answer<Response> {
    let here = Arc::clone(&http);
    let text = tokio::task::spawn_blocking(move || here.assets.deployment_text())
        .await
        .map_err(|e| io::Error::other(e.to_string()))
        .flatten();
    let text = text.map_err(|error| {
        tracing::error!(%error, "the deployment file cannot be read");
        Refusal::new(
            Code::Internal,
            "The deployment file cannot be read; check deployment_file in the configuration.",
        )
    })?;
    let text = text.ok_or_else(|| Refusal::not_found("A deployment file at this server"))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, text).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_hashed_names_are_kept_for_a_year() {
        for name in [
            "gridhelm-console-1a2b3c4d5e6f7a8b.js",
            "a-1a2b3c4d5e6f7a8b_bg.wasm",
            "css/x-0123abcd.css",
        ] {
            assert!(is_hashed(name), "{name}");
        }
        for name in [
            "index.html",
            "boot.js",
            "plex-mono-400.woff2",
            "x-deadbeef.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn encodings_are_taken_as_told() {
        let headers = |text: &str| {
            let mut h = HeaderMap::new();
            h.insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_str(text).unwrap(),
            );
            h
        };
        assert!(takes(&headers("gzip, deflate, br"), "br"));
        assert!(takes(&headers("br;q=0.5"), "br"));
        assert!(!takes(&headers("gzip, br;q=0"), "br"));
        assert!(!takes(&headers("brotli"), "br"));
        assert!(!takes(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn what_lies_outside_the_folder_is_not_on_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let console = dir.path().join("console");
        fs::create_dir_all(console.join("css")).unwrap();
        fs::write(dir.path().join("secret.txt"), "s").unwrap();
        fs::write(console.join("index.html"), "<p>").unwrap();
        fs::write(console.join("index.html.br"), "b").unwrap();
        fs::write(console.join("css/a.css"), "c").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret.txt"), console.join("s.txt")).unwrap();
        let files = load(&console).unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["css/a.css", "index.html"]);
        assert_eq!(files["index.html"].brotli.as_deref(), Some(&b"b"[..]));
    }
}
