//! Requests by the browser's `fetch`. Dropping the future, or the stream, aborts the request.

use std::cell::Cell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, ReadableStreamDefaultReader, RequestCache, RequestCredentials, RequestInit,
    RequestMode, Response,
};

use crate::curl;
use crate::error::{Error, Result, bare};
use crate::request::{Answer, Body, Request};

/// Aborts its request when dropped or when its time is over.
struct Guard {
    controller: AbortController,
    timed_out: Rc<Cell<bool>>,
    timer: Option<Timeout>,
}

impl Guard {
    fn new(seconds: u32) -> core::result::Result<Self, JsValue> {
        let controller = AbortController::new()?;
        let timed_out = Rc::new(Cell::new(false));
        let timer = {
            let (controller, timed_out) = (controller.clone(), Rc::clone(&timed_out));
            Timeout::new(seconds.saturating_mul(1000), move || {
                timed_out.set(true);
                controller.abort();
            })
        };
        Ok(Self {
            controller,
            timed_out,
            timer: Some(timer),
        })
    }

    fn error(&self, url: &str, seconds: u32, cause: &JsValue) -> Error {
        if self.timed_out.get() {
            return Error::TimedOut {
                url: bare(url),
                seconds,
            };
        }
        let message = Reflect::get(cause, &JsValue::from_str("message"))
            .ok()
            .and_then(|message| message.as_string());
        Error::Network {
            url: bare(url),
            detail: message.unwrap_or_else(|| "the connection failed".to_owned()),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // After the answer has been read in full, this does nothing.
        self.controller.abort();
    }
}

/// Milliseconds since some moment; a change of the clock shows.
pub(crate) fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// Waits.
pub(crate) async fn sleep(ms: u32) {
    gloo_timers::future::TimeoutFuture::new(ms).await;
}

async fn fetch(request: &Request<'_>, guard: &Guard) -> core::result::Result<Response, JsValue> {
    let options = RequestInit::new();
    options.set_method(request.method.name());
    options.set_mode(RequestMode::Cors);
    options.set_credentials(RequestCredentials::Omit);
    options.set_cache(RequestCache::NoStore);
    options.set_signal(Some(&guard.controller.signal()));
    match &request.body {
        Body::None => {}
        Body::Json(text) => options.set_body(&JsValue::from_str(text)),
        Body::Bytes(bytes) => options.set_body(&Uint8Array::from(bytes.as_slice()).into()),
    }
    let fetched = web_sys::Request::new_with_str_and_init(&request.url, &options)?;
    let headers = fetched.headers();
    if let Some(token) = request.token {
        headers.set("authorization", &["Bearer ", token.secret()].concat())?;
    }
    match &request.body {
        Body::Json(_) => headers.set("content-type", "application/json")?,
        Body::Bytes(_) => headers.set("content-type", "application/octet-stream")?,
        Body::None => {}
    }
    for (name, value) in &request.headers {
        headers.set(name, value)?;
    }
    let window = web_sys::window().ok_or_else(|| JsValue::from_str("no window"))?;
    JsFuture::from(window.fetch_with_request(&fetched))
        .await?
        .dyn_into::<Response>()
}

async fn read(response: &Response) -> core::result::Result<Vec<u8>, JsValue> {
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

pub(crate) async fn send(request: Request<'_>) -> Result<Answer> {
    let (url, seconds) = (request.url.clone(), request.timeout_s);
    let guard = Guard::new(seconds).map_err(|_| Error::Network {
        url: bare(&url),
        detail: "the browser cannot make requests".to_owned(),
    })?;
    let failed = |cause: JsValue| guard.error(&url, seconds, &cause);
    let response = fetch(&request, &guard).await.map_err(failed)?;
    let body = read(&response).await.map_err(failed)?;
    if !response.ok() {
        let error = Error::of_status(&url, response.status(), &body);
        curl::remember(&error, &request);
        return Err(error);
    }
    Ok(Answer {
        status: response.status(),
        etag: response.headers().get("etag").ok().flatten(),
        body,
        url,
    })
}

/// The body of an answer, piece by piece, for as long as the server sends.
pub(crate) struct Pieces {
    url: String,
    reader: ReadableStreamDefaultReader,
    guard: Guard,
}

/// Sends, and gives the answer's body as it comes. The request's time-out holds until the answer's head is there.
pub(crate) async fn open(request: Request<'_>) -> Result<Pieces> {
    let (url, seconds) = (request.url.clone(), request.timeout_s);
    let mut guard = Guard::new(seconds).map_err(|_| Error::Network {
        url: bare(&url),
        detail: "the browser cannot make requests".to_owned(),
    })?;
    let response = fetch(&request, &guard)
        .await
        .map_err(|cause| guard.error(&url, seconds, &cause))?;
    if !response.ok() {
        let body = read(&response)
            .await
            .map_err(|cause| guard.error(&url, seconds, &cause))?;
        return Err(Error::of_status(&url, response.status(), &body));
    }
    guard.timer = None;
    let reader = response.body().map(|body| {
        body.get_reader()
            .unchecked_into::<ReadableStreamDefaultReader>()
    });
    let Some(reader) = reader else {
        return Err(Error::Decode {
            url: bare(&url),
            status: response.status(),
            detail: "the answer has no body".to_owned(),
        });
    };
    Ok(Pieces { url, reader, guard })
}

impl Pieces {
    /// The next piece; `None` when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        let step = match JsFuture::from(self.reader.read()).await {
            Ok(step) => step,
            Err(cause) => return Some(Err(self.guard.error(&self.url, 0, &cause))),
        };
        let done = Reflect::get(&step, &JsValue::from_str("done"))
            .ok()
            .and_then(|done| done.as_bool())
            .unwrap_or(true);
        if done {
            return None;
        }
        let value = Reflect::get(&step, &JsValue::from_str("value")).unwrap_or(JsValue::UNDEFINED);
        Some(Ok(Uint8Array::new(&value).to_vec()))
    }
}
