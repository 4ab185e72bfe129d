//! `kill -9` at random moments while sixteen clients work: afterwards every 2xx is in the log exactly once and nothing
//! else is, verifications that were pending are finished, and the auditor's tool finds no fault.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;

use reinstate_demo::resource::{Challenge, CodeSent, Reactivation};
use reinstate_demo::{Answer, Body, Client, Method, Outbox, Part, Person, Pictures, client, timeline};
use serde_json::json;
use support::cases::{fresh_account, lock};
use support::{Folder, Process, eventually, photos};
use uuid::Uuid;

const KILLS: usize = 6;
/// Clients whose journeys need only codes, those that hand in pictures, and those that never repeat anything.
const CODE_CLIENTS: usize = 11;
const PICTURE_CLIENTS: usize = 3;
const RECKLESS_CLIENTS: usize = 2;

/// What the clients know of the server that runs now, and of one another.
struct World {
    server: RwLock<(Client, Outbox)>,
    /// Writes that were answered with one of the 2xx.
    acknowledged: AtomicUsize,
    /// Cases with a picture that was taken and not decided on yet.
    examining: AtomicUsize,
    /// No new journeys.
    enough: AtomicBool,
    journeys: Mutex<Vec<Journey>>,
}

/// An account and the events that it must have, each once.
struct Journey {
    account: String,
    events: Vec<&'static str>,
    /// Whether no answer came, so that the events may be missing, all of them.
    unknown: bool,
}

