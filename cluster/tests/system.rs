//! The whole system on a real broker and a real database, with two instances of the interface and two verifiers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reinstate_demo::{Body, Client, STORIES, Stage, Teller, stories};
use serde_json::json;
use support::{Case, PATIENCE, World, eventually, fresh_account, lock, pictures};

#[test]
fn the_six_stories_come_out_as_told_through_two_instances_in_turn() {
    let world = World::start(1, 2, 2);
    let stage = Stage {
        backend: world.backend(),
        reviewer: world.reviewer(),
        auditor: world.auditor(),
        outbox: world.outbox(),
        pictures: pictures(),
    };
    for story in &STORIES {
        let mut told = Vec::new();
        let played = story.play(&stage, &mut Teller::new(&mut told));
        let told = String::from_utf8(told).unwrap();
        let outcome = played.unwrap_or_else(|error| panic!("{told}\nbroke off: {error:?}"));
        assert!(
            story.came_out(&outcome),
            "{told}\nexpected {}: {}",
            story.expected,
            stories::describe(&outcome)
        );
    }
    for api in ["api-1", "api-2"] {
        assert!(world.metric(api, "reinstate_log_appends_total") > 0.0, "{api} wrote nothing");
    }
    let kept = "reinstate_projection_rows_total{outcome=\"hit\"}";
    assert!(world.metric("projector", kept) > 0.0, "the projector asked for every row");
    world.assert_clean();
    world.system.stop().unwrap();
}

/// Callers that guess, each one guess after the other.
const GUESSERS: usize = 64;
const GUESSES: usize = 10_000;

