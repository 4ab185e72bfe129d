//! Reinstate's services as processes of their own, on brokers and a database that belong to them alone: for `./dev cluster`, for
//! the tests and for the chaos runs.
//!
//! ```text
//! FOLDER/brokers-N/kafka/     the brokers, and FOLDER/brokers-N/postgres/ the database: made once, used again by the next start
//! FOLDER/brokers-N/blobs/     sealed images; outbox/ the courier's messages; courier.json how far it is; master.key
//! FOLDER/keys.env             the plain keys of the roles
//! FOLDER/logs/NAME.log        what a service says
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};

pub use crate::error::Error;
use crate::error::PATIENCE;
use crate::kafka::{Detour, Kafka, Secured, free_ports};
use crate::postgres::Postgres;
use crate::service::LOOK;
pub use crate::service::{Service, is_alive};

const TOPIC: &str = "reinstate.accounts.v1";
const DATABASE: &str = "reinstate";
const ROLES: [&str; 3] = ["BACKEND", "REVIEWER", "AUDITOR"];

/// What is started.
#[derive(Debug, Clone)]
pub struct Plan {
    pub folder: PathBuf,
    /// Where the services' programs are.
    pub programs: PathBuf,
    /// 1 or 3.
    pub brokers: usize,
    pub apis: usize,
    pub verifiers: usize,
    pub environment: Vec<Variable>,
}

/// A variable of services' environment, beside those that every one of them needs.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Of this service (`api-2`); of all without it.
    pub service: Option<String>,
    pub name: String,
    pub value: String,
}

/// Everything, running. Dropping it ends all processes; the folder stays.
#[derive(Debug)]
pub struct System {
    pub kafka: Kafka,
    pub postgres: Postgres,
    services: Vec<Service>,
    keys: Vec<(&'static str, String)>,
    data: PathBuf,
    /// Where the services find the database.
    told: SocketAddr,
}

impl System {
    /// Starts everything and waits until every part is ready. Blocks for some seconds.
    ///
    /// # Errors
    /// What did not start; nothing is left running then.
    pub fn start(plan: &Plan) -> Result<Self, Error> {
        Self::start_through(plan, None)
    }

    /// As [`System::start`], with services that take a detour to every broker, and then one to the database.
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn start_through(plan: &Plan, detour: Option<&Detour>) -> Result<Self, Error> {
        let data = plan.folder.join(format!("brokers-{}", plan.brokers));
        let logs = plan.folder.join("logs");
        for folder in [&data, &logs] {
            fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.clone(), source })?;
        }
        let unusable = |source| Error::Folder { path: plan.folder.clone(), source };
        let (data, logs) = (data.canonicalize().map_err(unusable)?, logs.canonicalize().map_err(unusable)?);
        let keys = keys(&plan.folder.join("keys.env")).map_err(unusable)?;
        master_key(&data.join("master.key")).map_err(unusable)?;

        let starting = {
            let (folder, brokers) = (data.join("kafka"), plan.brokers);
            let through = detour.map(|detour| Secured {
                protocol: "PLAINTEXT".to_owned(),
                detour: Some(detour.clone()),
                ..Secured::default()
            });
            thread::spawn(move || Kafka::start_with(&folder, brokers, through.as_ref()))
        };
        let postgres = Postgres::start(&database_folder(&data))?;
        let there =
            postgres.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"))?;
        if there.is_empty() {
            postgres.create_database(DATABASE)?;
        }
        let kafka = match starting.join() {
            Ok(started) => started?,
            Err(panic) => std::panic::resume_unwind(panic),
        };

