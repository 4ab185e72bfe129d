//! What only the embedded log can be put through: torn files, full disks, other versions, other processes, kills.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use reinstate_domain::entry::Head;
use reinstate_store::{
    data_dir::{self, DataDir},
    log::{
        Appended, Error, Log, LogReader, Record,
        embedded::{Embedded, EmbeddedReader, Options},
    },
};
use support::{account, committed, effective, entry, entry_of, envelope, read_all};
use tokio::task::JoinSet;

mod support;

fn open(path: &Path) -> Embedded {
    Embedded::open(Arc::new(DataDir::open(path).unwrap())).unwrap()
}

/// Copies the log's files as they are now, as a crash would leave them.
fn copy_log(from: &Path, to: &Path) {
    for name in ["log.sqlite", "log.sqlite-wal"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_torn_or_garbled_tail_costs_only_what_lies_behind_it_and_never_half_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let wal = folder.path().join("log.sqlite-wal");
    let anna = account("anna");
    let mut head = Head::default();
    // How long the WAL was when each entry was acknowledged.
    let mut lengths = Vec::new();
    for n in 0..30 {
        head = committed(log.append(entry_of(n * 400, &anna, head)).await.unwrap());
        lengths.push(fs::metadata(&wal).unwrap().len());
    }
    let whole = read_all(&log, 0).await;
    let full = *lengths.last().unwrap();

    let cuts = (0..=full).step_by(1987).chain(lengths.iter().flat_map(|l| [l - 1, *l]));
    for (n, cut) in cuts.enumerate() {
        let crashed = tempfile::tempdir().unwrap();
        copy_log(folder.path(), crashed.path());
        let torn = crashed.path().join("log.sqlite-wal");
        let mut bytes = fs::read(&torn).unwrap();
        let at = usize::try_from(cut).unwrap();
        if n % 2 == 0 {
            bytes.truncate(at);
        } else {
            // Blocks after the tear that reached the disk out of order.
            for byte in bytes.iter_mut().skip(at).take(4096) {
                *byte ^= 0x5a;
            }
        }
        fs::write(&torn, bytes).unwrap();

        let acknowledged = lengths.iter().filter(|l| **l <= cut).count();
        let Ok(directory) = DataDir::open(crashed.path()) else { panic!("the lock is free") };
        let log = Embedded::open(Arc::new(directory)).unwrap();
        let kept = read_all(&log, 0).await;
        assert!(kept.len() >= acknowledged, "cut at {cut}: {} of {acknowledged} entries", kept.len());
        assert_eq!(kept, whole[..kept.len()], "cut at {cut}");
        assert_eq!(effective(&kept, &anna).len(), kept.len());
        // And the log goes on from there.
        let last = kept.last().map_or(Head::default(), head_of);
        let next = committed(log.append(entry(&anna, last)).await.unwrap());
        assert_eq!(next.version, kept.len() as u64 + 1);
    }
}

fn head_of(record: &Record) -> Head {
    let hash = reinstate_domain::entry::Hash::of(&record.value);
    Head { hash: Some(hash), version: envelope(&record.value).version }
}

#[tokio::test]
async fn a_log_that_may_not_grow_says_so_keeps_what_it_has_and_goes_on_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(DataDir::open(folder.path()).unwrap());
    let small = Options { max_bytes: Some(256 * 1024) };
    let log = Embedded::open_with(directory.clone(), small).unwrap();
    let (kept, head) = fill(&log).await;
    drop(log);

    let log = Embedded::open(directory).unwrap();
    assert_eq!(read_all(&log, 0).await.len(), kept);
    committed(log.append(entry_of(20_000, &account("anna"), head)).await.unwrap());
}

/// Appends until the log is full. Returns how many entries were acknowledged, and the head.
async fn fill(log: &Embedded) -> (usize, Head) {
    let anna = account("anna");
    let mut head = Head::default();
    let mut acknowledged = 0;
    loop {
        match log.append(entry_of(20_000, &anna, head)).await {
            Ok(appended) => head = committed(appended),
            Err(error) => {
                assert!(matches!(error, Error::Full), "{error:?}");
                break;
            }
        }
        acknowledged += 1;
        assert!(acknowledged < 10_000, "never full");
    }
    assert!(acknowledged > 2);
    let records = read_all(log, 0).await;
    assert_eq!(records.len(), acknowledged);
    assert_eq!(effective(&records, &anna).len(), acknowledged);
    assert_eq!(log.end(0).await.unwrap(), acknowledged as u64);
    (acknowledged, head)
}

/// A disk that is really full: a file system of 3 MiB in a name space of its own, where the system lets us have one.
#[test]
fn on_a_full_disk_nothing_is_half_written_and_the_log_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=3m none '{}'", folder.path().display());
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command.env("REINSTATE_TEST_FULL_DISK", folder.path());
        command
    };
    if !unshare(&mount).output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: this system does not let us mount a small file system");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let test = format!("{mount} && exec '{}' --exact --ignored child_on_a_full_disk", program.display());
    let output = unshare(&test).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test]
