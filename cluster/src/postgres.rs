//! A private PostgreSQL: Debian's programs, a folder of its own, a free port of 127.0.0.1, a password of its own.
//!
//! ```text
//! FOLDER/data          what initdb makes
//! FOLDER/postgres.log  what the server says
//! FOLDER/password      the one of the user `reinstate`, who may do everything
//! ```

use std::{
    env,
    ffi::OsStr,
    fs, io,
    io::Read,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::keeper;

/// How long the server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often its state is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The longest path of a unix socket on Linux, less the name that PostgreSQL gives it.
const SOCKET_FOLDER: usize = 107 - "/.s.PGSQL.65535".len();

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("PostgreSQL's programs are not installed: apt-get install postgresql")]
    NotInstalled,
    #[error("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")]
    NoUser,
    #[error("{} can't be used", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("{program} could not be run")]
    NotRun { program: &'static str, source: io::Error },
    #[error("{program} failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("PostgreSQL did not {what} within {} s; it says in {}: {said}", PATIENCE.as_secs(), log.display())]
    Late { what: &'static str, log: PathBuf, said: String },
    #[error("PostgreSQL ended at its start; it says in {}: {said}", log.display())]
    Ended { log: PathBuf, said: String },
    #[error("PostgreSQL is not running")]
    NotRunning,
}

/// Who the server runs as when we are root.
#[derive(Debug, Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

/// A running (or killed) server. Dropping it ends its processes; the folder stays.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    user: Option<User>,
    port: u16,
    password: String,
    settings: Mutex<Vec<(String, String)>>,
    server: Mutex<Option<Child>>,
}

impl Postgres {
    /// Starts a server on this folder, and makes its database first if there is none. Every user of this machine must be able to
    /// walk to the folder when we are root; the folder itself becomes the server's own.
    ///
    /// # Errors
    /// When it does not run: nothing of it is left running.
    pub fn start(folder: &Path) -> Result<Self, Error> {
        Self::start_with(folder, &[])
    }

