//! A caller of the interface (docs/api.md) under one key.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use uuid::Uuid;

/// Longer than the longest `?wait=` that the server grants.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The server did not answer, or not what was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{method} {path} got no answer")]
    NoAnswer {
        method: Method,
        path: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("the request for {path} can't be written")]
    Request {
        path: String,
        #[source]
        source: ureq::http::Error,
    },
    #[error("{method} {path} was answered {status} {code}: {detail}")]
    Unexpected { method: Method, path: String, status: u16, code: String, detail: String },
    #[error("the answer to {method} {path} does not have the promised shape")]
    Shape {
        method: Method,
        path: String,
        #[source]
        source: serde_json::Error,
    },
}

/// A part of a form.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    Text(&'a str, &'a str),
    Image(&'a str, &'a [u8]),
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    Nothing,
    Json(&'a Value),
    Image(&'a [u8]),
    Form(&'a [Part<'a>]),
    /// Sent as it is, under a content type of the caller's choice.
    Raw(&'a str, &'a [u8]),
}

/// Calls the interface. Cheap to clone; connections are shared. Not printable, because it holds a key.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    urls: Arc<[String]>,
    /// Requests that were sent, by all clones.
    sent: Arc<AtomicUsize>,
    key: Option<String>,
}

impl Client {
    /// A caller without a key. `urls` is the server's address without a path, such as `http://127.0.0.1:8080`; of several instances
    /// the addresses with commas between, which are called in turn.
    #[must_use]
    pub fn new(urls: &str) -> Self {
        Self::with_timeout(urls, TIMEOUT)
    }

    /// As [`Self::new`], for a caller who waits no longer than this for an answer.
    #[must_use]
    pub fn with_timeout(urls: &str, timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(timeout))
            .build();
        let urls = urls.split(',').map(|url| url.trim().trim_end_matches('/').to_owned()).collect();
        Self { agent: config.into(), urls, sent: Arc::default(), key: None }
    }

    /// The same server under a key or an owner's token.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<Answer, Error> {
        self.send(Method::GET, path, Body::Nothing, &[])
    }

    /// A write under a fresh idempotency key.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, body: Body<'_>) -> Result<Answer, Error> {
        self.once(Method::POST, path, body, &fresh_key())
    }

    /// A write under a fresh idempotency key.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn put(&self, path: &str, body: Body<'_>) -> Result<Answer, Error> {
        self.once(Method::PUT, path, body, &fresh_key())
    }

    /// A write that may be repeated: under the same key it is carried out once.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn once(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
        idempotency_key: &str,
    ) -> Result<Answer, Error> {
        self.send(method, path, body, &[("Idempotency-Key", idempotency_key)])
    }

    /// Any request. A refusal is an answer, not an error.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let turn = self.sent.fetch_add(1, Ordering::Relaxed) % self.urls.len();
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.urls[turn]));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (kind, bytes) = body.encode();
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind.as_ref());
        }
        let unwritable = |source| Error::Request { path: path.to_owned(), source };
        let sent = if method == Method::GET || method == Method::DELETE {
            self.agent.run(request.body(()).map_err(unwritable)?)
        } else {
            self.agent.run(request.body(bytes.as_ref()).map_err(unwritable)?)
        };
        let no_answer = |source| Error::NoAnswer {
            method: method.clone(),
            path: path.to_owned(),
            source: Box::new(source),
        };
        Answer::read(method.clone(), path, sent.map_err(no_answer)?).map_err(no_answer)
    }
}

/// An idempotency key that nobody used before.
#[must_use]
pub fn fresh_key() -> String {
    Uuid::now_v7().to_string()
}

