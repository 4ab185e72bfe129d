//! What several tests of the engine need.
#![allow(dead_code, reason = "each test uses its own part")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use reinstate_domain::face::{Action, Reference};
use reinstate_verifier::Settings;
use reinstate_verifier::contain::Program;
use reinstate_verifier::engine::{Engine, FaceJob};
use reinstate_verifier::models::cache_dir;

pub(crate) mod hostile;

/// The verifier's own program: a test has a `main` that does not turn into a zygote.
pub(crate) fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_reinstate-verifier"))
}

pub(crate) fn engine(settings: Settings) -> Engine {
    Engine::start(&program(), None, &settings).unwrap()
}

pub(crate) fn photo(name: &str) -> Vec<u8> {
    fs::read(cache_dir().join("photos").join(name)).unwrap()
}

pub(crate) fn face_job() -> FaceJob {
    FaceJob {
        frames: vec![(Action::LookAhead, photo("obama.jpg"))],
        references: vec![(Reference::OnFile, photo("obama2.jpg"))],
    }
}

/// Processes by the one that started them, oldest first.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let mut found: Vec<(u64, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // proc(5): after the name in parentheses, which may hold anything, come state, parent, … and, as the 22nd, the start.
            let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let gone = rest.first() == Some(&"Z");
            (!gone && rest.get(1)?.parse() == Ok(parent)).then_some((rest.get(19)?.parse().ok()?, pid))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, pid)| pid).collect()
}

pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z')))
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A field of `/proc/PID/status`.
pub(crate) fn status(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}