    /// As [`Postgres::start`], with settings of PostgreSQL such as `("fsync", "off")`.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Result<Self, Error> {
        Self::begin(folder, settings, "scram-sha-256")
    }

    fn begin(folder: &Path, settings: &[(&str, &str)], authentication: &str) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(unusable)?;
        let folder = folder.canonicalize().map_err(unusable)?;
        let user = if geteuid().is_root() { Some(server_user().ok_or(Error::NoUser)?) } else { None };
        let mut settings: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if folder.as_os_str().len() <= SOCKET_FOLDER {
            settings.push(("unix_socket_directories".into(), folder.display().to_string()));
        } else {
            settings.push(("unix_socket_directories".into(), String::new()));
        }
        let mut server = Self {
            programs: programs().ok_or(Error::NotInstalled)?,
            user,
            port: free_port().map_err(unusable)?,
            password: String::new(),
            settings: Mutex::new(settings),
            server: Mutex::new(None),
            folder,
        };
        server.own(&server.folder.clone(), 0o700)?;
        server.password = server.initialised(authentication)?;
        server.restart()?;
        Ok(server)
    }

    /// The one server that all tests of this process share; it ends with the process. Not durable, and it
    /// believes everyone. Every test makes itself a database.
    ///
    /// # Errors
    /// As [`Postgres::start`], each time the same.
    pub fn of_this_process() -> Result<&'static Self, &'static Error> {
        static SERVER: OnceLock<Result<Postgres, Error>> = OnceLock::new();
        let server = SERVER.get_or_init(|| {
            let places = env::temp_dir();
            sweep(&places);
            let folder = places.join(format!("{SHARED}{}", std::process::id()));
            // SCRAM makes each connection dear on purpose, in an unoptimised client above all.
            Self::begin(&folder, &[("fsync", "off"), ("max_connections", "300")], "trust")
        });
        server.as_ref()
    }

    /// Where clients connect: `postgres://reinstate:PASSWORD@127.0.0.1:PORT/DATABASE`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://reinstate:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Of the postmaster. `None` when it was stopped or killed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server().as_ref().map(Child::id)
    }

    /// Makes an empty database and returns its URL. The name must be plain: letters, digits, `_`.
    ///
    /// # Errors
    /// When the server does not make it, because it exists for example.
    pub fn create_database(&self, name: &str) -> Result<String, Error> {
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        Ok(self.url(name))
    }

    /// Runs SQL as an operator would and returns what `psql` prints, without headings and alignment.
    ///
    /// # Errors
    /// The first statement that fails ends it.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, Error> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        psql.arg(self.url(database));
        run("psql", &mut psql)
    }

    /// Sets a database's clock so many seconds ahead of the machine's, or back. Whoever is connected to it has to connect again.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn set_clock(&self, database: &str, ahead: i64) -> Result<(), Error> {
        let shift = format!(
            "CREATE SCHEMA IF NOT EXISTS shifted; \
             CREATE OR REPLACE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql \
             AS 'SELECT pg_catalog.clock_timestamp() + interval ''{ahead} seconds'''; \
             ALTER DATABASE {database} SET search_path = shifted, pg_catalog, public"
        );
        self.psql(database, &shift)?;
        let others = "datname = current_database() AND pid <> pg_backend_pid()";
        self.psql(
            database,
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"),
        )?;
        Ok(())
    }

    /// The `psql` of this server's version.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Sets one of PostgreSQL's settings for the next [`Postgres::restart`].
    pub fn configure(&self, name: &str, value: &str) {
        self.settings().push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file into the folder that only the server may read, such as a TLS key.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn give(&self, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        fs::write(&path, content).map_err(|source| Error::Unusable { path: path.clone(), source })?;
        self.own(&path, 0o600)?;
        Ok(path)
    }

    /// `kill -9` of the server and all its processes at once: what a power cut leaves, except for the disk's cache.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn kill9(&self) -> Result<(), Error> {
        let mut server = self.server();
        let child = server.as_mut().ok_or(Error::NotRunning)?;
        kill9(child);
        *server = None;
        Ok(())
    }

    /// SIGSTOP to the server and all its processes: it is there and does not answer.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn pause(&self) -> Result<(), Error> {
        self.signal_all(Signal::STOP)
    }

    /// SIGCONT after [`Postgres::pause`].
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn resume(&self) -> Result<(), Error> {
        self.signal_all(Signal::CONT)
    }

    /// Ends connections, writes everything out and stops. Again is the same as once.
    ///
    /// # Errors
    /// [`Error::Late`]: it was killed.
    pub fn stop(&self) -> Result<(), Error> {
        let mut server = self.server();
        let Some(mut child) = server.take() else { return Ok(()) };
        signal(child.id(), Signal::INT);
        if ended(&mut child, PATIENCE) {
            return Ok(());
        }
        kill9(&mut child);
        Err(self.late("stop"))
    }

    /// Stops the server if it runs and starts it on the same port; returns when it takes connections.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop()?;
        let log = self.folder.join("postgres.log");
        let unusable = |source| Error::Unusable { path: log.clone(), source };
        let out = fs::File::options().append(true).create(true).open(&log).map_err(unusable)?;
        // Immediate shutdown: the processes go, and the shared memory with them.
        let mut command = self.as_server(keeper::until_we_die("QUIT"));
        command.arg(self.programs.join("postgres")).arg("-D").arg(self.folder.join("data"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        for (name, value) in self.settings().iter() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(out.try_clone().map_err(unusable)?).stderr(out);
        let mut child =
            keeper::spawn(command).map_err(|source| Error::NotRun { program: "setpriv", source })?;
        let begin = Instant::now();
        while !self.takes_connections(child.id()) {
            if child.try_wait().is_ok_and(|status| status.is_some()) {
                return Err(Error::Ended { said: last_lines(&log), log });
            }
            if begin.elapsed() > PATIENCE {
                kill9(&mut child);
                return Err(self.late("start"));
            }
            thread::sleep(LOOK);
        }
        *self.server() = Some(child);
        Ok(())
    }

    /// As `pg_ctl` finds it out: the last line of postmaster.pid.
    fn takes_connections(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    }

    /// Runs initdb if nobody did. Returns the password.
    fn initialised(&self, authentication: &str) -> Result<String, Error> {
        let (data, file) = (self.folder.join("data"), self.folder.join("password"));
        let unusable = |source| Error::Unusable { path: file.clone(), source };
        if data.join("PG_VERSION").exists() {
            return fs::read_to_string(&file).map(|text| text.trim().to_owned()).map_err(unusable);
        }
        let mut random = [0; 16];
        fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut random)).map_err(unusable)?;
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.give("password", password.as_bytes())?;
        let mut command = self.as_server(keeper::until_we_die("KILL"));
        command.arg(self.programs.join("initdb")).arg("-D").arg(&data).arg("--pwfile").arg(&file);
        command.args(["-U", "reinstate", "-A", authentication, "-E", "UTF8", "--locale=C", "--no-sync"]);
        command.current_dir(&self.folder);
        let made = run("initdb", &mut command);
        if made.is_err() {
            // A half-made folder would be taken for a whole one.
            let _ = fs::remove_dir_all(&data);
        }
        made.map(|_| password)
    }

    /// Continues a `setpriv` command so that what it runs is not root.
    fn as_server(&self, mut command: Command) -> Command {
        if let Some(User { id, group }) = self.user {
            command.args(["--reuid", &id.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
        }
        command
    }

    fn own(&self, path: &Path, mode: u32) -> Result<(), Error> {
        let unusable = |source| Error::Unusable { path: path.to_owned(), source };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(unusable)?;
        if let Some(User { id, group }) = self.user {
            chown(path, Some(id), Some(group)).map_err(unusable)?;
        }
        Ok(())
    }

    fn signal_all(&self, what: Signal) -> Result<(), Error> {
        let server = self.server();
        let pid = server.as_ref().ok_or(Error::NotRunning)?.id();
        // The postmaster first: it makes no further process meanwhile.
        signal(pid, what);
        children(pid).into_iter().for_each(|child| signal(child, what));
        Ok(())
    }

    fn late(&self, what: &'static str) -> Error {
        let log = self.folder.join("postgres.log");
        Error::Late { what, said: last_lines(&log), log }
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(mut child) = self.server().take() else { return };
        signal(child.id(), Signal::QUIT);
        signal(child.id(), Signal::CONT);
        children(child.id()).into_iter().for_each(|pid| signal(pid, Signal::CONT));
        if !ended(&mut child, Duration::from_secs(5)) {
            kill9(&mut child);
        }
    }
}

/// Before the process id of whoever shares the server.
const SHARED: &str = "reinstate-postgres-";

/// Removes the folders of processes that are gone.
fn sweep(places: &Path) {
    for entry in fs::read_dir(places).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(SHARED)).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Somebody else may be sweeping as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The newest version that is installed.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    newest.map(|(_, bin)| bin).or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    })
}