impl World {
    fn server(&self) -> (Client, Outbox) {
        self.server.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks until somebody answers with something better than 5xx.
    #[track_caller]
    fn insist(&self, what: &str, ask: impl Fn(&Client) -> Result<Answer, client::Error>) -> Answer {
        eventually(what, || ask(&self.server().0).ok().filter(|answer| answer.status < 500))
    }

    /// A write that is repeated under one idempotency key until it is answered.
    #[track_caller]
    fn write(&self, method: &Method, path: &str, body: Body<'_>, status: u16) -> Answer {
        let key = client::fresh_key();
        let answer = self.insist(path, |client| client.once(method.clone(), path, body, &key));
        let answer = answer.with_status(&[status]).unwrap();
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        answer
    }

    fn open(&self, account: &str, reason: &str) -> Reactivation {
        let person = Person::number(0);
        let mut enrolment = person.enrolment();
        // Answers take the server long on purpose, and are not what this is about.
        enrolment["questions"] = json!([]);
        enrolment["attributes"]["risk"] = json!("low");
        let path = format!("/v1/accounts/{account}");
        self.write(&Method::PUT, &path, Body::Json(&enrolment), 201);
        self.write(&Method::POST, &format!("{path}/locks"), Body::Json(&lock(reason)), 201);
        self.write(&Method::POST, &format!("{path}/reactivations"), Body::Nothing, 201).read_as().unwrap()
    }

    fn pass_codes(&self, case: &str) {
        self.write(&Method::POST, &format!("{case}/reminder"), Body::Nothing, 200);
        let mut codes = json!({});
        for channel in ["phone", "email"] {
            let path = format!("{case}/codes");
            let sent = self.write(&Method::POST, &path, Body::Json(&json!({"channel": channel})), 202);
            let sent: CodeSent = sent.read_as().unwrap();
            let id = case.rsplit('/').next().unwrap();
            codes[channel] = eventually("a code in the outbox", || {
                let (_, outbox) = self.server();
                outbox.codes(id, channel).unwrap().get(sent.issued - 1).map(|code| json!(code))
            });
        }
        self.write(&Method::POST, &format!("{case}/verify"), Body::Json(&codes), 200);
    }

    fn finish(&self, case: &str) {
        self.write(&Method::POST, &format!("{case}/submit"), Body::Nothing, 200);
        let end = eventually("the decision", || {
            let answer = self.insist("a read", |client| client.get(&format!("{case}?wait=2")));
            let seen: Reactivation = answer.read_as().unwrap();
            seen.is_settled().then_some(seen)
        });
        assert_eq!(end.status, "reactivated", "{end:?}");
    }

    fn note(&self, account: String, events: &[&'static str], unknown: bool) {
        let journey = Journey { account, events: events.to_vec(), unknown };
        self.journeys.lock().unwrap_or_else(PoisonError::into_inner).push(journey);
    }

    fn code_journey(&self) {
        let account = fresh_account("kill");
        let case = format!("/v1/reactivations/{}", self.open(&account, "owner_request").id);
        self.pass_codes(&case);
        self.finish(&case);
        self.note(account, &CODE_EVENTS, false);
    }

    fn picture_journey(&self, passport: &[u8], selfie: &[u8]) {
        let account = fresh_account("kill-pictures");
        let case = format!("/v1/reactivations/{}", self.open(&account, "suspicious_login").id);
        self.pass_codes(&case);
        let form =
            [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", passport)];
        self.write(&Method::POST, &format!("{case}/documents"), Body::Form(&form), 202);
        self.examining.fetch_add(1, Ordering::SeqCst);
        let path = format!("{case}/face-challenges");
        let challenge: Challenge = self.write(&Method::POST, &path, Body::Nothing, 201).read_as().unwrap();
        let mut form = vec![Part::Text("challenge", &challenge.id)];
        form.extend(challenge.actions.iter().map(|_| Part::Image("frame", selfie)));
        self.write(&Method::POST, &format!("{case}/faces"), Body::Form(&form), 202);
        self.finish(&case);
        self.examining.fetch_sub(1, Ordering::SeqCst);
        self.note(account, &[CODE_EVENTS.as_slice(), &PICTURE_EVENTS].concat(), false);
    }

    /// Sends once and takes what comes: an answer, a refusal, or nothing.
    fn reckless_journey(&self) {
        let account = fresh_account("kill-once");
        let (client, _) = self.server();
        let path = format!("/v1/accounts/{account}");
        let enrolment = json!({"contacts": {"email": "owner@example.org"}});
        match client.put(&path, Body::Json(&enrolment)) {
            Ok(answer) if answer.is_success() => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                let refused =
                    client.post(&format!("{path}/locks"), Body::Json(&json!({"reason": "no slug"})));
                assert!(refused.is_err() || refused.unwrap().status >= 400);
                self.note(account, &["AccountEnrolled"], false);
            }
            Ok(refused) => assert!(refused.status >= 500, "{}", refused.json()),
            Err(_) => {
                self.note(account, &["AccountEnrolled"], true);
                self.insist("a sign of life", |client| client.get("/livez"));
            }
        }
    }

    fn repeat(&self, journey: impl Fn()) {
        while !self.enough.load(Ordering::SeqCst) {
            journey();
        }
    }
}

const CODE_EVENTS: [&str; 11] = [
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
const PICTURE_EVENTS: [&str; 5] =
    ["DocumentSubmitted", "FaceChallengeIssued", "FaceSubmitted", "DocumentExamined", "FaceExamined"];

/// Kills the server after a random number of further writes, and starts it again.
fn kill_and_restart(server: Process, folder: &Folder, world: &World, wait_for_pictures: bool) -> Process {
    let few = (Uuid::now_v7().as_u128() % 200) as usize;
    let until = world.acknowledged.load(Ordering::SeqCst) + few;
    eprintln!("killing after {few} further writes");
    eventually("enough writes", || (world.acknowledged.load(Ordering::SeqCst) >= until).then_some(()));
    if wait_for_pictures {
        eventually("a verification", || (world.examining.load(Ordering::SeqCst) > 0).then_some(()));
    }
    server.kill();
    let server = Process::start(folder);
    *world.server.write().unwrap_or_else(PoisonError::into_inner) = (server.backend(), server.outbox());
    server
}

#[test]
fn whatever_was_answered_is_there_once_and_nothing_else_is_however_often_the_server_is_killed() {
    let folder = Folder::new("kill");
    let pictures = Pictures::load(&photos()).unwrap();
    let passport = pictures.passport(&Person::number(0)).unwrap();
    let server = Process::start(&folder);
    server.wait_until_ready();
    let world = World {
        server: RwLock::new((server.backend(), server.outbox())),
        acknowledged: AtomicUsize::new(0),
        examining: AtomicUsize::new(0),
        enough: AtomicBool::new(false),
        journeys: Mutex::new(Vec::new()),
    };
    let mut server = thread::scope(|scope| {
        let mut server = server;
        for _ in 0..CODE_CLIENTS {
            scope.spawn(|| world.repeat(|| world.code_journey()));
        }
        for _ in 0..PICTURE_CLIENTS {
            scope.spawn(|| world.repeat(|| world.picture_journey(&passport, pictures.selfie())));
        }
        for _ in 0..RECKLESS_CLIENTS {
            scope.spawn(|| world.repeat(|| world.reckless_journey()));
        }
        for kill in 0..KILLS {
            server = kill_and_restart(server, &folder, &world, kill % 2 == 1);
        }
        world.enough.store(true, Ordering::SeqCst);
        server
    });

    let journeys = world.journeys.into_inner().unwrap();
    let auditor = server.auditor();
    let (mut accounts, mut entries) = (0, 0);
    for journey in &journeys {
        let known = server.backend().get(&format!("/v1/accounts/{}", journey.account)).unwrap().status == 200;
        if !known && journey.unknown {
            continue;
        }
        let timeline = timeline::read(&auditor, &journey.account, None).unwrap();
        let mut found: Vec<_> = timeline.iter().flat_map(|e| &e.events).map(|e| e.kind.as_str()).collect();
        let mut expected = journey.events.clone();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}:\n{}", journey.account, timeline::render(&timeline));
        accounts += 1;
        entries += timeline.len() as u64;
    }
    let with_pictures = journeys.iter().filter(|journey| journey.events.contains(&"FaceExamined")).count();
    assert!(with_pictures >= PICTURE_CLIENTS, "{with_pictures} journeys with pictures");
    eprintln!("{} journeys, {with_pictures} with pictures, {entries} entries", journeys.len());

    server.stop();
    folder.assert_clean();
    let report = folder.audit();
    assert_eq!((&report["accounts"], &report["effective"]), (&json!(accounts), &json!(entries)), "{report}");
    assert!(!folder.said().contains("panicked"), "the server panicked:\n{}", folder.said());
}
