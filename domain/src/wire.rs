//! The stored form of an entry. Explicit `(type, v)` and a `match`, so that an entry of a newer program is noticed and never
//! half understood. Every version that was ever written has a golden file under `tests/golden` and is read for ever.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Event;
use crate::entry::{Envelope, Hash};
use crate::ids::{AccountId, EntryId};

/// The version in which every event type is written today. An event that changes its shape gets a number of its own here and
/// an upcast in [`upcast`].
const VERSION: u32 = 1;

/// One decision: one record of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: EntryId,
    pub account: AccountId,
    pub version: u64,
    pub prev: Option<Hash>,
    pub time: Timestamp,
    pub actor: Actor,
    pub command: Option<Fingerprint>,
    pub events: Vec<Event>,
}

impl Entry {
    /// The part that the rule needs.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope {
            id: self.id,
            account: self.account.clone(),
            version: self.version,
            prev: self.prev,
            time: self.time,
        }
    }
}

/// Who caused an entry: a role, and for staff and backends the name of their key. Never a person's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    pub role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Actor {
    /// A part of the system itself: `verifier`, `timekeeper`.
    #[must_use]
    pub fn service(role: &str) -> Self {
        Self { role: role.to_owned(), name: None }
    }
}

/// The idempotency key of a request and the request itself, both as HMACs under a server key: what was asked may be personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    pub key: Hash,
    pub request: Hash,
}

/// Why an entry can't be understood. The account halts; the partition goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the value is not a JSON entry")]
    Malformed(#[source] serde_json::Error),
    #[error("event {index} has the unknown type or version {name} v{version}")]
    UnknownEvent { index: usize, name: String, version: u32 },
    #[error("event {index} ({name}) does not have its type's shape")]
    MalformedEvent {
        index: usize,
        name: String,
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: EntryId,
    account: AccountId,
    version: u64,
    prev: Option<Hash>,
    time: Timestamp,
    actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Fingerprint>,
    events: Vec<StoredEvent>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEvent {
    #[serde(rename = "type")]
    name: String,
    v: u32,
    data: serde_json::Value,
}

/// Any text that may stand where an event name stands, cut to a length that is fit for an error message.
struct Excerpt<'a>(&'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().filter(|c| c.is_ascii_alphanumeric()).take(40).try_for_each(|c| write!(f, "{c}"))
    }
}

/// The bytes to store. The chain's hash covers exactly these.
///
/// # Errors
/// When an event can't be written as JSON (a score that is not a number).
pub fn encode(entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let events = entry.events.iter().map(|event| {
        Ok(StoredEvent { name: event.type_name().to_owned(), v: VERSION, data: event.to_data()? })
    });
    let stored = Stored {
        id: entry.id,
        account: entry.account.clone(),
        version: entry.version,
        prev: entry.prev,
        time: entry.time,
        actor: entry.actor.clone(),
        command: entry.command.clone(),
        events: events.collect::<Result<_, serde_json::Error>>()?,
    };
    serde_json::to_vec(&stored)
}

/// Reads a stored entry.
///
/// # Errors
/// [`Error`] says what is not understood, without any of the value's content.
pub fn decode(value: &[u8]) -> Result<Entry, Error> {
    let stored: Stored = serde_json::from_slice(value).map_err(Error::Malformed)?;
    let events = stored.events.into_iter().enumerate().map(|(index, event)| upcast(index, event));
    Ok(Entry {
        id: stored.id,
        account: stored.account,
        version: stored.version,
        prev: stored.prev,
        time: stored.time,
        actor: stored.actor,
        command: stored.command,
        events: events.collect::<Result<_, Error>>()?,
    })
}

/// What the rule needs of a stored value, even when its events are of a newer program.
///
/// # Errors
/// When the bytes are not JSON with an envelope's fields.
pub fn envelope(value: &[u8]) -> Result<Envelope, Error> {
    serde_json::from_slice(value).map_err(Error::Malformed)
}

/// Brings a stored event of any version into today's shape.
fn upcast(index: usize, event: StoredEvent) -> Result<Event, Error> {
    let name = || Excerpt(&event.name).to_string();
    match event.v {
        VERSION => match Event::from_data(&event.name, event.data) {
            Some(Ok(event)) => Ok(event),
            Some(Err(source)) => Err(Error::MalformedEvent { index, name: name(), source }),
            None => Err(Error::UnknownEvent { index, name: name(), version: event.v }),
        },
        version => Err(Error::UnknownEvent { index, name: name(), version }),
    }
}
