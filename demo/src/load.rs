//! Many customers at once who don't give up: every write is repeated under its idempotency key until it is answered, whichever
//! servers die meanwhile. Each journey leaves a note of what must be in the log afterwards, for whoever judges.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use ureq::http::Method;
use uuid::Uuid;

use crate::cast::Person;
use crate::client::{self, Answer, Body, Client, Part};
use crate::outbox::{self, Outbox};
use crate::resource::{Challenge, CodeSent, Reactivation};

const PAUSE: Duration = Duration::from_millis(25);

/// Longer than an answer takes from a server that is well, short enough to ask another one soon.
pub const ANSWER: Duration = Duration::from_secs(8);

/// A journey did not go as it must.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
    #[error("{what} did not happen within {} s; the last answer: {last}", patience.as_secs())]
    Late { what: String, patience: Duration, last: String },
    #[error("the reactivation of {account} ended as {status}: {detail}")]
    Ended { account: String, status: String, detail: String },
    #[error("what must be refused was answered {status}")]
    Accepted { status: u16 },
}

/// Where the servers are at the moment.
pub trait Servers: Sync {
    /// The backend at one of the servers, another one each time if there are several.
    fn backend(&self) -> Client;
    /// A reviewer there.
    fn reviewer(&self) -> Client;
    fn outbox(&self) -> Outbox;
}

/// What a journey must have left in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    pub account: String,
    /// The stored names of its events, each as often as it must be there; in no order.
    pub events: Vec<&'static str>,
    /// Whether no answer came, so that all of the events may be missing.
    pub unknown: bool,
    /// `PARTITION:OFFSET` as each write of the 2xx was answered.
    pub positions: Vec<String>,
}

/// The pictures that a customer hands in.
pub struct Evidence<'a> {
    pub passport: &'a [u8],
    pub selfie: &'a [u8],
}

/// Customers and their notes.
pub struct Load<S> {
    pub servers: S,
    /// The beginning of every account's name.
    prefix: String,
    /// How long a customer insists on one thing.
    patience: Duration,
    /// Writes that were answered with one of the 2xx.
    pub acknowledged: AtomicUsize,
    /// Cases with a picture that was taken and not decided on yet.
    pub examining: AtomicUsize,
    enough: AtomicBool,
    journeys: Mutex<Vec<Journey>>,
}

/// The events of a journey that needs codes alone.
pub const CODE_EVENTS: [&str; 11] = [
    "AccountEnrolled",
    "AccountLocked",
    "ReactivationRequested",
    "RequirementsSet",
    "ReminderAcknowledged",
    "CodeIssued",
    "CodeIssued",
    "CodeAccepted",
    "CodeAccepted",
    "CaseSubmitted",
    "AccountReactivated",
];

/// What pictures add.
pub const PICTURE_EVENTS: [&str; 5] =
    ["DocumentSubmitted", "FaceChallengeIssued", "FaceSubmitted", "DocumentExamined", "FaceExamined"];

impl<S: Servers> Load<S> {
    #[must_use]
    pub fn new(servers: S, prefix: &str, patience: Duration) -> Self {
        Self {
            servers,
            prefix: prefix.to_owned(),
            patience,
            acknowledged: AtomicUsize::default(),
            examining: AtomicUsize::default(),
            enough: AtomicBool::default(),
            journeys: Mutex::default(),
        }
    }

    /// Nobody begins another journey.
    pub fn enough(&self) {
        self.enough.store(true, Ordering::SeqCst);
    }

    /// One journey after the other until there were enough.
    ///
    /// # Errors
    /// The first journey that did not go as it must.
    pub fn repeat(&self, journey: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        while !self.enough.load(Ordering::SeqCst) {
            journey()?;
        }
        Ok(())
    }