        let database = SocketAddr::from((Ipv4Addr::LOCALHOST, postgres.port()));
        let told = match detour {
            Some(Detour(detour)) => {
                detour(database).map_err(|source| Error::NotRun { name: "the detour".into(), source })?
            }
            None => database,
        };
        let mut system = Self { kafka, postgres, services: Vec::new(), keys, data, told };
        let ports = free_ports(1 + 2 * plan.apis + plan.verifiers)?;
        let mut ports = ports.into_iter().map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
        let mut port = || ports.next().unwrap_or_default();
        system.add(plan, &logs, "projector", "reinstate-projector", port(), None)?;
        for n in 1..=plan.apis {
            let (operations, listen) = (port(), port());
            system.add(plan, &logs, &format!("api-{n}"), "reinstate-api", operations, Some(listen))?;
        }
        for n in 1..=plan.verifiers {
            system.add(plan, &logs, &format!("verifier-{n}"), "reinstate-verifier", port(), None)?;
        }
        system.projector()?.run_once(&["topic", "create"])?;
        for service in &system.services {
            service.start()?;
        }
        system.wait_until_ready()?;
        Ok(system)
    }

    fn add(
        &mut self,
        plan: &Plan,
        logs: &Path,
        name: &str,
        program: &'static str,
        operations: String,
        listen: Option<String>,
    ) -> Result<(), Error> {
        let path = plan.programs.join(program);
        if !path.is_file() {
            return Err(Error::NotBuilt { name: program, path });
        }
        let copies = plan.brokers;
        let file = |name: &str| self.data.join(name).display().to_string();
        let mut environment = BTreeMap::new();
        let mut set = |key: &str, value: String| environment.insert(format!("REINSTATE_{key}"), value);
        let brokers = self.kafka.secured_bootstrap().unwrap_or(self.kafka.bootstrap());
        set("KAFKA__BROKERS", brokers.to_owned());
        set("KAFKA__TOPIC", TOPIC.to_owned());
        set("KAFKA__REPLICATION", copies.to_string());
        set("KAFKA__MIN_INSYNC_REPLICAS", copies.div_ceil(2).to_string());
        let port = |port: u16| format!(":{port}/");
        let database = self.database_url().replace(&port(self.postgres.port()), &port(self.told.port()));
        set("DATABASE__URL", database);
        set("BLOBS__FOLDER", file("blobs"));
        set("SECRETS__MASTER_KEY_FILE", file("master.key"));
        set("OPERATIONS__LISTEN", operations.clone());
        match program {
            "reinstate-api" => {
                set("API__LISTEN", listen.clone().unwrap_or_default());
                for (role, key) in &self.keys {
                    set(&format!("AUTH__{role}"), format!("cluster:{}", hex::encode(Sha256::digest(key))));
                }
            }
            "reinstate-projector" => {
                set("COURIER__OUTBOX", file("outbox"));
                set("COURIER__POSITION", file("courier.json"));
            }
            _ => {}
        }
        for variable in &plan.environment {
            if variable.service.as_deref().is_none_or(|service| service == name) {
                environment.insert(variable.name.clone(), variable.value.clone());
            }
        }
        self.services.push(Service {
            name: name.to_owned(),
            program: path,
            environment,
            operations: format!("http://{operations}"),
            url: listen.map(|address| format!("http://{address}")),
            log: logs.join(format!("{name}.log")),
            process: Mutex::default(),
        });
        Ok(())
    }

    /// All services: `projector`, `api-1`…, `verifier-1`….
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    fn projector(&self) -> Result<&Service, Error> {
        self.service("projector")
            .ok_or_else(|| Error::NotRun { name: "projector".into(), source: io::ErrorKind::NotFound.into() })
    }

    /// The plain key of a role: `BACKEND`, `REVIEWER`, `AUDITOR`.
    #[must_use]
    pub fn key(&self, role: &str) -> Option<&str> {
        self.keys.iter().find(|(name, _)| *name == role).map(|(_, key)| key.as_str())
    }

    /// Where the apis are.
    #[must_use]
    pub fn urls(&self) -> Vec<&str> {
        self.services.iter().filter_map(|service| service.url.as_deref()).collect()
    }

    /// Where the courier leaves its messages.
    #[must_use]
    pub fn outbox(&self) -> PathBuf {
        self.data.join("outbox")
    }

    /// Where blobs, and the policies and manifests that events name, lie.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.data.join("blobs")
    }

    #[must_use]
    pub fn database_url(&self) -> String {
        self.postgres.url(DATABASE)
    }

    #[must_use]
    pub fn topic(&self) -> &'static str {
        TOPIC
    }

    /// Every process, with its id; those that have ended are left out.
    #[must_use]
    pub fn pids(&self) -> Vec<(String, u32)> {
        let brokers = (0..self.kafka.len()).map(|n| (format!("kafka-{}", n + 1), self.kafka.pid(n)));
        let database = [("postgres".to_owned(), self.postgres.pid())];
        let services = self.services.iter().map(|service| (service.name.clone(), service.pid()));
        let all = brokers.chain(database).chain(services);
        all.filter_map(|(name, pid)| Some((name, pid?))).filter(|(_, pid)| is_alive(*pid)).collect()
    }

    /// What somebody outside needs to drive load and faults, as lines of a shell's environment.
    #[must_use]
    pub fn environment(&self) -> String {
        let urls = self.urls();
        let list = |pairs: Vec<String>| pairs.join(",");
        let mut lines = vec![
            format!("REINSTATE_URLS={}", urls.join(",")),
            format!("REINSTATE_URL={}", urls.first().copied().unwrap_or_default()),
        ];
        lines.extend(self.keys.iter().map(|(role, key)| format!("REINSTATE_{role}_KEY={key}")));
        let operations = self.services.iter().map(|s| format!("{}={}", s.name, s.operations)).collect();
        let pids = self.pids().into_iter().map(|(name, pid)| format!("{name}={pid}")).collect();
        lines.extend([
            format!("REINSTATE_OUTBOX={}", self.outbox().display()),
            format!("REINSTATE_BLOBS={}", self.blobs().display()),
            format!("REINSTATE_BROKERS={}", self.kafka.bootstrap()),
            format!("REINSTATE_TOPIC={TOPIC}"),
            format!("REINSTATE_DATABASE_URL={}", self.database_url()),
            format!("REINSTATE_OPERATIONS_URLS={}", list(operations)),
            format!("REINSTATE_PIDS={}", list(pids)),
        ]);
        lines.join("\n") + "\n"
    }

    /// Lets what was stopped go on, starts again what has ended, and waits until every part is ready.
    ///
    /// # Errors
    /// What does not come back.
    pub fn heal(&self) -> Result<(), Error> {
        let begin = Instant::now();
        loop {
            // One that was killed a moment ago may still seem to be there.
            self.start_again()?;
            let Some(late) = self.services.iter().find(|service| !service.is_ready()) else { return Ok(()) };
            if begin.elapsed() > PATIENCE {
                return Err(late.late("become ready"));
            }
            thread::sleep(LOOK);
        }
    }

    fn start_again(&self) -> Result<(), Error> {
        for broker in 0..self.kafka.len() {
            if self.kafka.pid(broker).is_some_and(is_alive) {
                self.kafka.resume(broker)?;
            } else {
                self.kafka.restart(broker)?;
            }
        }
        if self.postgres.pid().is_some_and(is_alive) {
            self.postgres.resume()?;
        } else {
            self.postgres.restart()?;
        }
        for service in &self.services {
            service.resume();
            service.start()?;
        }
        Ok(())
    }

    /// Waits until every service says that it is ready.
    ///
    /// # Errors
    /// The first that ended, or is late.
    pub fn wait_until_ready(&self) -> Result<(), Error> {
        self.services.iter().try_for_each(Service::wait_until_ready)
    }

    /// Ends everything in an order in which nobody misses anybody: the services first, side by side.
    ///
    /// # Errors
    /// What did not end in time; it was killed.
    pub fn stop(&self) -> Result<(), Error> {
        // What somebody killed has ended already, and not well.
        let running: Vec<_> =
            self.services.iter().filter(|service| service.pid().is_some_and(is_alive)).collect();
        running.iter().for_each(|service| service.terminate());
        let services: Result<Vec<_>, _> = running.iter().map(|service| service.wait_until_ended()).collect();
        for broker in 0..self.kafka.len() {
            self.kafka.kill(broker)?;
        }
        self.postgres.stop()?;
        services.map(|_| ())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for service in &self.services {
            service.kill();
        }
    }
}

