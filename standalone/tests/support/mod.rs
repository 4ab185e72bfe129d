//! What the black-box tests share: the real server as a process of its own, called over HTTP and nothing else.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use reinstate_demo::{Client, Outbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

pub mod cases;

/// How long a start, with the loading of the models, and a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until something holds; fails, and says what, when it does not in time.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {} s", PATIENCE.as_secs());
        thread::sleep(PAUSE);
    }
}

/// A folder for a development server. It is kept, with the log in it, where `REINSTATE_KEEP_LOGS` says.
pub struct Folder {
    pub path: PathBuf,
    _scratch: Option<TempDir>,
}

impl Folder {
    pub fn new(test: &str) -> Self {
        match std::env::var_os("REINSTATE_KEEP_LOGS") {
            Some(kept) => {
                let path = PathBuf::from(kept).join(format!("{test}-{}", Uuid::now_v7().simple()));
                fs::create_dir_all(&path).unwrap();
                Self { path, _scratch: None }
            }
            None => {
                let scratch = tempfile::tempdir().unwrap();
                Self { path: scratch.path().join("server"), _scratch: Some(scratch) }
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// How a server is started here, on a free port.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reinstate"));
        command.arg("--dev").arg(&self.path).args(["--listen", "127.0.0.1:0"]);
        command
    }

    /// What the servers here wrote to their output, for whoever looks for the cause of a failure.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path.with_extension("log")).unwrap_or_default()
    }

    /// What the auditor's tool says of the log.
    pub fn audit(&self) -> Value {
        let server = Path::new(env!("CARGO_BIN_EXE_reinstate"));
        let tool = server.with_file_name("reinstate-audit");
        assert!(tool.exists(), "{} is not built; cargo build -p reinstate-audit", tool.display());
        let run = Command::new(tool)
            .args(["verify", "--json", "--evidence", "--data"])
            .arg(self.data())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|error| {
            panic!("no report: {error}\n{}", String::from_utf8_lossy(&run.stderr));
        });
        assert_eq!(run.status.success(), report["faults"] == Value::Array(Vec::new()), "{report}");
        report
    }

    /// Fails unless the auditor's tool finds nothing wrong with a log in which there is something.
    #[track_caller]
    pub fn assert_clean(&self) {
        let report = self.audit();
        assert_eq!(report["faults"], Value::Array(Vec::new()), "{report}");
        assert!(report["effective"].as_u64().unwrap() > 0, "{report}");
    }
}

/// A running server.
pub struct Process {
    child: Child,
    settings: BTreeMap<String, String>,
}

impl Process {
    /// Starts one and waits until it answers.
    pub fn start(folder: &Folder) -> Self {
        Self::run(folder, &mut folder.command())
    }

    /// As [`Self::start`], with a command of the caller's.
    pub fn run(folder: &Folder, command: &mut Command) -> Self {
        fs::create_dir_all(&folder.path).unwrap();
        let output = folder.path.with_extension("log");
        let output = File::options().create(true).append(true).open(output).unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        let settings = eventually("the start of the server", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", folder.said());
            }
            // Until it listens, the file names the address of the server before, where nobody answers.
            let settings = read_settings(&folder.path.join("dev.env"))?;
            let alive = Client::new(settings.get("REINSTATE_URL")?).get("/livez");
            alive.is_ok_and(|answer| answer.status == 200).then_some(settings)
        });
        Self { child, settings }
    }

    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).unwrap_or_else(|| panic!("dev.env has no {name}"))
    }

    pub fn url(&self) -> &str {
        self.setting("REINSTATE_URL")
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::new(Path::new(self.setting("REINSTATE_OUTBOX")))
    }

    /// A caller without a key.
    pub fn anybody(&self) -> Client {
        Client::new(self.url())
    }

    pub fn backend(&self) -> Client {
        self.anybody().with_key(self.setting("REINSTATE_BACKEND_KEY"))
    }

    pub fn reviewer(&self) -> Client {
        self.anybody().with_key(self.setting("REINSTATE_REVIEWER_KEY"))
    }

    pub fn auditor(&self) -> Client {
        self.anybody().with_key(self.setting("REINSTATE_AUDITOR_KEY"))
    }

    /// Waits until every part is ready, the models too.
    pub fn wait_until_ready(&self) {
        let anybody = self.anybody();
        eventually("readiness", || anybody.get("/readyz").ok().filter(|answer| answer.status == 200));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the server drains and ends well.
    pub fn stop(&mut self) {
        self.terminate();
        self.await_end();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits until the server has ended well.
    pub fn await_end(&mut self) {
        let child = &mut self.child;
        let status = eventually("the end of the server", || child.try_wait().unwrap());
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do for one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_settings(file: &Path) -> Option<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).ok()?;
    let lines = text.lines().filter_map(|line| line.trim_start_matches("export ").split_once('='));
    Some(
        lines
            .map(|(name, value)| (name.trim().to_owned(), value.trim_matches(['"', '\'']).to_owned()))
            .collect(),
    )
}

/// The server that the tests of a file share. When the last of them lets go of it, it is stopped and its log audited.
pub struct Server {
    pub process: Process,
    folder: Folder,
}

impl std::ops::Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// The file's server, started by whoever asks first.
pub fn server(test: &str) -> Arc<Server> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let folder = Folder::new(test);
    let server = Arc::new(Server { process: Process::start(&folder), folder });
    *shared = Arc::downgrade(&server);
    server
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.process.stop();
        self.folder.assert_clean();
    }
}

/// A photo of nothing.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// Where `models/fetch` puts the photos.
pub fn photos() -> PathBuf {
    cache().join("photos")
}

/// Where `models/fetch` puts the default bundle.
pub fn models() -> PathBuf {
    cache().join("models/default")
}

fn cache() -> PathBuf {
    let ours = std::env::var_os("REINSTATE_CACHE").map(PathBuf::from);
    let xdg = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    ours.or_else(|| xdg().or_else(home).map(|folder| folder.join("reinstate"))).expect("HOME is set")
}
