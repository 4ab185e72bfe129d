//! The stored form of an entry. Explicit `(type, v)` and a `match`, so that an entry of a newer program is noticed and never
//! half understood. Every version that was ever written has a golden file under `tests/golden` and is read for ever.

use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::account::Event;
use crate::entry::{Envelope, Fingerprint, Hash};
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

/// An entry whose events are in one form or another.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<E> {
    id: EntryId,
    account: AccountId,
    version: u64,
    prev: Option<Hash>,
    time: Timestamp,
    actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Fingerprint>,
    events: Vec<E>,
}

impl<E> Stored<E> {
    fn entry(self, events: impl FnOnce(Vec<E>) -> Result<Vec<Event>, Error>) -> Result<Entry, Error> {
        Ok(Entry {
            id: self.id,
            account: self.account,
            version: self.version,
            prev: self.prev,
            time: self.time,
            actor: self.actor,
            command: self.command,
            events: events(self.events)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEvent {
    #[serde(rename = "type")]
    name: String,
    v: u32,
    data: serde_json::Value,
}

/// An event as [`encode`] writes it: of [`VERSION`], and its data last, so that they are read once, into what they are.
struct Written(Event);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event as it is written today")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let other = || A::Error::custom("written otherwise");
                let (Some(("type", name)), Some(("v", VERSION)), Some("data")) = (
                    map.next_entry::<&str, &str>()?,
                    map.next_entry::<&str, u32>()?,
                    map.next_key::<&str>()?,
                ) else {
                    return Err(other());
                };
                let event = map.next_value_seed(Data { name })?;
                match map.next_key::<&str>()? {
                    None => Ok(Written(event)),
                    Some(_) => Err(other()),
                }
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// The data of an event of this name.
struct Data<'a> {
    name: &'a str,
}

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Event, D::Error> {
        Event::from_data(self.name, deserializer).unwrap_or_else(|| Err(D::Error::custom("an unknown type")))
    }
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
    as_written(value).map_or_else(|| in_two_steps(value), Ok)
}

/// An entry that stands as [`encode`] writes it, which nearly all do.
fn as_written(value: &[u8]) -> Option<Entry> {
    let stored: Stored<Written> = serde_json::from_str(std::str::from_utf8(value).ok()?).ok()?;
    stored.entry(|events| Ok(events.into_iter().map(|Written(event)| event).collect())).ok()
}

/// Any entry, of an older program too, or else what of it is not understood.
fn in_two_steps(value: &[u8]) -> Result<Entry, Error> {
    let stored: Stored<StoredEvent> = serde_json::from_slice(value).map_err(Error::Malformed)?;
    stored.entry(|events| events.into_iter().enumerate().map(|(index, event)| upcast(index, event)).collect())
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

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    /// The golden entries, as they would be written today.
    fn written() -> Vec<Vec<u8>> {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let files = fs::read_dir(golden).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        files.map(|file| encode(&in_two_steps(&file).unwrap()).unwrap()).collect()
    }

    #[test]
    fn what_is_written_today_is_read_in_one_step() {
        for value in written() {
            assert_eq!(as_written(&value).unwrap(), in_two_steps(&value).unwrap());
        }
    }

    #[test]
    fn what_is_not_understood_is_told_though_it_stands_as_it_is_written() {
        let value = |event: &str| {
            let head =
                r#"{"id":"0190163d-8694-739b-b01a-000000000009","account":"a","version":1,"prev":null,"#;
            format!(r#"{head}"time":"2026-11-23T12:00:00Z","actor":{{"role":"r"}},"events":[{event}]}}"#)
        };
        let told = |event: &str| decode(value(event).as_bytes()).unwrap_err().to_string();
        let released = r#"{"type":"AccountReleased","v":1,"data":{"reason":"r"}}"#;
        assert_eq!(decode(value(released).as_bytes()).unwrap().events.len(), 1);
        let known = "event 0 (AccountReleased) does not have its type's shape";
        for (event, detail) in [
            (released.replace("Released", "Gone"), "event 0 has the unknown type or version AccountGone v1"),
            (released.replace(":1", ":2"), "event 0 has the unknown type or version AccountReleased v2"),
            (released.replace(r#""r""#, "7"), known),
            (released.replace(r#""r""#, r#""r","x":7"#), known),
            (released.replace("}}", r#"},"x":7}"#), "the value is not a JSON entry"),
            (released.replace("}}", "}"), "the value is not a JSON entry"),
        ] {
            assert_eq!(told(&event), detail, "{event}");
        }
    }

    /// What leads to more than a syntax error now and then.
    const BYTES: &[u8] = b"{}[],:\"\\019-+.eEntu \xff\xc3";

    proptest! {
        /// One step takes nothing that two would not take, and takes it alike.
        #[test]
        fn one_step_reads_as_two(
            entry in prop::sample::select(written()),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), 0..4, prop::sample::select(BYTES)),
                0..4,
            ),
        ) {
            let mut value = entry;
            for (place, how, byte) in changes {
                let place = place.index(value.len());
                match how {
                    0 => value[place] = byte,
                    1 => value.insert(place, byte),
                    2 => drop(value.splice(place..=place, [])),
                    _ => {
                        let piece = value[place..value.len().min(place + 40)].to_vec();
                        value.splice(place..place, piece);
                    }
                }
            }
            if let Some(entry) = as_written(&value) {
                prop_assert_eq!(entry, in_two_steps(&value).unwrap());
            }
        }
    }
}
