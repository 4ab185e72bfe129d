//! `kill -9` at random moments while sixteen clients work: afterwards every 2xx is in the log exactly once and nothing
//! else is, verifications that were pending are finished, and the auditor's tool finds no fault.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use reinstate_demo::load::{Error, Evidence, Load, Servers};
use reinstate_demo::{Client, Outbox, Person, Pictures, timeline};
use serde_json::json;
use support::{Folder, Process, eventually, photos};
use uuid::Uuid;

const KILLS: usize = 6;
/// Clients whose journeys need only codes, those that hand in pictures, and those that never repeat anything.
const CODE_CLIENTS: usize = 11;
const PICTURE_CLIENTS: usize = 3;
const RECKLESS_CLIENTS: usize = 2;

/// How long a client insists on one thing.
const PATIENCE: Duration = Duration::from_secs(120);

/// The server that runs now.
struct Newest(RwLock<(Client, Client, Outbox)>);

impl Newest {
    fn of(server: &Process) -> Self {
        Self(RwLock::new((server.backend(), server.reviewer(), server.outbox())))
    }

    fn get(&self) -> (Client, Client, Outbox) {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, server: &Process) {
        let now = (server.backend(), server.reviewer(), server.outbox());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Servers for Newest {
    fn backend(&self) -> Client {
        self.get().0
    }

    fn reviewer(&self) -> Client {
        self.get().1
    }

    fn outbox(&self) -> Outbox {
        self.get().2
    }
}

/// Kills the server after a random number of further writes, and starts it again.
fn kill_and_restart(
    server: Process,
    folder: &Folder,
    load: &Load<Newest>,
    wait_for_pictures: bool,
) -> Process {
    let few = (Uuid::now_v7().as_u128() % 200) as usize;
    let until = load.acknowledged.load(Ordering::SeqCst) + few;
    eprintln!("killing after {few} further writes");
    eventually("enough writes", || (load.acknowledged.load(Ordering::SeqCst) >= until).then_some(()));
    if wait_for_pictures {
        eventually("a verification", || (load.examining.load(Ordering::SeqCst) > 0).then_some(()));
    }
    server.kill();
    let server = Process::start(folder);
    load.servers.set(&server);
    server
}

#[test]
fn whatever_was_answered_is_there_once_and_nothing_else_is_however_often_the_server_is_killed() {
    let folder = Folder::new("kill");
    let pictures = Pictures::load(&photos()).unwrap();
    let passport = pictures.passport(&Person::number(0)).unwrap();
    let evidence = Evidence { passport: &passport, selfie: pictures.selfie() };
    let server = Process::start(&folder);
    server.wait_until_ready();
    let load = Load::new(Newest::of(&server), "kill", PATIENCE);
    let must = |went: Result<(), Error>| went.unwrap_or_else(|error| panic!("{error}"));
    let mut server = thread::scope(|scope| {
        let mut server = server;
        for _ in 0..CODE_CLIENTS {
            scope.spawn(|| must(load.repeat(|| load.code_journey())));
        }
        for _ in 0..PICTURE_CLIENTS {
            scope.spawn(|| must(load.repeat(|| load.picture_journey(&evidence))));
        }
        for _ in 0..RECKLESS_CLIENTS {
            scope.spawn(|| must(load.repeat(|| load.reckless_journey())));
        }
        for kill in 0..KILLS {
            server = kill_and_restart(server, &folder, &load, kill % 2 == 1);
        }
        load.enough();
        server
    });

    let journeys = load.journeys();
    let auditor = server.auditor();
    let (mut accounts, mut entries) = (0, 0);
    for journey in &journeys {
        let known = server.backend().get(&format!("/v1/accounts/{}", journey.account)).unwrap().status == 200;
        let timeline =
            if known { timeline::read(&auditor, &journey.account, None).unwrap() } else { Vec::new() };
        let found: Vec<_> = timeline.iter().flat_map(|e| &e.events).map(|e| e.kind.clone()).collect();
        if let Err(difference) = journey.judge(&found) {
            panic!("{}: {difference}\n{}", journey.account, timeline::render(&timeline));
        }
        accounts += u64::from(known);
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
