//! What the interface does under a clock that goes back, and what it asks the read models: behind a 404, and for those who wait.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reinstate_demo::{Answer, Body, Client, Method, client, timeline};
use reinstate_domain::codes::Channel;
use serde_json::{Value, json};
use support::Interface;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// An enrolled account, locked three hours ago.
fn locked(server: &Interface, account: &str) {
    let enrolment = json!({
        "contacts": {"phone": "+447700900123", "email": "owner@example.org"},
        "identity": {"given_names": "Jonas Emil", "surname": "Lindqvist", "birth_date": "1969-03-14"},
        "attributes": {"risk": "low"},
    });
    put(&server.backend(), &format!("/v1/accounts/{account}"), &enrolment).with_status(&[201]).unwrap();
    let lock = json!({"reason": "owner_request", "locked_at": server.clock.now() - 3 * HOUR});
    post(&server.backend(), &format!("/v1/accounts/{account}/locks"), &lock).with_status(&[201]).unwrap();
}

fn put(client: &Client, path: &str, body: &Value) -> Answer {
    client.put(path, Body::Json(body)).unwrap()
}

fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.post(path, Body::Json(body)).unwrap()
}

/// Opens a reactivation; its path, and its owner.
fn open(server: &Interface, account: &str) -> (String, String, Client) {
    let path = format!("/v1/accounts/{account}/reactivations");
    let opened = server.backend().post(&path, Body::Nothing).unwrap().with_status(&[201]).unwrap().json();
    let id = opened["id"].as_str().unwrap().to_owned();
    let owner = server.anybody().with_key(opened["owner_token"].as_str().unwrap());
    (id.clone(), format!("/v1/reactivations/{id}"), owner)
}

fn requirement(case: &Value, kind: &str) -> Value {
    case["requirements"].as_array().unwrap().iter().find(|r| r["kind"] == kind).unwrap()["status"].clone()
}

#[test]
fn a_clock_that_goes_back_loses_nothing_and_the_history_stays_in_order() {
    let server = Interface::start();
    let start = server.clock.now();
    locked(&server, "back");
    let (id, case, owner) = open(&server, "back");
    owner.post(&format!("{case}/reminder"), Body::Nothing).unwrap().with_status(&[200]).unwrap();
    let codes = format!("{case}/codes");
    let key = client::fresh_key();
    let phone = json!({"channel": "phone"});
    let ask = || owner.once(Method::POST, &codes, Body::Json(&phone), &key).unwrap();
    ask().with_status(&[202]).unwrap();

    server.clock.set(start - HOUR);
    let again = ask();
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (202, Some("true")), "{}", again.json());
    let sooner = post(&owner, &codes, &phone);
    assert_eq!((sooner.status, sooner.code().as_str()), (429, "too_soon"));
    let wait: u64 = sooner.header("Retry-After").unwrap().parse().unwrap();
    assert!(wait > 3600, "by the clock as it is, more than the hour is to be waited: {wait}");
    let code = server.code(&id, Channel::Phone, 1);
    let seen = post(&owner, &format!("{case}/verify"), &json!({"phone": code})).with_status(&[200]).unwrap();
    assert_eq!(requirement(&seen.json(), "phone_code"), "passed");
    post(&owner, &codes, &json!({"channel": "email"})).with_status(&[202]).unwrap();

    // The clock is put right. For the account time never went back, so the code's half hour did not begin an hour early.
    server.clock.set(start + HOUR / 3);
    let code = json!({"email": server.code(&id, Channel::Email, 1)});
    let seen = post(&owner, &format!("{case}/verify"), &code).with_status(&[200]).unwrap();
    assert_eq!(requirement(&seen.json(), "email_code"), "passed", "{}", seen.json());
    let submitted = owner.post(&format!("{case}/submit"), Body::Nothing).unwrap();
    let submitted = submitted.with_status(&[200]).unwrap();

    let position = submitted.header("Reinstate-Position").unwrap();
    let entries = timeline::read(&server.auditor(), "back", Some(position)).unwrap();
    let times: Vec<Timestamp> = entries.iter().map(|entry| entry.time.parse().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let versions: Vec<u64> = entries.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=entries.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_clock_that_goes_back_does_not_open_an_account_sooner() {
    let server = Interface::start();
    let start = server.clock.now();
    locked(&server, "cooling");
    post(&server.backend(), "/v1/accounts/cooling/releases", &json!({"reason": "support"}))
        .with_status(&[200])
        .unwrap();
    post(&server.backend(), "/v1/accounts/cooling/locks", &json!({"reason": "owner_request"}))
        .with_status(&[201])
        .unwrap();
    let ask = || server.backend().post("/v1/accounts/cooling/reactivations", Body::Nothing).unwrap();
    let opens_at = start + 2 * HOUR;
    for now in [start, start - 5 * HOUR, opens_at - HOUR / 3600] {
        server.clock.set(now);
        let early = ask();
        assert_eq!((early.status, early.code().as_str()), (409, "cooling_off"), "at {now}");
        assert_eq!(early.json()["opens_at"].as_str().unwrap().parse::<Timestamp>().unwrap(), opens_at);
    }
    server.clock.advance(HOUR / 3600);
    ask().with_status(&[201]).unwrap();
}

#[test]
fn two_instances_whose_clocks_are_an_hour_apart_lose_nothing_and_keep_one_history() {
    let server = Interface::start();
    let start = server.clock.now();
    server.other_clock.set(start + HOUR);
    locked(&server, "apart");
    let (backend, ahead) = (server.backend(), server.other_backend());

    // What the one calls now is the future for the other, which says so and writes nothing.
    let now_ahead = json!({"reason": "owner_request", "locked_at": start + HOUR});
    post(&backend, "/v1/accounts/apart/releases", &json!({"reason": "support"})).with_status(&[200]).unwrap();
    let future = post(&backend, "/v1/accounts/apart/locks", &now_ahead);
    assert_eq!(future.status, 422, "{}", future.json());
    let lock = json!({"reason": "owner_request", "locked_at": start - HOUR - HOUR / 2});
    post(&backend, "/v1/accounts/apart/locks", &lock).with_status(&[201]).unwrap();

    // Each counts the two hours by its own clock, and both name the same end of them.
    let path = "/v1/accounts/apart/reactivations";
    let early = backend.post(path, Body::Nothing).unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "cooling_off"));
    assert_eq!(early.json()["opens_at"].as_str().unwrap().parse::<Timestamp>().unwrap(), start + HOUR / 2);
    let key = client::fresh_key();
    let opened = ahead.once(Method::POST, path, Body::Nothing, &key).unwrap().with_status(&[201]).unwrap();
    let again = backend.once(Method::POST, path, Body::Nothing, &key).unwrap();
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (201, Some("true")), "{}", again.json());
    assert_eq!(again.json()["id"], opened.json()["id"]);

    // A code of the one is good for the other, in both directions: for the account time does not go back.
    let id = opened.json()["id"].as_str().unwrap().to_owned();
    let token = opened.json()["owner_token"].as_str().unwrap().to_owned();
    let case = format!("/v1/reactivations/{id}");
    let (behind, ahead) = (server.anybody().with_key(&token), server.other_owner(&token));
    behind.post(&format!("{case}/reminder"), Body::Nothing).unwrap().with_status(&[200]).unwrap();
    for (channel, name, sender, prover) in
        [(Channel::Phone, "phone", &behind, &ahead), (Channel::Email, "email", &ahead, &behind)]
    {
        post(sender, &format!("{case}/codes"), &json!({"channel": name})).with_status(&[202]).unwrap();
        let code = json!({name: server.code(&id, channel, 1)});
        let seen = post(prover, &format!("{case}/verify"), &code).with_status(&[200]).unwrap();
        assert_eq!(requirement(&seen.json(), &format!("{name}_code")), "passed");
    }

    let submitted =
        behind.post(&format!("{case}/submit"), Body::Nothing).unwrap().with_status(&[200]).unwrap();
    let position = submitted.header("Reinstate-Position").unwrap();
    let entries = timeline::read(&server.auditor(), "apart", Some(position)).unwrap();
    let times: Vec<Timestamp> = entries.iter().map(|entry| entry.time.parse().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let versions: Vec<u64> = entries.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=entries.len() as u64).collect::<Vec<_>>());
}

