//! The private PostgreSQL does what tests rely on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use reinstate_cluster::postgres::{Error, Postgres};

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn what_was_committed_is_there_after_a_kill_and_a_restart_on_the_same_port() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(folder.path()).unwrap();
    let url = server.create_database("mine").unwrap();
    server.psql("mine", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    server.kill9().unwrap();
    assert!(matches!(server.kill9(), Err(Error::NotRunning)));
    assert!(server.psql("mine", "SELECT n FROM t").is_err());
    server.restart().unwrap();
    assert_eq!(server.psql("mine", "SELECT n FROM t").unwrap(), "7");
    assert_eq!(server.url("mine"), url);

    server.pause().unwrap();
    server.resume().unwrap();
    assert_eq!(server.psql("mine", "SELECT n FROM t").unwrap(), "7");
    server.stop().unwrap();
    server.stop().unwrap();

    // Another handle on the same folder, as the next run of a program has it.
    drop(server);
    let server = Postgres::start(folder.path()).unwrap();
    assert_eq!(server.psql("mine", "SELECT n FROM t").unwrap(), "7");
    let pid = server.pid().unwrap();
    assert!(runs(pid));
    drop(server);
    assert!(!runs(pid));
}

#[test]
fn a_setting_that_it_does_not_know_is_told_with_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Postgres::start_with(folder.path(), &[("no_such_setting", "1")]).unwrap_err();
    assert!(matches!(refused, Error::Ended { .. }), "{refused:?}");
    assert!(refused.to_string().contains("no_such_setting"), "{refused}");
}