#[ignore = "run by the test above, in a small file system"]
async fn child_on_a_full_disk() {
    let Some(folder) = std::env::var_os("REINSTATE_TEST_FULL_DISK") else { return };
    let filler = Path::new(&folder).join("filler");
    fs::write(&filler, vec![0; 1 << 20]).unwrap();
    let log = open(Path::new(&folder));
    let (kept, head) = fill(&log).await;
    fs::remove_file(filler).unwrap();
    let head = committed(log.append(entry_of(20_000, &account("anna"), head)).await.unwrap());
    drop(log);
    let log = open(Path::new(&folder));
    assert_eq!(read_all(&log, 0).await.len(), kept + 1);
    assert_eq!(head.version, kept as u64 + 1);
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused_by_writers_and_readers_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let file = folder.path().join("log.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let before = fs::read(&file).unwrap();

    let directory = Arc::new(DataDir::open(folder.path()).unwrap());
    for refused in [
        Embedded::open(directory).map(|_| ()).unwrap_err(),
        EmbeddedReader::open(folder.path()).map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(refused, Error::NewerVersion { found: 2, known: 1, .. }), "{refused:?}");
        assert!(refused.to_string().contains(file.to_str().unwrap()));
    }
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused_and_left_alone() {
    for (what, bytes) in [("text", b"Dear diary, ".repeat(100)), ("another database", another_database())] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.sqlite");
        fs::write(&file, &bytes).unwrap();
        let directory = Arc::new(DataDir::open(folder.path()).unwrap());
        assert!(matches!(Embedded::open(directory), Err(Error::NotALog { .. })), "{what}");
        assert!(matches!(EmbeddedReader::open(folder.path()), Err(Error::NotALog { .. })), "{what}");
        assert_eq!(fs::read(&file).unwrap(), bytes, "{what}");
    }
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(EmbeddedReader::open(nothing.path()), Err(Error::NotFound { .. })));
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0, "a reader makes nothing");
}

fn another_database() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE diary (page TEXT)").unwrap();
    fs::read(file).unwrap()
}

#[tokio::test]
async fn a_second_writer_is_refused_while_readers_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    assert!(matches!(DataDir::open(folder.path()), Err(data_dir::Error::InUse { .. })));
    let anna = account("anna");
    let mut head = Head::default();
    for n in 1..=5 {
        head = committed(log.append(entry(&anna, head)).await.unwrap());
        let reader = EmbeddedReader::open(folder.path()).unwrap();
        reader.wait(0, n - 1).await.unwrap();
        assert_eq!(reader.end(0).await.unwrap(), n);
        assert_eq!(read_all(&reader, 0).await, read_all(&log, 0).await);
    }
}

#[tokio::test]
async fn a_reader_reads_where_no_server_runs_and_where_one_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let anna = account("anna");
    let mut head = Head::default();
    for _ in 0..5 {
        head = committed(log.append(entry(&anna, head)).await.unwrap());
    }
    let records = read_all(&log, 0).await;
    let killed = tempfile::tempdir().unwrap();
    copy_log(folder.path(), killed.path());
    drop(log);
    for path in [folder.path(), killed.path()] {
        let reader = EmbeddedReader::open(path).unwrap();
        assert_eq!(read_all(&reader, 0).await, records);
        drop(reader);
        let log = open(path);
        committed(log.append(entry(&anna, head)).await.unwrap());
    }
}

#[tokio::test]
async fn a_damaged_page_is_an_error_that_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let anna = account("anna");
    let mut head = Head::default();
    for _ in 0..50 {
        head = committed(log.append(entry_of(2000, &anna, head)).await.unwrap());
    }
    drop(log);
    let file = folder.path().join("log.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 16].fill(0xff);
    fs::write(&file, bytes).unwrap();

    let reader = EmbeddedReader::open(folder.path()).unwrap();
    let mut next = 0;
    let error = loop {
        match reader.read(0, next, 1).await {
            Ok(records) => next = records.last().expect("the damage lies before the end").position.offset + 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Corrupt { position, .. } if position.offset == next), "{error:?}");
}

/// Four accounts, each written to by its own task, until somebody kills the process. Prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run, and killed, by the test below"]
async fn child_that_writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("REINSTATE_TEST_KILLED") else { return };
    let log = Arc::new(open(Path::new(&folder)));
    let records = read_all(&*log, 0).await;
    let mut writers = JoinSet::new();
    for n in 0..4 {
        let log = log.clone();
        let who = account(&format!("account-{n}"));
        let mut head = effective(&records, &who).last().map_or(Head::default(), |r| head_of(r));
        writers.spawn(async move {
            loop {
                let value = entry_of(300, &who, head);
                let id = envelope(&value).id;
                let Appended::Committed { position, head: new } = log.append(value).await.unwrap() else {
                    panic!("nobody else writes this account");
                };
                head = new;
                println!("acknowledged {position} {id}");
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "child_that_writes_until_it_is_killed"])
            .env("REINSTATE_TEST_KILLED", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |line: String| {
            let mut words = line.split(' ');
            if let (Some("acknowledged"), Some(position), Some(id)) =
                (words.next(), words.next(), words.next())
            {
                acknowledged.push((position.to_owned(), id.to_owned()));
            }
        };
        for line in lines.by_ref().take(150 + 70 * round) {
            take(line.unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The last line may have been cut off in the middle; then it was never said.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        for line in rest.into_iter().filter(|line| line.len() == line.rfind(' ').map_or(0, |at| at + 37)) {
            take(line);
        }

        let log = open(folder.path());
        let records = read_all(&log, 0).await;
        let stored: Vec<(String, String)> =
            records.iter().map(|r| (r.position.to_string(), envelope(&r.value).id.to_string())).collect();
        for pair in &acknowledged {
            assert!(stored.contains(pair), "round {round}: {pair:?} was acknowledged");
        }
        let counted: usize =
            (0..4).map(|n| effective(&records, &account(&format!("account-{n}"))).len()).sum();
        assert_eq!(counted, records.len(), "every entry is whole and follows the one before");
        for (offset, record) in records.iter().enumerate() {
            assert_eq!(record.position.offset, offset as u64, "no gap");
        }
    }
    assert!(acknowledged.len() > 500);
}