#[test]
fn ten_thousand_guesses_through_two_instances_are_evaluated_no_more_than_five_times() {
    let world = World::start(1, 2, 0);
    let case = Case::with_codes_only(&world);
    case.post("/reminder", Body::Nothing).with_status(&[200]).unwrap();
    let right: u32 = case.fetch_code(&world, "phone").parse().unwrap();

    let (next, evaluated) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..GUESSERS {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::SeqCst) < GUESSES {
                    // Any code but the right one.
                    let n = u32::try_from(next.load(Ordering::SeqCst)).unwrap();
                    let guess = format!("{:06}", (right + 1 + n % 999_998) % 1_000_000);
                    let path = case.path("/verify");
                    let answer = eventually("an answer to a guess", || {
                        let sent = case.owner.post(&path, Body::Json(&json!({"phone": guess})));
                        sent.ok().filter(|answer| !answer.is_to_be_repeated())
                    });
                    if answer.is_success() {
                        evaluated.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let late = case.post("/verify", Body::Json(&json!({"phone": format!("{right:06}")})));
    assert!(!late.is_success(), "the right code after too many wrong ones: {}", late.json());
    let events = eventually("the history", || {
        let events = world.events(&case.account);
        events.iter().any(|event| event == "CodeRejected").then_some(events)
    });
    let rejected = events.iter().filter(|event| *event == "CodeRejected").count();
    assert!(rejected <= 5, "{rejected} guesses were evaluated: {events:?}");
    assert!(evaluated.into_inner() <= 5 && !events.contains(&"CodeAccepted".to_owned()), "{events:?}");
    world.assert_clean();
    world.system.stop().unwrap();
}

#[test]
fn a_verifier_that_is_killed_in_the_middle_leaves_one_finding_made_by_another() {
    let world = World::start(1, 1, 2);
    let pictures = pictures();
    let passport = pictures.passport(&reinstate_demo::Person::number(0)).unwrap();
    let cases: Vec<_> = (0..2).map(|_| Case::with_pictures(&world)).collect();
    for case in &cases {
        case.pass_codes(&world);
        case.hand_in_document(&passport);
    }
    let working = |name: &str| world.metric(name, "reinstate_verifier_steps") > 0.0;
    let busy = eventually("an examination", || ["verifier-1", "verifier-2"].into_iter().find(|v| working(v)));
    world.service(busy).kill();
    let killed = Instant::now();
    for case in &cases {
        eventually("the finding", || {
            let document = case.read().requirement("document").unwrap().status.clone();
            (document != "processing").then_some(())
        });
    }
    eprintln!("both findings were there {:?} after the kill", killed.elapsed());
    for case in &cases {
        let events = eventually("the finding in the history", || {
            let events = world.events(&case.account);
            events.contains(&"DocumentExamined".to_owned()).then_some(events)
        });
        let findings = events.iter().filter(|event| *event == "DocumentExamined").count();
        assert_eq!(findings, 1, "{events:?}");
    }
    world.service(busy).start().unwrap();
    world.assert_clean();
    world.system.stop().unwrap();
}

#[test]
fn a_picture_that_kills_its_worker_twice_goes_to_a_person_and_stops_nobody() {
    let world = World::start(1, 1, 1);
    let pictures = pictures();
    let passport = pictures.passport(&reinstate_demo::Person::number(0)).unwrap();
    let verifier = world.service("verifier-1");
    let deadly = Case::with_pictures(&world);
    deadly.pass_codes(&world);
    deadly.hand_in_document(&passport);
    for lost in 1..=2 {
        eventually("an examination that was noted down", || {
            let noted = "SELECT count(*) FROM reinstate.attempts WHERE begun = ";
            let noted = world.system.postgres.psql("reinstate", &format!("{noted}{lost}")).unwrap();
            (noted == "1").then_some(())
        });
        verifier.kill();
        verifier.start().unwrap();
    }
    eventually("a person's turn", || {
        let document = deadly.read().requirement("document").unwrap().status.clone();
        assert_ne!(document, "passed", "nobody has looked at it");
        (document == "review").then_some(())
    });
    let timeline = world.auditor().get(&format!("/v1/accounts/{}/timeline", deadly.account)).unwrap();
    let timeline = String::from_utf8(timeline.bytes).unwrap();
    assert!(timeline.contains(r#""examinations_lost":2.0"#), "{timeline}");
    assert_eq!(timeline.matches("DocumentExamined").count(), 1, "{timeline}");

    let harmless = Case::with_pictures(&world);
    harmless.pass_codes(&world);
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    harmless.hand_in_document_within(&passport, trace_id);
    eventually("the next finding", || {
        let document = harmless.read().requirement("document").unwrap().status.clone();
        (document == "passed").then_some(())
    });
    assert_eq!(
        world.system.postgres.psql("reinstate", "SELECT count(*) FROM reinstate.attempts").unwrap(),
        "0"
    );
    world.assert_clean();
    world.system.stop().unwrap();
}

/// Enrols an account and says what came of it: `None` when nobody answered.
fn enrol_as(client: &Client, account: &str) -> Option<u16> {
    let path = format!("/v1/accounts/{account}");
    let body = json!({"contacts": {"email": "owner@example.org"}});
    client.put(&path, Body::Json(&body)).ok().map(|answer| answer.status)
}

fn enrol(client: &Client) -> Option<u16> {
    enrol_as(client, &fresh_account("fault"))
}

#[test]
fn without_kafka_reads_go_on_and_writes_are_refused_soon_until_it_is_back() {
    let world = World::start(1, 2, 0);
    let case = Case::with_codes_only(&world);
    let backend = world.backend();
    world.system.kafka.kill(0).unwrap();
    for api in ["api-1", "api-2"] {
        eventually("the word that the log is away", || {
            world.unready(api).contains(&"log".to_owned()).then_some(())
        });
    }
    for _ in 0..4 {
        let begin = Instant::now();
        assert_eq!(enrol(&backend), Some(503));
        assert!(begin.elapsed() < Duration::from_secs(1), "refused only after {:?}", begin.elapsed());
        let read = case.owner.get(&case.path("")).unwrap().with_status(&[200]).unwrap();
        assert!(read.header("Reinstate-Position").is_some(), "a read says how far it is");
    }
    world.system.kafka.restart(0).unwrap();
    world.system.kafka.wait_until_ready().unwrap();
    world.system.wait_until_ready().unwrap();
    for _ in 0..4 {
        assert_eq!(enrol(&backend), Some(201));
    }
    case.pass_codes(&world);
    world.assert_clean();
    world.system.stop().unwrap();
}

#[test]
fn without_postgresql_what_is_in_memory_is_answered_until_it_is_back() {
    let world = World::start(1, 1, 0);
    let case = Case::with_codes_only(&world);
    case.post("/reminder", Body::Nothing).with_status(&[200]).unwrap();
    let code = case.fetch_code(&world, "phone");
    world.system.postgres.kill9().unwrap();
    eventually("the word that the database is away", || {
        world.unready("api-1").contains(&"database".to_owned()).then_some(())
    });
    let locks = format!("/v1/accounts/{}/locks", case.account);
    let again = world.backend().post(&locks, Body::Json(&lock("owner_request"))).unwrap();
    again.with_status(&[200]).unwrap();
    case.post("/verify", Body::Json(&json!({"phone": code}))).with_status(&[200]).unwrap();
    assert_eq!(case.read().requirement("phone_code").unwrap().status, "passed");
    // Nobody has this account in memory, and nothing is made up about it.
    let unknown = world.backend().get("/v1/accounts/nobody").unwrap();
    assert_eq!(unknown.status, 503, "{}", unknown.json());

    world.system.postgres.restart().unwrap();
    world.system.wait_until_ready().unwrap();
    assert_eq!(world.backend().get("/v1/accounts/nobody").unwrap().status, 404);
    // By a courier and a projector that came back too.
    assert!(!case.fetch_code(&world, "email").is_empty());
    world.assert_clean();
    world.system.stop().unwrap();
}

#[test]
fn a_clock_that_differs_by_an_hour_is_told_and_nothing_is_decided_or_examined_by_it() {
    let world = World::start(1, 2, 1);
    let account = fresh_account("clock");
    assert_eq!(enrol_as(&world.backend(), &account), Some(201));
    // More than a verifier can do before it looks at the clock again.
    let waiting: Vec<_> = (0..8).map(|_| Case::with_pictures(&world)).collect();
    let passport = pictures().passport(&reinstate_demo::Person::number(0)).unwrap();
    let verifier = world.service("verifier-1");
    for case in &waiting {
        case.pass_codes(&world);
    }
    verifier.pause();
    for case in &waiting {
        case.hand_in_document(&passport);
    }
    let url = world.system.database_url();
    let database = url.rsplit_once('/').unwrap().1;
    // All of this test is on one host; what differs is the database's clock.
    world.system.postgres.set_clock(database, -3600).unwrap();
    verifier.resume();
    for service in ["api-1", "api-2", "verifier-1", "projector"] {
        eventually("the word that the clocks differ", || {
            world.unready(service).contains(&"clock".to_owned()).then_some(())
        });
    }
    let path = format!("/v1/accounts/{account}/locks");
    for _ in 0..2 {
        let refused = world.backend().post(&path, Body::Json(&lock("owner_request"))).unwrap();
        assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("clock_differs")));
        let read = world.backend().get(&format!("/v1/accounts/{account}")).unwrap();
        assert_eq!((read.status, read.json()["status"].as_str()), (200, Some("active")));
    }
    let refused = world.service("projector").run_once(&["check"]).unwrap_err().to_string();
    assert!(refused.contains("s ahead of that of"), "{refused}");

    eventually("the end of what was begun before", || {
        (world.metric("verifier-1", "reinstate_verifier_steps") == 0.0).then_some(())
    });
    let examined = || world.metric("verifier-1", "reinstate_verifier_stage_seconds_count");
    let put_off = || fs::read_to_string(verifier.log()).unwrap().matches("is tried again").count();
    let before = (examined(), put_off());
    eventually("work that is put off", || (put_off() > before.1 + waiting.len()).then_some(()));
    assert_eq!(examined(), before.0, "a picture was examined by a clock that differs");

    world.system.postgres.set_clock(database, 0).unwrap();
    world.system.wait_until_ready().unwrap();
    let locked = world.backend().post(&path, Body::Json(&lock("owner_request"))).unwrap();
    let (status, entries) = (locked.status, locked.json()["version"].clone());
    assert_eq!((status, entries), (201, json!(2)), "nothing of what was refused is in the log");
    for case in &waiting {
        eventually("the finding", || {
            (case.read().requirement("document").unwrap().status == "passed").then_some(())
        });
    }
    world.assert_clean();
    world.system.stop().unwrap();
}

#[test]
fn an_instance_that_is_told_to_end_answers_everything_that_it_takes_on() {
    let world = World::start(1, 2, 0);
    let (answered, unanswered) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let case = Case::with_codes_only(&world);
    let first = world.service("api-1");
    let caller = || Client::new(first.url().unwrap()).with_key(world.system.key("BACKEND").unwrap());
    thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let begin = Instant::now();
            let held = caller().get(&case.path("?wait=60")).unwrap();
            (held.status, begin.elapsed())
        });
        for _ in 0..8 {
            scope.spawn(|| {
                // A new connection for each, until the door is closed.
                loop {
                    let account = fresh_account("drain");
                    match enrol_as(&caller(), &account) {
                        Some(201) => answered.fetch_add(1, Ordering::SeqCst),
                        Some(status) => panic!("answered {status}"),
                        None => return unanswered.lock().unwrap().push(account),
                    };
                }
            });
        }
        eventually("some load", || (answered.load(Ordering::SeqCst) > 50).then_some(()));
        first.terminate();
        first.wait_until_ended().unwrap();
        let (status, held) = poll.join().unwrap();
        assert_eq!(status, 200, "who waits for a change is answered with what there is");
        assert!(held < PATIENCE / 4, "the end waited for a reader for {held:?}");
    });
    let second = Client::new(world.system.urls()[1]).with_key(world.system.key("BACKEND").unwrap());
    assert_eq!(enrol(&second), Some(201));
    // The rows have everything once they have what was written last.
    let checked = eventually("the rows of everything that was answered", || {
        let checked = world.service("projector").run_once(&["check"]).unwrap();
        let accounts: usize = checked.split(", ").nth(1)?.split(' ').next()?.parse().ok()?;
        (accounts >= answered.load(Ordering::SeqCst) + 2).then_some(accounts)
    });
    assert_eq!(checked, answered.load(Ordering::SeqCst) + 2, "what nobody was answered is not in the log");
    for account in unanswered.into_inner().unwrap() {
        assert_eq!(second.get(&format!("/v1/accounts/{account}")).unwrap().status, 404, "{account}");
    }
    world.assert_clean();
    world.system.stop().unwrap();
}
