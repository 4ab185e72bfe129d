//! What the standalone server holds in memory while it works: started as its users start it, on a fresh folder, called over
//! HTTP by several owners at once, each with a document and a selfie. The stories are the demo's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use reinstate_demo::{Client, Outbox, Pictures, STORIES, Stage, Teller, stories};
use reinstate_verifier::models::cache_dir;

use crate::usage;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the server {} can't be started; ./dev bench builds it", path.display())]
    Start {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the server did not become ready; it says: {said}")]
    NotReady { said: String },
    #[error("the pictures")]
    Pictures(#[from] reinstate_demo::pictures::Error),
    #[error("the demo has no story {letter}")]
    NoStory { letter: char },
    #[error("story {letter} broke off")]
    BrokeOff {
        letter: char,
        #[source]
        source: reinstate_demo::Error,
    },
    #[error("story {letter} did not come out as told: {outcome}")]
    Otherwise { letter: char, outcome: String },
    #[error("a scratch folder")]
    Folder(#[source] io::Error),
    #[error("the server's memory can't be read; this needs Linux's /proc")]
    Status(#[source] io::Error),
}

/// Those in which somebody hands in a document: one, or in (e) two.
const LETTERS: [char; 5] = ['a', 'c', 'd', 'e', 'f'];
/// Journeys between two samples.
const BETWEEN: usize = 25;
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Plays `journeys`, so many `at_once`, and prints the server's resident memory on the way.
pub(crate) fn run(journeys: usize, at_once: usize) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(Failed::Folder)?;
    let server = Server::start(folder.path())?;
    let stage = server.stage()?;
    println!("resident memory of the standalone server, {at_once} journeys at once, MiB");
    println!("  {:<18} {:>6} {:>6}", "", "now", "most");
    server.print("ready")?;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = thread::scope(|scope| {
        let work = || -> Result<(), Failed> {
            loop {
                let journey = next.fetch_add(1, Ordering::Relaxed);
                if journey >= journeys {
                    return Ok(());
                }
                play(&stage, LETTERS[journey % LETTERS.len()])?;
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(BETWEEN) {
                    server.print(&format!("after {done} journeys"))?;
                }
            }
        };
        let workers: Vec<_> = (0..at_once.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for result in results {
        match result {
            Ok(result) => result?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(())
}

fn play(stage: &Stage, letter: char) -> Result<(), Failed> {
    let story = STORIES.iter().find(|story| story.letter == letter).ok_or(Failed::NoStory { letter })?;
    let played = story.play(stage, &mut Teller::new(&mut io::sink()));
    let outcome = played.map_err(|source| Failed::BrokeOff { letter, source })?;
    if story.came_out(&outcome) {
        Ok(())
    } else {
        Err(Failed::Otherwise { letter, outcome: stories::describe(&outcome) })
    }
}

/// A running server, which ends with this value.
struct Server {
    child: Child,
    settings: BTreeMap<String, String>,
}

impl Server {
    fn start(folder: &Path) -> Result<Self, Failed> {
        let here = std::env::current_exe().unwrap_or_default();
        let path = here.with_file_name("reinstate");
        let start = |source| Failed::Start { path: path.clone(), source };
        let log = folder.join("server.log");
        let output = File::create(&log).map_err(Failed::Folder)?;
        let child = Command::new(&path)
            .arg("--dev")
            .arg(folder.join("server"))
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(start)?;
        let mut server = Self { child, settings: BTreeMap::new() };
        let deadline = Instant::now() + PATIENCE;
        while !server.is_ready(&folder.join("server/dev.env")) {
            if Instant::now() > deadline || !matches!(server.child.try_wait(), Ok(None)) {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(Failed::NotReady { said: said.lines().last().unwrap_or_default().to_owned() });
            }
            thread::sleep(PAUSE);
        }
        Ok(server)
    }

    /// Whether it listens and has its models.
    fn is_ready(&mut self, settings: &Path) -> bool {
        let text = fs::read_to_string(settings).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        self.settings = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let ready = Client::new(self.setting("URL")).get("/readyz");
        ready.is_ok_and(|answer| answer.status == 200)
    }

    fn setting(&self, name: &str) -> &str {
        self.settings.get(&format!("REINSTATE_{name}")).map_or("", String::as_str)
    }

    fn stage(&self) -> Result<Stage, Failed> {
        let client = Client::new(self.setting("URL"));
        Ok(Stage {
            backend: client.with_key(self.setting("BACKEND_KEY")),
            reviewer: client.with_key(self.setting("REVIEWER_KEY")),
            auditor: client.with_key(self.setting("AUDITOR_KEY")),
            outbox: Outbox::new(Path::new(self.setting("OUTBOX"))),
            pictures: Pictures::load(&cache_dir().join("photos"))?,
        })
    }

    /// What the kernel counts: pages in memory now, and the most there ever were.
    fn print(&self, when: &str) -> Result<(), Failed> {
        let memory = usage::memory(self.child.id()).map_err(Failed::Status)?;
        println!("  {when:<18} {:>6.0} {:>6.0}", memory.now, memory.most);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The folder goes with it; nothing is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
