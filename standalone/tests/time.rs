//! Time passes for codes and cases by themselves: under policies whose spans are short enough to wait for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use jiff::Timestamp;
use reinstate_demo::Body;
use reinstate_demo::resource::{CodeSent, Reactivation};
use serde_json::json;
use support::cases::{Case, count};
use support::{Folder, Process, eventually};

const EXCHANGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/policies/exchange.toml");

/// A server under the shipped policy with some of its spans replaced.
fn server_with(folder: &Folder, spans: &[(&str, &str)]) -> Process {
    let mut policy = fs::read_to_string(EXCHANGE).unwrap();
    for (from, to) in spans {
        assert!(policy.contains(from), "the shipped policy has no {from}");
        policy = policy.replace(from, to);
    }
    fs::create_dir_all(&folder.path).unwrap();
    let file = folder.path.join("policy.toml");
    fs::write(&file, policy).unwrap();
    Process::run(folder, folder.command().env("REINSTATE_POLICY__FILE", file))
}

fn reason(case: &Reactivation, kind: &str) -> String {
    case.requirement(kind).unwrap().reasons.first().map(|reason| reason.code.clone()).unwrap_or_default()
}

#[test]
fn only_the_newest_code_is_good_and_only_until_it_expires() {
    let folder = Folder::new("codes");
    let spans =
        [("lifetime = \"30m\"", "lifetime = \"3s\""), ("resend_after = \"60s\"", "resend_after = \"1s\"")];
    let mut server = server_with(&folder, &spans);
    let case = Case::with_codes_only(&server);
    case.acknowledge();

    let first = case.fetch_code(&server, "phone");
    let wanted = json!({"channel": "phone"});
    let second: CodeSent = eventually("the end of the wait", || {
        let answer = case.post_json("/codes", &wanted);
        (answer.status != 429).then(|| answer.read_as().unwrap())
    });
    let newest = server.outbox().wait_for_code(&case.id, "phone", second.issued).unwrap();
    if first != newest {
        let seen: Reactivation = case.post_json("/verify", &json!({"phone": first})).read_as().unwrap();
        assert_eq!(reason(&seen, "phone_code"), "code_wrong");
    }

    let asked = case.post_json("/codes", &json!({"channel": "email"})).with_status(&[202]).unwrap().json();
    let expires_at: Timestamp = asked["expires_at"].as_str().unwrap().parse().unwrap();
    let email = server.outbox().wait_for_code(&case.id, "email", 1).unwrap();
    eventually("the end of the code's time", || (Timestamp::now() > expires_at).then_some(()));
    let seen: Reactivation = case.post_json("/verify", &json!({"email": email})).read_as().unwrap();
    assert_eq!(reason(&seen, "email_code"), "code_expired");
    assert_eq!(seen.requirement("email_code").unwrap().attempts_left, Some(5), "nothing was evaluated");
    server.stop();
    folder.assert_clean();
}

#[test]
fn a_case_whose_time_is_over_is_closed_without_anybody_asking_and_another_may_be_opened() {
    let folder = Folder::new("expiry");
    let mut server = server_with(&folder, &[("lifetime = \"24h\"", "lifetime = \"1s\"")]);
    let case = Case::with_codes_only(&server);
    eventually("the event", || (count(&case.events(&server), "CaseExpired") == 1).then_some(()));
    let ended = case.read();
    assert_eq!(ended.status, "expired");
    assert_eq!(ended.result.unwrap().reasons[0].code, "case_expired");
    let late = case.post("/reminder", Body::Nothing);
    assert_eq!((late.status, late.code().as_str()), (409, "reactivation_ended"));
    let again = server.backend().post(&format!("/v1/accounts/{}/reactivations", case.account), Body::Nothing);
    assert_eq!(again.unwrap().status, 201);
    server.stop();
    folder.assert_clean();
}
