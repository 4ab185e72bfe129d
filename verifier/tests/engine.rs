//! The engine and its processes: what they can't do, and what happens when they end.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use jiff::civil::Date;
use reinstate_domain::reason::ReasonCode;
use reinstate_verifier::Settings;
use reinstate_verifier::contain::Lost;
use reinstate_verifier::engine::{DocumentJob, Engine, Error};
use reinstate_verifier::models;
use rustix::process::{Pid, Signal, kill_process};
use support::{children, engine, face_job, hostile, is_alive, program, status, wait_until};
use tokio::sync::{Mutex, MutexGuard};

/// The tests look for their processes among the children of this one, so they take turns.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

fn settings(threads: usize) -> Settings {
    Settings { threads, ..Settings::default() }
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// The process that holds the networks, and the one worker that waits for a job.
fn zygote_and_worker() -> (u32, u32) {
    let zygotes = children(std::process::id());
    let [zygote] = zygotes[..] else { panic!("{zygotes:?}") };
    let mut workers = Vec::new();
    wait_until("the next worker", || {
        workers = children(zygote);
        workers.len() == 1
    });
    (zygote, workers[0])
}

/// Small enough for a socket's buffer: it is sent whole even when nobody reads.
fn small_job() -> DocumentJob {
    let page = image::RgbImage::from_fn(80, 64, |x, y| image::Rgb([x as u8, y as u8, 99]));
    DocumentJob { front: hostile::png(&page), back: None, today: Date::constant(2026, 1, 1) }
}

#[tokio::test(flavor = "current_thread")]
async fn more_callers_than_threads_all_get_the_same_answer() {
    let _turn = alone().await;
    let engine = engine(settings(2));
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.examine_face(face_job()).await })
        })
        .collect();
    let mut similarities = Vec::new();
    for call in calls {
        similarities.push(call.await.unwrap().unwrap().observation.similarity());
    }
    assert!(similarities[0].is_some() && similarities.iter().all(|s| *s == similarities[0]));
}

#[tokio::test]
async fn a_document_that_is_no_image_is_an_observation() {
    let _turn = alone().await;
    let job = DocumentJob { front: b"no image".to_vec(), ..small_job() };
    let examined = engine(settings(1)).examine_document(job).await.unwrap();
    assert_eq!(examined.observation.fault, Some(ReasonCode::ImageUnsupported));
    assert!(examined.portrait.is_none());
}

#[tokio::test]
async fn a_picture_far_beyond_the_limit_is_too_large_and_not_sent_whole() {
    let _turn = alone().await;
    let job = DocumentJob { front: vec![0xFF; 100 << 20], ..small_job() };
    let examined = engine(settings(1)).examine_document(job).await.unwrap();
    assert_eq!(examined.observation.fault, Some(ReasonCode::ImageTooLarge));
}

#[tokio::test]
async fn each_examination_has_a_guarded_process_of_its_own() {
    let _turn = alone().await;
    let engine = engine(settings(1));
    let (zygote, first) = zygote_and_worker();
    assert_eq!(status(zygote, "Threads"), "1");
    // 2 is a filter (proc(5)).
    assert_eq!((status(first, "Seccomp"), status(first, "NoNewPrivs")), ("2".into(), "1".into()));
    engine.examine_document(small_job()).await.unwrap();
    wait_until("the end of the first worker", || !is_alive(first));
    let (same, second) = zygote_and_worker();
    assert_eq!(same, zygote);
    assert_ne!(second, first);
}

