//! The auditor's tool is the oracle of the write path: what the journal wrote passes, and what anybody else did to it shows.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command as Process, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use reinstate_domain::{
    account::Command,
    entry::{Hash, Head},
    ids::AccountId,
};
use reinstate_store::{
    blobs::{Artefacts, Blobs},
    data_dir::DataDir,
    log::{Appended, Log, LogReader, embedded::Embedded},
    seal::DataKey,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use world::{World, case, document, enrol, lock, now};

#[path = "../../store/tests/support/world.rs"]
mod world;

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn open(path: &Path) -> Embedded {
    Embedded::open(Arc::new(DataDir::open(path).unwrap())).unwrap()
}

/// A data directory with three accounts, 13 effective entries and one void one, at offset 5.
async fn directory() -> TempDir {
    let world = World::new(1);
    let (anna, berta, carla) = (account("anna"), account("berta"), account("carla"));
    world.up_to_the_code(&anna, case(1), "compliance").await;
    let stale = json!({
        "id": uuid::Uuid::now_v7(), "account": anna, "version": 1, "prev": null, "time": now(),
        "actor": {"role": "test"}, "events": [],
    });
    world.log.append(serde_json::to_vec(&stale).unwrap().into()).await.unwrap();
    world.up_to_the_code(&berta, case(2), "owner_request").await;
    let verify = Command::Verify { case: case(1), phone: Some(world.code(case(1), 1)), email: None };
    world.must(&anna, [verify, document(case(1), 5)]).await;
    world.must(&carla, [enrol()]).await;

    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for record in world.log.read(0, 0, 1000).await.unwrap() {
        log.append(record.value).await.unwrap();
    }
    folder
}

fn audit(folder: &Path, arguments: &[&str]) -> Output {
    Process::new(env!("CARGO_BIN_EXE_reinstate-audit"))
        .args(arguments)
        .arg("--data")
        .arg(folder)
        .output()
        .unwrap()
}

/// The report, after a look at the exit code.
#[track_caller]
fn verify(folder: &Path) -> Value {
    let output = audit(folder, &["verify", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let clean = report["faults"].as_array().unwrap().is_empty();
    assert_eq!(output.status.code(), Some(i32::from(!clean)), "{report}");
    report
}

/// Kind, position and account of each fault.
fn faults(report: &Value) -> BTreeSet<(String, String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    let faults = report["faults"].as_array().unwrap().iter();
    faults.map(|f| (text(&f["kind"]), text(&f["position"]), text(&f["account"]))).collect()
}

fn expected<const N: usize>(faults: [(&str, &str, &str); N]) -> BTreeSet<(String, String, String)> {
    faults.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).into()
}

/// Does something to the log behind everybody's back.
fn tamper(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("log.sqlite")).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn value(folder: &Path, offset: u64) -> Vec<u8> {
    let connection = Connection::open(folder.join("log.sqlite")).unwrap();
    connection.query_row("SELECT value FROM entries WHERE offset = ?1", (offset,), |row| row.get(0)).unwrap()
}

fn overwrite(folder: &Path, offset: u64, value: &[u8]) {
    let connection = Connection::open(folder.join("log.sqlite")).unwrap();
    connection.execute("UPDATE entries SET value = ?2 WHERE offset = ?1", (offset, value)).unwrap();
}

#[tokio::test]
async fn what_the_journal_wrote_is_clean() {
    let folder = directory().await;
    let report = verify(folder.path());
    let clean = json!({
        "sources": ["log", "heads table"],
        "entries": 14, "accounts": 3, "effective": 13, "void": 1, "faults": [],
    });
    assert_eq!(report, clean);
    let text = String::from_utf8(audit(folder.path(), &["verify"]).stdout).unwrap();
    assert!(text.contains("nothing is wrong"), "{text}");
}

#[tokio::test]
async fn a_changed_entry_shows_at_the_one_that_follows_it() {
    let folder = directory().await;
    let mut changed = value(folder.path(), 1);
    let at = String::from_utf8(changed.clone()).unwrap().find("compliance").unwrap();
    changed[at] = b'X';
    overwrite(folder.path(), 1, &changed);
    let found = faults(&verify(folder.path()));
    assert_eq!(found, expected([("broken_chain", "0:2", "anna"), ("head_mismatch", "-", "anna")]));
}

#[tokio::test]
async fn a_changed_last_entry_shows_in_the_table() {
    let folder = directory().await;
    let changed = String::from_utf8(value(folder.path(), 13)).unwrap().replace("\"d1\"", "\"d2\"");
    overwrite(folder.path(), 13, changed.as_bytes());
    assert_eq!(faults(&verify(folder.path())), expected([("head_mismatch", "-", "carla")]));
}

#[tokio::test]
async fn removed_entries_show_as_a_gap_and_a_broken_chain() {
    let folder = directory().await;
    tamper(folder.path(), "DELETE FROM entries WHERE offset IN (7, 8)");
    let found = faults(&verify(folder.path()));
    let gap = ("gap", "0:7", "-");
    assert_eq!(found, expected([gap, ("broken_chain", "0:9", "berta"), ("head_mismatch", "-", "berta")]));

    let folder = directory().await;
    tamper(folder.path(), "DELETE FROM entries WHERE offset = 13");
    assert_eq!(faults(&verify(folder.path())), expected([("head_mismatch", "-", "carla")]));
}

#[tokio::test]
async fn entries_that_changed_places_show() {
    let folder = directory().await;
    tamper(
        folder.path(),
        "UPDATE entries SET offset = 100 WHERE offset = 1; UPDATE entries SET offset = 1 WHERE offset = 2;
         UPDATE entries SET offset = 2 WHERE offset = 100;",
    );
    let found = faults(&verify(folder.path()));
    assert_eq!(found, expected([("broken_chain", "0:1", "anna"), ("head_mismatch", "-", "anna")]));
}

#[tokio::test]
async fn an_entry_under_another_accounts_key_shows() {
    let folder = directory().await;
    tamper(folder.path(), "UPDATE entries SET account = 'carla' WHERE offset = 4");
    let found = faults(&verify(folder.path()));
    assert!(found.contains(&("malformed".into(), "0:4".into(), "carla".into())), "{found:?}");
    assert!(found.contains(&("broken_chain".into(), "0:11".into(), "anna".into())), "{found:?}");
}

#[tokio::test]
async fn events_that_are_not_understood_are_told_each_and_the_rest_is_checked() {
    let folder = directory().await;
    let head = Head { hash: Some(Hash::of(&value(folder.path(), 13))), version: 1 };
    let newer = |head: Head, name: &str, v: u32| {
        let entry = json!({
            "id": uuid::Uuid::now_v7(), "account": "carla", "version": head.version + 1, "prev": head.hash,
            "time": now(), "actor": {"role": "test"}, "events": [{"type": name, "v": v, "data": {}}],
        });
        serde_json::to_vec(&entry).unwrap()
    };
    let log = open(folder.path());
    let Appended::Committed { head, .. } = log.append(newer(head, "AccountLocked", 2).into()).await.unwrap()
    else {
        panic!("it follows the head");
    };
    log.append(newer(head, "AccountDanced", 1).into()).await.unwrap();
    let report = verify(folder.path());
    assert_eq!(
        faults(&report),
        expected([("unknown_event", "0:14", "carla"), ("unknown_event", "0:15", "carla")])
    );
    assert_eq!(report["effective"], 15);
    assert!(report["faults"][0]["detail"].as_str().unwrap().contains("AccountLocked v2"));
}

#[tokio::test]
async fn a_table_that_was_changed_shows() {
    let folder = directory().await;
    tamper(
        folder.path(),
        "UPDATE heads SET version = 9 WHERE account = 'anna'; DELETE FROM heads WHERE account = 'berta';
         INSERT INTO heads VALUES ('nobody', randomblob(32), 1);",
    );
    let found = faults(&verify(folder.path()));
    let mismatch = |who| ("head_mismatch", "-", who);
    assert_eq!(found, expected([mismatch("anna"), mismatch("berta"), mismatch("nobody")]));
}

#[tokio::test]
async fn a_clock_that_went_back_in_the_log_shows() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut head = Head::default();
    for time in ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"] {
        let entry = json!({
            "id": uuid::Uuid::now_v7(), "account": "anna", "version": head.version + 1, "prev": head.hash,
            "time": time, "actor": {"role": "test"}, "events": [],
        });
        let appended = log.append(serde_json::to_vec(&entry).unwrap().into()).await.unwrap();
        let Appended::Committed { head: next, .. } = appended else { panic!("it follows the head") };
        head = next;
    }
    assert_eq!(faults(&verify(folder.path())), expected([("time_went_back", "0:1", "anna")]));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_rest_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1);
    let log = open(folder.path());
    for n in 0..300 {
        world.must(&account(&format!("a{n}")), [enrol()]).await;
    }
    for record in world.log.read(0, 0, 1000).await.unwrap() {
        log.append(record.value).await.unwrap();
    }
    drop(log);
    let file = folder.path().join("log.sqlite");
    let page: usize = Connection::open(&file)
        .unwrap()
        .query_row(
            "SELECT pageno FROM dbstat WHERE name = 'entries' AND pagetype = 'leaf' LIMIT 1 OFFSET 10",
            (),
            |row| row.get(0),
        )
        .unwrap_or(20);
    let mut bytes = fs::read(&file).unwrap();
    bytes[(page - 1) * 4096..page * 4096 - 4080].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let report = verify(folder.path());
    let faults = report["faults"].as_array().unwrap();
    assert!(faults.iter().any(|f| f["kind"] == "unreadable"), "{report}");
    let entries = report["entries"].as_u64().unwrap();
    assert!((200..300).contains(&entries), "{entries} entries could still be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_writer_at_work_the_audit_is_clean_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(open(folder.path()));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (log, stop) = (log.clone(), stop.clone());
        tokio::spawn(async move {
            let mut heads = vec![Head::default(); 50];
            for n in (0..50).cycle() {
                let entry = json!({
                    "id": uuid::Uuid::now_v7(), "account": format!("a{n}"), "version": heads[n].version + 1,
                    "prev": heads[n].hash, "time": now(), "actor": {"role": "test"}, "events": [],
                });
                let value = serde_json::to_vec(&entry).unwrap();
                let appended = log.append(value.clone().into()).await.unwrap();
                let Appended::Committed { head, .. } = appended else { panic!("nobody else writes") };
                heads[n] = head;
                // Somebody who comes too late, with the same bytes.
                log.append(value.into()).await.unwrap();
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
        })
    };
    let mut last = 100;
    for _ in 0..5 {
        // The writer is not held up by whoever reads beside it.
        tokio::time::timeout(Duration::from_secs(60), log.wait(0, last + 50)).await.unwrap().unwrap();
        let report = tokio::task::spawn_blocking({
            let path = folder.path().to_owned();
            move || verify(&path)
        });
        let report = report.await.unwrap();
        assert_eq!(report["faults"], json!([]));
        let entries = report["entries"].as_u64().unwrap();
        assert!(entries > last + 50);
        last = entries;
    }
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
}