fn server_user() -> Option<User> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|f| f.clone().next() == Some(name))?;
        let id = fields.nth(2)?.parse().ok()?;
        Some(User { id, group: fields.next()?.parse().ok()? })
    })
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn run(program: &'static str, command: &mut Command) -> Result<String, Error> {
    command.stdin(Stdio::null());
    let Output { status, stdout, stderr } =
        command.output().map_err(|source| Error::NotRun { program, source })?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).trim_end().to_owned())
    } else {
        Err(Error::Failed { program, said: String::from_utf8_lossy(&stderr).trim().to_owned() })
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

fn signal(pid: u32, what: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, what);
    }
}

/// Kills a server and its processes, and returns when none of them runs.
fn kill9(server: &mut Child) {
    signal(server.id(), Signal::STOP);
    let family = children(server.id());
    signal(server.id(), Signal::KILL);
    family.iter().for_each(|pid| signal(*pid, Signal::KILL));
    let _ = server.wait();
    let begin = Instant::now();
    while family.iter().any(|pid| state(*pid).is_some()) && begin.elapsed() < PATIENCE {
        thread::sleep(LOOK);
    }
}

fn ended(child: &mut Child, patience: Duration) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        match child.try_wait() {
            Ok(None) => thread::sleep(LOOK),
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

/// The process's parent, `None` when it is gone or a zombie.
fn state(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // PID (NAME) STATE PARENT …, and the name may have anything in it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    (fields.next()? != "Z").then(|| fields.next()?.parse().ok())?
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| OsStr::to_str(&entry.file_name())?.parse::<u32>().ok());
    pids.filter(|pid| state(*pid) == Some(parent)).collect()
}