    /// The notes so far.
    #[must_use]
    pub fn journeys(&self) -> Vec<Journey> {
        self.journeys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn eventually<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&mut String) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + self.patience;
        let mut last = "none".to_owned();
        loop {
            if let Some(found) = look(&mut last)? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(Error::Late { what: what.to_owned(), patience: self.patience, last });
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks until somebody answers with something better than that it is to be asked again.
    fn insist(
        &self,
        what: &str,
        ask: impl Fn(&Client) -> Result<Answer, client::Error>,
    ) -> Result<Answer, Error> {
        self.insist_on(what, &|| self.servers.backend(), ask)
    }

    fn insist_on(
        &self,
        what: &str,
        caller: &dyn Fn() -> Client,
        ask: impl Fn(&Client) -> Result<Answer, client::Error>,
    ) -> Result<Answer, Error> {
        self.eventually(what, |last| match ask(&caller()) {
            Ok(answer) if !answer.is_to_be_repeated() => Ok(Some(answer)),
            Ok(answer) => {
                *last = format!("{} {}", answer.status, answer.code());
                Ok(None)
            }
            Err(error) => {
                *last = error.to_string();
                Ok(None)
            }
        })
    }

    /// A write that is repeated under one idempotency key until it is answered.
    fn write(
        &self,
        note: &mut Journey,
        method: &Method,
        path: &str,
        body: Body<'_>,
        status: u16,
    ) -> Result<Answer, Error> {
        let key = client::fresh_key();
        let answer = self.insist(path, |client| client.once(method.clone(), path, body, &key))?;
        let answer = answer.with_status(&[status])?;
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        note.positions.extend(answer.header("Reinstate-Position").map(str::to_owned));
        Ok(answer)
    }

    fn begin(&self, kind: &str, events: &[&'static str]) -> Journey {
        let account = format!("{}-{kind}-{}", self.prefix, Uuid::now_v7().simple());
        Journey { account, events: events.to_vec(), unknown: false, positions: Vec::new() }
    }

    fn note(&self, journey: Journey) {
        self.journeys.lock().unwrap_or_else(PoisonError::into_inner).push(journey);
    }

    /// Enrols, locks and starts; returns the path of the reactivation.
    fn open(&self, note: &mut Journey, reason: &str) -> Result<String, Error> {
        let mut enrolment = Person::number(0).enrolment();
        // Answers take the server long on purpose, and are not what this is about.
        enrolment["questions"] = json!([]);
        enrolment["attributes"]["risk"] = json!("low");
        let path = format!("/v1/accounts/{}", note.account);
        self.write(note, &Method::PUT, &path, Body::Json(&enrolment), 201)?;
        let locked_at = Timestamp::now() - SignedDuration::from_hours(3);
        let lock = json!({"reason": reason, "locked_at": locked_at});
        self.write(note, &Method::POST, &format!("{path}/locks"), Body::Json(&lock), 201)?;
        let opened = self.write(note, &Method::POST, &format!("{path}/reactivations"), Body::Nothing, 201)?;
        Ok(format!("/v1/reactivations/{}", opened.read_as::<Reactivation>()?.id))
    }

    fn pass_codes(&self, note: &mut Journey, case: &str) -> Result<(), Error> {
        self.write(note, &Method::POST, &format!("{case}/reminder"), Body::Nothing, 200)?;
        let mut codes = json!({});
        for channel in ["phone", "email"] {
            let wanted = json!({"channel": channel});
            let path = format!("{case}/codes");
            let sent = self.write(note, &Method::POST, &path, Body::Json(&wanted), 202)?;
            let sent: CodeSent = sent.read_as()?;
            let id = case.rsplit('/').next().unwrap_or_default();
            codes[channel] = self.eventually("a code in the outbox", |_| {
                let codes = self.servers.outbox().codes(id, channel)?;
                Ok(codes.get(sent.issued.saturating_sub(1)).map(|code| json!(code)))
            })?;
        }
        self.write(note, &Method::POST, &format!("{case}/verify"), Body::Json(&codes), 200)?;
        Ok(())
    }

    fn finish(&self, note: &mut Journey, case: &str) -> Result<(), Error> {
        self.write(note, &Method::POST, &format!("{case}/submit"), Body::Nothing, 200)?;
        let end = self.eventually("the decision", |last| {
            let answer = self.insist("a read", |client| client.get(&format!("{case}?wait=2")))?;
            let seen: Reactivation = answer.read_as()?;
            last.clone_from(&seen.status);
            Ok(seen.is_settled().then_some(seen))
        })?;
        if end.status == "reactivated" {
            return Ok(());
        }
        // Evidence whose examination was brought down twice goes to a person, who sees that all is well.
        if end.status == "in_review" {
            let approval = json!({"decision": "approve", "reason": "The photos are fine."});
            let (path, key) = (format!("{case}/review"), client::fresh_key());
            let approved = self.insist_on("the review", &|| self.servers.reviewer(), |client| {
                client.once(Method::POST, &path, Body::Json(&approval), &key)
            })?;
            approved.with_status(&[200])?;
            note.events.extend(["ReviewRequested", "ReviewDecided"]);
            return Ok(());
        }
        let detail = format!("{:?} {:?}", end.result, end.requirements);
        Err(Error::Ended { account: note.account.clone(), status: end.status, detail })
    }

    /// A customer who gives two codes.
    ///
    /// # Errors
    /// When it did not end with the account given back.
    pub fn code_journey(&self) -> Result<(), Error> {
        let mut note = self.begin("codes", &CODE_EVENTS);
        let case = self.open(&mut note, "owner_request")?;
        self.pass_codes(&mut note, &case)?;
        self.finish(&mut note, &case)?;
        self.note(note);
        Ok(())
    }

    /// A customer who gives two codes, a document and a face.
    ///
    /// # Errors
    /// When it did not end with the account given back.
    pub fn picture_journey(&self, evidence: &Evidence<'_>) -> Result<(), Error> {
        let mut note = self.begin("pictures", &[CODE_EVENTS.as_slice(), &PICTURE_EVENTS].concat());
        let case = self.open(&mut note, "suspicious_login")?;
        self.pass_codes(&mut note, &case)?;
        let form = [
            Part::Text("type", "passport"),
            Part::Text("country", "UTO"),
            Part::Image("front", evidence.passport),
        ];
        self.write(&mut note, &Method::POST, &format!("{case}/documents"), Body::Form(&form), 202)?;
        self.examining.fetch_add(1, Ordering::SeqCst);
        let path = format!("{case}/face-challenges");
        let challenge = self.write(&mut note, &Method::POST, &path, Body::Nothing, 201)?;
        let challenge: Challenge = challenge.read_as()?;
        let mut form = vec![Part::Text("challenge", &challenge.id)];
        form.extend(challenge.actions.iter().map(|_| Part::Image("frame", evidence.selfie)));
        self.write(&mut note, &Method::POST, &format!("{case}/faces"), Body::Form(&form), 202)?;
        self.finish(&mut note, &case)?;
        self.examining.fetch_sub(1, Ordering::SeqCst);
        self.note(note);
        Ok(())
    }

    /// A backend that sends once and takes what comes: an answer, a refusal, or nothing.
    ///
    /// # Errors
    /// When something wrong is accepted, or something right is refused.
    pub fn reckless_journey(&self) -> Result<(), Error> {
        let mut note = self.begin("once", &["AccountEnrolled"]);
        let path = format!("/v1/accounts/{}", note.account);
        let enrolment = json!({"contacts": {"email": "owner@example.org"}});
        let client = self.servers.backend();
        match client.put(&path, Body::Json(&enrolment)) {
            Ok(answer) if answer.is_success() => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                note.positions.extend(answer.header("Reinstate-Position").map(str::to_owned));
                let wrong = json!({"reason": "no slug"});
                if let Ok(answer) = client.post(&format!("{path}/locks"), Body::Json(&wrong))
                    && answer.is_success()
                {
                    return Err(Error::Accepted { status: answer.status });
                }
                self.note(note);
            }
            // It says by itself whether something may have been written.
            Ok(refused) if refused.is_to_be_repeated() => {
                note.unknown = true;
                self.note(note);
                thread::sleep(PAUSE);
            }
            Ok(refused) => {
                refused.with_status(&[201])?;
            }
            Err(_) => {
                note.unknown = true;
                self.note(note);
                self.insist("a sign of life", |client| client.get("/livez"))?;
            }
        }
        Ok(())
    }
}

impl Journey {
    /// Whether it went from the enrolment to the account given back, and was not a single write.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.events.contains(&"AccountReactivated")
    }