/// Bytes of its own memory that a process holds, shared with the one that forked it or not.
fn held(pid: u32) -> u64 {
    status(pid, "RssAnon").strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn a_worker_that_waits_has_the_memory_that_it_will_take() {
    let _turn = alone().await;
    let _engine = engine(settings(1));
    let (zygote, worker) = zygote_and_worker();
    wait_until("the worker's memory", || held(worker) > held(zygote) + (60 << 20));
}

#[tokio::test]
async fn of_workers_that_are_done_nothing_is_left() {
    let _turn = alone().await;
    let engine = engine(settings(1));
    let (zygote, _) = zygote_and_worker();
    for _ in 0..5 {
        engine.examine_document(no_picture()).await.unwrap();
    }
    let tasks = format!("/proc/{zygote}/task/{zygote}/children");
    // The next one, and the last if it had not ended when the next was forked. On a busy machine some end later, and go with a later
    // fork; if they never went there would be more each time.
    let mut left = String::new();
    for _ in 0..20 {
        engine.examine_document(no_picture()).await.unwrap();
        zygote_and_worker();
        left = std::fs::read_to_string(&tasks).unwrap();
        if left.split_whitespace().count() <= 2 {
            return;
        }
    }
    panic!("these are left: {left}");
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed_and_the_next_job_is_done() {
    let _turn = alone().await;
    let engine = engine(Settings { timeout_seconds: 5, ..settings(1) });
    let (_, worker) = zygote_and_worker();
    send(worker, Signal::STOP);
    let error = engine.examine_document(small_job()).await.unwrap_err();
    assert!(matches!(error, Error::Lost(Lost::TimedOut)), "{error:?}");
    wait_until("the end of the worker", || !is_alive(worker));
    // On a slow machine a whole page may take longer than a hang is waited for here.
    engine.examine_document(no_picture()).await.unwrap();
}

/// Takes next to no time and memory: what remains to be done under the tightest limits.
fn no_picture() -> DocumentJob {
    DocumentJob { front: b"no picture".to_vec(), ..small_job() }
}

/// A file of the corpus.
fn hostile_job(name: &str) -> DocumentJob {
    let file = hostile::corpus().find(|file| file.name == name).unwrap();
    DocumentJob { front: file.bytes, ..small_job() }
}

#[tokio::test]
async fn an_examination_that_needs_more_memory_than_it_may_is_lost_alone() {
    let _turn = alone().await;
    let engine = engine(Settings { memory_mib: 64, ..settings(1) });
    let error = engine.examine_document(hostile_job("PNG of 49 megapixels of nothing")).await.unwrap_err();
    assert!(matches!(error, Error::Lost(Lost::Killed { signal: 6 })), "{error:?}");
    engine.examine_document(no_picture()).await.unwrap();
}

#[tokio::test]
async fn an_examination_that_needs_more_time_than_it_may_is_lost_alone() {
    let _turn = alone().await;
    let engine = engine(Settings { cpu_seconds: 1, ..settings(1) });
    let error = engine
        .examine_document(hostile_job("progressive JPEG of 32 scans, 49 megapixels"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Lost(Lost::TimedOut)), "{error:?}");
    engine.examine_document(no_picture()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_dies_while_it_waits_costs_no_examination() {
    let _turn = alone().await;
    let engine = engine(settings(1));
    let (_, worker) = zygote_and_worker();
    send(worker, Signal::KILL);
    wait_until("the end of the worker", || !is_alive(worker));
    engine.examine_document(small_job()).await.unwrap();
}

#[tokio::test]
async fn a_zygote_that_dies_takes_its_workers_along_and_is_replaced() {
    let _turn = alone().await;
    let engine = engine(settings(1));
    let (zygote, worker) = zygote_and_worker();
    send(zygote, Signal::KILL);
    wait_until("the end of the worker", || !is_alive(worker));
    engine.examine_document(small_job()).await.unwrap();
    assert_ne!(zygote_and_worker().0, zygote);
}

#[tokio::test]
async fn no_process_is_left_when_the_engine_is_gone() {
    let _turn = alone().await;
    let engine = engine(settings(1));
    let (zygote, worker) = zygote_and_worker();
    drop(engine);
    wait_until("the end of both", || !is_alive(zygote) && !is_alive(worker));
}

#[tokio::test]
async fn a_bundle_without_its_files_does_not_start_and_says_which_is_missing() {
    let _turn = alone().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/default");
    let error = Engine::start(&program(), Some(&folder), &settings(1)).err().unwrap();
    assert!(error.in_public().contains("is missing or can't be read"), "{error:?}");
    assert!(!error.in_public().contains('/'), "{error:?}");
    let nowhere = Engine::start(&program(), Some("/nowhere".as_ref()), &settings(1)).err().unwrap();
    assert!(matches!(nowhere, Error::Models(models::Error::ManifestUnreadable { .. })));
}