#[test]
fn behind_a_404_the_same_is_asked_whether_the_reactivation_is_unknown_or_anothers() {
    let server = Interface::start();
    locked(&server, "mine");
    locked(&server, "another");
    let (_, _, owner) = open(&server, "mine");
    let (foreign, ..) = open(&server, "another");
    let asked = |method: Method, id: &str, step: &str| {
        server.asked.take();
        let path = format!("/v1/reactivations/{id}{step}");
        let answer = owner.send(method, &path, Body::Nothing, &[]).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
        server.asked.take()
    };
    let unknown = client::fresh_key();
    for (method, step) in [
        (Method::GET, ""),
        (Method::GET, "?wait=30"),
        (Method::POST, "/reminder"),
        (Method::POST, "/face-challenges"),
        (Method::POST, "/submit"),
        (Method::POST, "/cancel"),
    ] {
        let (theirs, nobodys) = (asked(method.clone(), &foreign, step), asked(method, &unknown, step));
        assert_eq!(theirs, nobodys, "{step}");
        // What is not here is waited for: another instance may have opened it a moment ago.
        assert_eq!(theirs, ["reactivation", "wait", "reactivation"], "{step}");
    }
}

#[test]
fn however_many_wait_one_question_to_the_read_model_follows_a_change() {
    const WAITERS: usize = 40;
    const CHANGES: usize = 20;
    let server = Interface::start();
    locked(&server, "waited-for");
    locked(&server, "busy");
    let (_, case, owner) = open(&server, "waited-for");
    server.asked.take();
    thread::scope(|scope| {
        let waiting = || owner.get(&format!("{case}?wait=60")).unwrap().with_status(&[200]).unwrap().json();
        let waiters: Vec<_> = (0..WAITERS).map(|_| scope.spawn(waiting)).collect();
        let begin = Instant::now();
        while server.asked.count("reactivation") < WAITERS || server.asked.count("reactivations_of") == 0 {
            assert!(begin.elapsed() < Duration::from_secs(60), "they do not all wait");
            thread::yield_now();
        }
        server.asked.take();
        for change in 0..CHANGES {
            let (path, body) = match change % 2 {
                0 => ("/v1/accounts/busy/releases", json!({"reason": "support"})),
                _ => ("/v1/accounts/busy/locks", json!({"reason": "owner_request"})),
            };
            assert!(post(&server.backend(), path, &body).is_success());
        }
        owner.post(&format!("{case}/reminder"), Body::Nothing).unwrap().with_status(&[200]).unwrap();
        for waiter in waiters {
            let seen = waiter.join().unwrap();
            assert_eq!(requirement(&seen, "reminder"), "passed");
        }
    });
    let asked = server.asked.count("reactivations_of");
    // The last change, what one waiter may have come too late for, and no question from the others.
    assert!((1..=CHANGES + 2).contains(&asked), "{asked} questions for {WAITERS} who wait");
    assert_eq!(server.asked.count("reactivation"), 1, "the reminder's own");
}
