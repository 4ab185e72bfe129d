//! Accounts and reactivations to begin a test with.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use reinstate_demo::resource::{CodeSent, Reactivation};
use reinstate_demo::{Answer, Body, Client, Method, timeline};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Process;

/// An account name that nobody used before.
pub fn fresh_account(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::now_v7().simple())
}

/// An enrolment with a phone and an e-mail address, and nothing that takes the server long.
pub fn enrolment() -> Value {
    json!({
        "contacts": {"phone": "+447700900123", "email": "owner@example.org"},
        "identity": {"given_names": "Jonas Emil", "surname": "Lindqvist", "birth_date": "1969-03-14"},
        "attributes": {"risk": "low"},
    })
}

/// A lock three hours ago.
pub fn lock(reason: &str) -> Value {
    json!({"reason": reason, "locked_at": Timestamp::now() - SignedDuration::from_hours(3)})
}

/// An open reactivation with the client of its owner.
pub struct Case {
    pub account: String,
    pub id: String,
    pub owner: Client,
    /// Where the owner's last write is in the log, so that the next read sees it.
    position: Mutex<Option<String>>,
}

impl Case {
    /// One that asks for the reminder and two codes.
    pub fn with_codes_only(server: &Process) -> Self {
        Self::open(server, "owner_request")
    }

    /// One that asks for a document and a face too.
    pub fn with_pictures(server: &Process) -> Self {
        Self::open(server, "suspicious_login")
    }

    fn open(server: &Process, reason: &str) -> Self {
        let account = locked_account(server, reason);
        let path = format!("/v1/accounts/{account}/reactivations");
        let opened: Reactivation = server
            .backend()
            .post(&path, Body::Nothing)
            .unwrap()
            .with_status(&[201])
            .unwrap()
            .read_as()
            .unwrap();
        let owner = server.anybody().with_key(opened.owner_token.as_deref().unwrap());
        Self { account, id: opened.id, owner, position: Mutex::default() }
    }

    pub fn path(&self, step: &str) -> String {
        format!("/v1/reactivations/{}{step}", self.id)
    }

    /// A step of the owner.
    pub fn post(&self, step: &str, body: Body<'_>) -> Answer {
        let answer = self.owner.post(&self.path(step), body).unwrap();
        if let Some(position) = answer.header("Reinstate-Position") {
            *self.position() = Some(position.to_owned());
        }
        answer
    }

    fn position(&self) -> MutexGuard<'_, Option<String>> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn post_json(&self, step: &str, body: &Value) -> Answer {
        self.post(step, Body::Json(body))
    }

    /// The reactivation as it is, with everything that was answered before.
    pub fn read(&self) -> Reactivation {
        let position = self.position().clone();
        let after: Vec<_> = position.iter().map(|position| ("Reinstate-After", position.as_str())).collect();
        self.owner.send(Method::GET, &self.path(""), Body::Nothing, &after).unwrap().read_as().unwrap()
    }

    /// Confirms the reminder, which opens the codes.
    pub fn acknowledge(&self) {
        self.post("/reminder", Body::Nothing).with_status(&[200]).unwrap();
    }

    /// Asks for a code and takes it out of the outbox.
    pub fn fetch_code(&self, server: &Process, channel: &str) -> String {
        let sent: CodeSent = self.post_json("/codes", &json!({"channel": channel})).read_as().unwrap();
        server.outbox().wait_for_code(&self.id, channel, sent.issued).unwrap()
    }

    /// Everything up to the proofs that need a picture; without those, everything but the submission.
    pub fn pass_codes(&self, server: &Process) {
        self.acknowledge();
        let codes =
            json!({"phone": self.fetch_code(server, "phone"), "email": self.fetch_code(server, "email")});
        self.post_json("/verify", &codes).with_status(&[200]).unwrap();
    }

    /// The stored names of all events of the account, in order.
    pub fn events(&self, server: &Process) -> Vec<String> {
        events(server, &self.account)
    }
}

/// An account that was locked three hours ago.
pub fn locked_account(server: &Process, reason: &str) -> String {
    let account = fresh_account("test");
    let backend = server.backend();
    backend
        .put(&format!("/v1/accounts/{account}"), Body::Json(&enrolment()))
        .unwrap()
        .with_status(&[201])
        .unwrap();
    backend
        .post(&format!("/v1/accounts/{account}/locks"), Body::Json(&lock(reason)))
        .unwrap()
        .with_status(&[201])
        .unwrap();
    account
}

/// The stored names of all events of an account, in order, as far as the log goes now.
pub fn events(server: &Process, account: &str) -> Vec<String> {
    // A write that changes nothing answers with the newest position; the timeline is read from there on.
    let path = format!("/v1/accounts/{account}");
    let same = server.backend().put(&path, Body::Json(&enrolment())).unwrap().with_status(&[200]).unwrap();
    let position = same.header("Reinstate-Position").map(str::to_owned);
    assert!(position.is_some(), "an account that exists stands somewhere");
    let entries = timeline::read(&server.auditor(), account, position.as_deref()).unwrap();
    entries.into_iter().flat_map(|entry| entry.events).map(|event| event.kind).collect()
}

/// How often an event is in a history.
pub fn count(events: &[String], kind: &str) -> usize {
    events.iter().filter(|event| *event == kind).count()
}
