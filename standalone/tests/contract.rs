//! The contract as a stranger finds it: the description against what is served, the metrics against their page, and reads
//! that wait.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reinstate_demo::resource::Reactivation;
use reinstate_demo::{Body, Client, Method, Part};
use serde_json::{Value, json};
use support::cases::{Case, locked_account};
use support::{eventually, jpeg, server};

const METHODS: [Method; 5] = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH];

/// A described path with something in its gaps.
fn address(path: &str) -> String {
    let filled =
        path.split('/').map(|part| if part.starts_with('{') { "nothing-of-this-name" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

#[test]
fn every_described_call_is_served_and_asks_for_a_key_and_no_other_method_is_served() {
    let server = server("contract");
    let anybody = server.anybody();
    let document = anybody.get("/openapi.json").unwrap().with_status(&[200]).unwrap().json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{} paths", paths.len());
    for (path, described) in paths {
        for method in METHODS {
            let answer = anybody.send(method.clone(), &address(path), Body::Nothing, &[]).unwrap();
            match described.get(method.as_str().to_lowercase()) {
                None => {
                    assert_eq!(
                        (answer.status, answer.code().as_str()),
                        (405, "method_not_allowed"),
                        "{method} {path}"
                    );
                }
                Some(call) if call["security"][0]["key"].is_array() => {
                    assert_eq!(
                        (answer.status, answer.code().as_str()),
                        (401, "unauthorized"),
                        "{method} {path}"
                    );
                }
                Some(_) => assert!([200, 503].contains(&answer.status), "{method} {path}: {}", answer.status),
            }
        }
    }
}

#[test]
fn what_is_answered_is_what_the_description_promises() {
    let server = server("contract");
    let document = server.anybody().get("/openapi.json").unwrap().json();
    let account = locked_account(&server, "owner_request");
    let case = Case::with_codes_only(&server);
    for (path, address) in [
        ("/v1/accounts/{account}", format!("/v1/accounts/{account}")),
        ("/v1/accounts", "/v1/accounts?limit=3".to_owned()),
        ("/v1/reactivations/{id}", case.path("")),
        ("/v1/reactivations", "/v1/reactivations?limit=3".to_owned()),
        ("/v1/accounts/{account}/timeline", format!("/v1/accounts/{account}/timeline")),
        ("/livez", "/livez".to_owned()),
    ] {
        let position = server
            .backend()
            .post(&format!("/v1/accounts/{account}/locks"), Body::Json(&json!({"reason": "again"})));
        let position = position.unwrap().header("Reinstate-Position").unwrap().to_owned();
        let headers = [("Reinstate-After", position.as_str())];
        let answer = server.backend().send(Method::GET, &address, Body::Nothing, &headers).unwrap();
        let answer = answer.with_status(&[200]).unwrap().json();
        let schema =
            &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_described(&document, schema, &answer, path);
    }
}

/// Fails where an object has a field that its schema does not have, or lacks one that it requires.
fn assert_described(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => {
            document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{place}: no {name}"))
        }
        None => schema,
    };
    for key in ["oneOf", "allOf"] {
        if let Some(choices) = schema[key].as_array() {
            let fitting = choices.iter().filter(|choice| choice["type"] != "null");
            fitting.for_each(|choice| {
                if !value.is_null() {
                    assert_described(document, choice, value, place)
                }
            });
            return;
        }
    }
    match value {
        Value::Object(fields) if schema["properties"].is_object() => {
            for (name, field) in fields {
                let described = &schema["properties"][name];
                assert!(!described.is_null(), "{place}/{name} is not described");
                assert_described(document, described, field, &format!("{place}/{name}"));
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{place} has no {name}");
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| assert_described(document, &schema["items"], item, place));
        }
        _ => assert!(!schema.is_null(), "{place} is not described"),
    }
}

/// The names of the series that the page for operators promises of one process.
fn promised_series() -> BTreeSet<&'static str> {
    let page = include_str!("../../docs/operations.md");
    let (_, of_one) = page.split_once("### Of one process").unwrap();
    let (of_one, _) = of_one.split_once("### Of the services alone").unwrap();
    let words = of_one.split('`').filter(|word| word.starts_with("reinstate_") && !word.contains(' '));
    words.map(|word| word.split('{').next().unwrap()).collect()
}

#[test]
fn the_promised_series_are_there_and_tell_nothing_personal() {
    let server = server("contract");
    server.wait_until_ready();
    let case = Case::with_pictures(&server);
    case.pass_codes(&server);
    let picture = jpeg(600, 400);
    let form = [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", &picture)];
    case.post("/documents", Body::Form(&form)).with_status(&[202]).unwrap();
    eventually("a finding", || (case.read().requirement("document")?.status != "processing").then_some(()));
    server.backend().get("/v1/accounts/nobody-of-this-name").unwrap();

    let operations = Client::new(server.setting("REINSTATE_OPERATIONS_URL"));
    let promised = promised_series();
    assert!(promised.contains("reinstate_api_request_seconds"), "{promised:?}");
    let answer = operations.get("/metrics").unwrap().with_status(&[200]).unwrap();
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    for series in &promised {
        assert!(samples.iter().any(|sample| sample.starts_with(series)), "no {series}:\n{text}");
    }
    let written = |route: &str, status: &str| {
        let labels = [format!("route=\"{route}\""), format!("status=\"{status}\"")];
        samples.iter().any(|sample| {
            sample.starts_with("reinstate_api_request_seconds")
                && labels.iter().all(|label| sample.contains(label))
        })
    };
    assert!(
        written("/v1/reactivations/{id}/documents", "202") && written("/v1/accounts/{account}", "404"),
        "{text}"
    );
    // A label is a route's pattern, a method, a status, a kind, a stage, an outcome, a cause, a state, or a bound: never an id or what somebody sent.
    let known = ["route", "method", "status", "kind", "stage", "outcome", "cause", "state", "le"];
    for sample in &samples {
        let labels = sample
            .split_once('{')
            .and_then(|(_, rest)| rest.rsplit_once('}'))
            .map_or("", |(labels, _)| labels);
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, _) = label.split_once('=').unwrap();
            assert!(known.contains(&name.trim()), "{sample}");
        }
    }
    for personal in
        [&case.account, &case.id, "nobody-of-this-name", "owner@example.org", "447700900123", "Lindqvist"]
    {
        assert!(!text.contains(personal), "{personal} is in the metrics");
    }
    assert_eq!(server.anybody().get("/metrics").unwrap().status, 404, "not on the port that strangers reach");
}

#[test]
fn nobody_waits_for_a_reactivation_that_has_ended() {
    let server = server("contract");
    let case = Case::with_codes_only(&server);
    case.post("/cancel", Body::Nothing).with_status(&[200]).unwrap();
    assert_eq!(case.read().status, "cancelled");
    let begun = Instant::now();
    let seen: Reactivation = case.owner.get(&case.path("?wait=60")).unwrap().read_as().unwrap();
    assert_eq!(seen.status, "cancelled");
    // Half of what was asked for, so that a slow machine is no reason and waiting to the end is.
    assert!(begun.elapsed() < Duration::from_secs(30), "it was waited for {:?}", begun.elapsed());
}