    /// Whether the account has what it must, and how it differs if not. `found` are the stored names of its events.
    ///
    /// # Errors
    /// A sentence with what is missing and what is too much.
    pub fn judge(&self, found: &[String]) -> Result<(), String> {
        if found.is_empty() && self.unknown {
            return Ok(());
        }
        let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
        self.events.iter().for_each(|event| *balance.entry(event).or_default() -= 1);
        found.iter().for_each(|event| *balance.entry(event).or_default() += 1);
        balance.retain(|_, count| *count != 0);
        if balance.is_empty() { Ok(()) } else { Err(format!("too many or too few events: {balance:?}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journey(unknown: bool) -> Journey {
        let events = vec!["AccountEnrolled", "CodeIssued", "CodeIssued"];
        Journey { account: "a".into(), events, unknown, positions: Vec::new() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_journey_has_each_of_its_events_as_often_as_it_must_and_no_other() {
        let right = names(&["CodeIssued", "AccountEnrolled", "CodeIssued"]);
        assert_eq!(journey(false).judge(&right), Ok(()));
        for wrong in [&right[..2], &[right.clone(), right[..1].to_vec()].concat(), &names(&["AccountLocked"])]
        {
            assert!(journey(false).judge(wrong).is_err(), "{wrong:?}");
            assert!(journey(true).judge(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_a_journey_without_an_answer_may_have_left_nothing() {
        assert_eq!(journey(true).judge(&[]), Ok(()));
        assert!(journey(false).judge(&[]).is_err());
    }
}