impl Body<'_> {
    /// The content type, and the bytes.
    fn encode(&self) -> (Option<Cow<'_, str>>, Cow<'_, [u8]>) {
        match self {
            Self::Nothing => (None, Cow::Borrowed(&[])),
            Self::Json(json) => (Some("application/json".into()), json.to_string().into_bytes().into()),
            Self::Image(bytes) => (Some("image/jpeg".into()), Cow::Borrowed(*bytes)),
            Self::Raw(kind, bytes) => (Some(Cow::Borrowed(*kind)), Cow::Borrowed(*bytes)),
            Self::Form(parts) => {
                let boundary = Uuid::now_v7().simple().to_string();
                let kind = format!("multipart/form-data; boundary={boundary}");
                (Some(kind.into()), form(parts, &boundary).into())
            }
        }
    }
}

/// A form as RFC 7578 writes it.
fn form(parts: &[Part<'_>], boundary: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let (head, content) = match part {
            Part::Text(name, text) => (format!("name=\"{name}\"\r\n"), text.as_bytes()),
            Part::Image(name, image) => {
                (format!("name=\"{name}\"; filename=\"picture\"\r\nContent-Type: image/jpeg\r\n"), *image)
            }
        };
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n");
        bytes.extend(head.as_bytes());
        bytes.extend(content);
        bytes.extend(b"\r\n");
    }
    bytes.extend(format!("--{boundary}--\r\n").as_bytes());
    bytes
}

/// What the server said.
#[derive(Debug, Clone)]
pub struct Answer {
    method: Method,
    path: String,
    pub status: u16,
    headers: ureq::http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    fn read(method: Method, path: &str, response: Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let (parts, mut body) = response.into_parts();
        let bytes = body.read_to_vec()?;
        let path = path.to_owned();
        Ok(Self { method, path, status: parts.status.as_u16(), headers: parts.headers, bytes })
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, null when it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A problem's stable code, empty when it is none.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it is one of the 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request, sent again, may be answered: 5xx, and 408 where the server, or the way to it, stood still before the
    /// request was read.
    #[must_use]
    pub fn is_to_be_repeated(&self) -> bool {
        self.status >= 500 || self.status == 408
    }

    /// The answer, if it has one of these statuses.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with what the server said instead.
    pub fn with_status(self, expected: &[u16]) -> Result<Self, Error> {
        if expected.contains(&self.status) {
            return Ok(self);
        }
        let problem = self.json();
        Err(Error::Unexpected {
            code: self.code(),
            detail: problem["detail"].as_str().unwrap_or("(no detail)").to_owned(),
            method: self.method,
            path: self.path,
            status: self.status,
        })
    }

    /// The body of an answer of the 2xx.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for any other status, [`Error::Shape`] when the body is not a `T`.
    pub fn read_as<T: DeserializeOwned>(self) -> Result<T, Error> {
        let answer = self.with_status(&[200, 201, 202])?;
        serde_json::from_slice(&answer.bytes).map_err(|source| Error::Shape {
            method: answer.method,
            path: answer.path,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_parts_in_order_between_boundaries() {
        let parts = [Part::Text("type", "passport"), Part::Image("front", b"\xff\xd8\r\n--")];
        let expected: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\npassport\r\n\
            --b\r\nContent-Disposition: form-data; name=\"front\"; filename=\"picture\"\r\nContent-Type: image/jpeg\r\n\r\n\
            \xff\xd8\r\n--\r\n--b--\r\n";
        assert_eq!(form(&parts, "b"), expected);
        assert_eq!(form(&[], "b"), b"--b--\r\n");
    }

    #[test]
    fn a_server_that_failed_or_stood_still_is_asked_again_and_one_that_refused_is_not() {
        let repeated = |status: u16| {
            let response = Response::builder().status(status).body(ureq::Body::builder().data("")).unwrap();
            Answer::read(Method::GET, "/readyz", response).unwrap().is_to_be_repeated()
        };
        assert!([500, 502, 503, 408].into_iter().all(repeated));
        assert!(![200, 202, 400, 401, 404, 409, 422, 429].into_iter().any(repeated));
    }
}