/// PostgreSQL does not run as root, and must be able to walk to its folder; where it can't, the folder is among the temporary ones.
fn database_folder(data: &Path) -> PathBuf {
    let open = |folder: &Path| fs::metadata(folder).is_ok_and(|m| m.permissions().mode() & 0o001 != 0);
    if !geteuid().is_root() || data.ancestors().all(open) {
        return data.join("postgres");
    }
    let name = hex::encode(Sha256::digest(data.as_os_str().as_encoded_bytes()));
    std::env::temp_dir().join(format!("reinstate-cluster-{}", &name[..16]))
}

/// The keys of the roles, made when there are none.
fn keys(file: &Path) -> io::Result<Vec<(&'static str, String)>> {
    let known = fs::read_to_string(file).unwrap_or_default();
    let mut keys = Vec::new();
    for role in ROLES {
        let kept = known.lines().find_map(|line| line.strip_prefix(role)?.strip_prefix('='));
        let key = match kept {
            Some(key) => key.to_owned(),
            None => format!("rk_{}_{}", role.to_lowercase(), random()?),
        };
        keys.push((role, key));
    }
    let lines: String = keys.iter().map(|(role, key)| format!("{role}={key}\n")).collect();
    write_private(file, &lines)?;
    Ok(keys)
}

fn master_key(file: &Path) -> io::Result<()> {
    if file.exists() { Ok(()) } else { write_private(file, &format!("{}\n", random()?)) }
}

/// 64 hexadecimal digits.
fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// Puts a whole file, readable by its owner alone, in the place of what is there.
///
/// # Errors
/// When it can't be written: what is there stays.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    fs::rename(unfinished, path)
}
