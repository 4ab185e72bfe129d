//! After an erasure nothing personal is left, and the history still verifies.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use reinstate_demo::{Body, Method, timeline};
use serde_json::json;
use support::cases::{fresh_account, lock};
use support::{Folder, Process};

/// What of a person must not be readable in any file of the data directory, erased or not.
const PERSONAL: [&str; 5] =
    ["Quetzalcoatl", "Zwiebelfisch", "zwiebelfisch@example.org", "+447700900199", "Ottokar"];

/// Every file below a folder that contains a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if contains(&fs::read(&path).unwrap(), text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
}

#[track_caller]
fn assert_nothing_is_readable(folder: &Folder) {
    for text in PERSONAL {
        assert_eq!(files_with(&folder.path.join("data"), text), Vec::<String>::new(), "{text} is readable");
        assert!(!folder.said().contains(text), "{text} is in the server's output");
    }
}

#[test]
fn what_is_personal_is_readable_in_no_file_and_gone_after_an_erasure_while_the_history_stays() {
    let folder = Folder::new("erasure");
    let mut server = Process::start(&folder);
    let backend = server.backend();
    let account = fresh_account("erase");
    let path = format!("/v1/accounts/{account}");
    let enrolment = json!({
        "contacts": {"phone": PERSONAL[3], "email": PERSONAL[2]},
        "identity": {"given_names": PERSONAL[0], "surname": PERSONAL[1], "birth_date": "1969-03-14"},
        "questions": [{"id": "pet", "prompt": "The name of your first pet?", "answer": PERSONAL[4]}],
        "attributes": {"risk": "low"},
    });
    backend.put(&path, Body::Json(&enrolment)).unwrap().with_status(&[201]).unwrap();
    let locked = backend.post(&format!("{path}/locks"), Body::Json(&lock("owner_request"))).unwrap();
    locked.with_status(&[201]).unwrap();
    let opened = backend.post(&format!("{path}/reactivations"), Body::Nothing).unwrap();
    let opened = opened.with_status(&[201]).unwrap().json();
    assert_nothing_is_readable(&folder);
    assert!(!files_with(&folder.path.join("data"), &account).is_empty(), "what is not personal can be found");

    let erased = backend.send(Method::DELETE, &format!("{path}/personal-data"), Body::Nothing, &[]).unwrap();
    let erased = erased.with_status(&[200]).unwrap();
    assert_eq!(erased.json()["status"], "erased");
    let again = backend.send(Method::DELETE, &format!("{path}/personal-data"), Body::Nothing, &[]).unwrap();
    assert_eq!(again.status, 200);
    let refused = backend.put(&path, Body::Json(&enrolment)).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "erased"));

    let position = erased.header("Reinstate-Position");
    let history = timeline::read(&server.auditor(), &account, position).unwrap();
    let kinds: Vec<_> =
        history.iter().flat_map(|entry| &entry.events).map(|event| event.kind.as_str()).collect();
    assert_eq!(&kinds[..2], ["AccountEnrolled", "AccountLocked"]);
    assert_eq!(&kinds[kinds.len() - 2..], ["PersonalDataErased", "CaseCancelled"]);
    let id = opened["id"].as_str().unwrap();
    let case = backend.get(&format!("/v1/reactivations/{id}")).unwrap().json();
    assert_eq!(case["status"], "cancelled");

    server.stop();
    assert_nothing_is_readable(&folder);
    folder.assert_clean();
}