#[tokio::test]
async fn show_has_every_entry_void_ones_marked_and_nothing_personal() {
    let folder = directory().await;
    let output = audit(folder.path(), &["show", "anna", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["account"], &shown["status"], &shown["version"]),
        (&json!("anna"), &json!("locked"), &json!(7))
    );
    let entries = shown["entries"].as_array().unwrap();
    let positions: Vec<&str> = entries.iter().map(|e| e["position"].as_str().unwrap()).collect();
    assert_eq!(positions, ["0:0", "0:1", "0:2", "0:3", "0:4", "0:5", "0:11", "0:12"]);
    let void: Vec<bool> = entries.iter().map(|e| !e["effective"].as_bool().unwrap()).collect();
    assert_eq!(void, [false, false, false, false, false, true, false, false]);
    assert_eq!(entries[0]["events"][0]["type"], "AccountEnrolled");
    assert_eq!(entries[0]["events"][0]["data"].get("profile"), None, "what is sealed stays out");
    assert_eq!(entries[7]["hash"], shown["head"]);

    let text = String::from_utf8(audit(folder.path(), &["show", "anna"]).stdout).unwrap();
    assert!(text.contains("AccountLocked {") && text.contains("void"), "{text}");
    let unknown = audit(folder.path(), &["show", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test]
async fn evidence_that_is_missing_or_damaged_shows_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(&folder.path().join("blobs")).unwrap();
    let artefacts = Artefacts::local(&folder.path().join("artefacts")).unwrap();
    let world = World::new(1);
    let anna = account("anna");
    let key = DataKey::from_bytes([1; 32]);
    let portrait = blobs.put(&key, &anna, b"a picture").await.unwrap();
    world.must(&anna, [enrol(), Command::EnrolPortrait { portrait }, lock("owner_request")]).await;
    world.must(&anna, [Command::Request { case: case(1) }]).await;
    artefacts.put(reinstate_domain::policy::EXCHANGE.as_bytes().to_vec().into()).await.unwrap();
    let log = open(folder.path());
    for record in world.log.read(0, 0, 100).await.unwrap() {
        log.append(record.value).await.unwrap();
    }
    let with_evidence = || {
        let output = audit(folder.path(), &["verify", "--json", "--evidence"]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["faults"].as_array().unwrap().clone()
    };
    assert_eq!(with_evidence(), Vec::<Value>::new());
    let hex = portrait.to_string();
    let file = folder.path().join("blobs").join(&hex[..2]).join(&hex[2..]);
    fs::write(&file, b"another picture").unwrap();
    fs::remove_dir_all(folder.path().join("artefacts")).unwrap();
    let found: Vec<String> =
        with_evidence().iter().map(|f| f["detail"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].contains(&hex) && found[0].contains("damaged"));
    assert!(found[1].contains("artefact") && found[1].contains("missing"));
    assert!(!folder.path().join("artefacts").exists(), "an audit makes nothing");
}

#[test]
fn a_folder_without_a_log_is_said_to_be_one_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let output = audit(folder.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no log"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    /// The void entry at offset 5 is the only one that no hash covers.
    #[test]
    fn no_byte_of_an_effective_entry_can_change_unseen(
        offset in (0_u64..14).prop_filter("void", |offset| *offset != 5),
        at: prop::sample::Index,
        flip in 1_u8..=255,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = runtime.block_on(directory());
        let mut changed = value(folder.path(), offset);
        let at = at.index(changed.len());
        changed[at] ^= flip;
        overwrite(folder.path(), offset, &changed);
        prop_assert!(!faults(&verify(folder.path())).is_empty());
    }
}
