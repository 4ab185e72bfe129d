//! The hostile corpus over HTTP, against the real server: what is refused is refused at the door, what gets in is found out by the
//! verifier, and the server notices nothing of either.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../verifier/tests/support/hostile.rs"]
mod corpus;
mod support;

use std::fs;

use corpus::{Expected, corpus};
use reinstate_demo::{Body, Part};
use support::cases::{Case, locked_account};
use support::{Folder, Process, eventually, server};

#[test]
fn every_hostile_file_is_taken_or_refused_with_an_images_code() {
    let server = server("hostile");
    let account = locked_account(&server, "owner_request");
    let path = format!("/v1/accounts/{account}/portrait");
    for file in corpus() {
        let answer = server.backend().put(&path, Body::Image(&file.bytes)).unwrap();
        let refused = matches!(answer.status, 413 | 415 | 422) && answer.code().starts_with("image_");
        assert!(answer.status < 300 || refused, "{}: {}", file.name, answer.json());
    }
    server.wait_until_ready();
}

#[test]
fn what_gets_past_the_door_is_found_out_by_the_verifier() {
    let server = server("hostile");
    let names = [
        ("PNG with a wrong byte in its data", "image_corrupt"),
        ("JPEG, 15/16 of it", "image_corrupt"),
        ("PNG, animated", "image_unsupported"),
        ("progressive JPEG of 10,000 scans", "image_unsupported"),
    ];
    for (name, code) in names {
        let file = corpus().find(|file| file.name == name).unwrap();
        assert_eq!(file.expected, Expected::Fault(code), "{name}");
        let case = Case::with_pictures(&server);
        case.pass_codes(&server);
        let parts =
            [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", &file.bytes)];
        case.post("/documents", Body::Form(&parts)).with_status(&[202]).unwrap();
        let found = eventually("the finding", || {
            let document = case.read().requirements.into_iter().find(|it| it.kind == "document")?;
            (document.status != "processing").then_some(document.reasons)
        });
        assert_eq!(found[0].code, code, "{name}");
    }
}

/// The processes below one, and below those.
fn descendants(parent: u32) -> Vec<u32> {
    let mut found = vec![parent];
    let mut at = 0;
    while at < found.len() {
        let tasks = fs::read_dir(format!("/proc/{}/task", found[at])).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    found.split_off(1)
}

#[test]
fn a_server_that_is_killed_leaves_no_process_behind() {
    let folder = Folder::new("orphans");
    let server = Process::start(&folder);
    server.wait_until_ready();
    let examiners = eventually("the processes that examine", || {
        let found = descendants(server.id());
        (found.len() >= 2).then_some(found)
    });
    server.kill();
    eventually("their end", || {
        examiners.iter().all(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true)).then_some(())
    });
}
