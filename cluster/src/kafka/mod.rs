//! Apache Kafka, one broker or three, each of them controller as well.
//!
//! The jars come from `$REINSTATE_CACHE/kafka/4.3.1`, where `./dev` puts them. Every port is free and on 127.0.0.1, every file below one
//! folder. The brokers end with their handle, and with this process however it ends.

use std::{
    env, fmt, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use crate::keeper;

mod properties;

use properties::{LOG4J2, properties};

/// As in `kafka/pom.xml`.
const VERSION: &str = "4.3.1";

/// Far above the seconds that a start takes. Where twenty others want two cores, a Java that is given a minute has not said a word yet.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no Kafka in {}: `./dev setup` fetches it", .0.display())]
    NotInstalled(PathBuf),
    #[error("a cluster has 1 or 3 brokers")]
    Count,
    #[error("the broker's folder {} can't be written", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("no free port was found on 127.0.0.1")]
    NoPort,
    #[error("java could not be started")]
    Java(#[source] io::Error),
    #[error("broker {node} did not start; the end of {} says: {log}", path.display())]
    Died { node: usize, path: PathBuf, log: String },
    #[error("the brokers were not ready within {} seconds; see {}", PATIENCE.as_secs(), .0.display())]
    NotReady(PathBuf),
    #[error("a signal could not be sent")]
    Signal(#[source] io::Error),
    #[error("there is no way around to a broker")]
    Detour(#[source] io::Error),
}

/// Tells clients another address than the one that is listened on: what lies between can be slow, or cut.
#[derive(Clone)]
pub struct Detour(pub Arc<dyn Fn(SocketAddr) -> io::Result<SocketAddr> + Send + Sync>);

impl fmt::Debug for Detour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Detour")
    }
}

/// A second listener of each broker, beside the plain one, such as one with TLS or SASL. Its settings are given without the listener's prefix, as in
/// `("plain.sasl.jaas.config", …)`; every `{folder}` in a value is the broker's folder.
#[derive(Debug, Clone, Default)]
pub struct Secured {
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: String,
    /// Of this listener.
    pub properties: Vec<(String, String)>,
    /// Users that can log in with SCRAM, as `kafka-storage.sh format --add-scram` takes them.
    pub scram: Vec<String>,
    /// Asked once for each broker, in their order.
    pub detour: Option<Detour>,
}

/// Brokers that run.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    libraries: PathBuf,
    nodes: Vec<Node>,
    bootstrap: String,
    secured: Option<String>,
}

#[derive(Debug)]
struct Node {
    /// From 1.
    id: usize,
    folder: PathBuf,
    process: Mutex<Option<Child>>,
}

/// One broker for everything in this process, such as all tests of a binary, each with a topic of its own. It is started by whoever
/// asks first, and ends with the process.
///
/// # Panics
/// When it can't be started: nothing that asks for it can go on.
pub fn shared() -> &'static Kafka {
    static SHARED: LazyLock<Kafka> = LazyLock::new(|| {
        let all = env::temp_dir().join("reinstate-kafka");
        // A process that ended, however, could not remove its own.
        for left in fs::read_dir(&all).into_iter().flatten().flatten() {
            if !Path::new("/proc").join(left.file_name()).exists() {
                let _ = fs::remove_dir_all(left.path());
            }
        }
        match Kafka::start(&all.join(std::process::id().to_string()), 1) {
            Ok(kafka) => kafka,
            Err(error) => panic!("the shared broker: {error}"),
        }
    });
    &SHARED
}

impl Kafka {
    /// Starts 1 or 3 brokers below a folder, and waits until they answer. Formats them when the folder is new; on one that as many
    /// brokers have used before they go on with what they have, on other ports. Blocks for some seconds.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn start(folder: &Path, brokers: usize) -> Result<Self, Error> {
        Self::start_with(folder, brokers, None)
    }

    /// As [`Kafka::start`], with a second listener.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn start_with(folder: &Path, brokers: usize, secured: Option<&Secured>) -> Result<Self, Error> {
        if !matches!(brokers, 1 | 3) {
            return Err(Error::Count);
        }
        let libraries = libraries()?;
        let ports = free_ports(3 * brokers)?;
        let ports: Vec<[u16; 3]> = ports.as_chunks().0.to_vec();
        let told = ports.iter().map(|ports| match secured.and_then(|secured| secured.detour.as_ref()) {
            Some(Detour(detour)) => detour((Ipv4Addr::LOCALHOST, ports[2]).into()).map(|told| told.port()),
            None => Ok(ports[2]),
        });
        let told: Vec<u16> = told.collect::<io::Result<_>>().map_err(Error::Detour)?;
        let cluster = URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes());
        let list = |ports: &mut dyn Iterator<Item = u16>| {
            ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
        };
        let nodes = (1..=brokers).map(|id| Node {
            id,
            folder: folder.join(format!("broker-{id}")),
            process: Mutex::default(),
        });
        let kafka = Self {
            folder: folder.to_owned(),
            libraries,
            nodes: nodes.collect(),
            bootstrap: list(&mut ports.iter().map(|ports| ports[0])),
            secured: secured.map(|_| list(&mut told.iter().copied())),
        };
        for ((node, own), told) in kafka.nodes.iter().zip(&ports).zip(&told) {
            let denied = |e| Error::Folder(node.folder.clone(), e);
            fs::create_dir_all(&node.folder).map_err(denied)?;
            fs::write(node.folder.join("log4j2.properties"), LOG4J2).map_err(denied)?;
            let properties = properties(node, *own, *told, &ports, secured);
            fs::write(node.properties(), properties).map_err(denied)?;
        }
        let scram = secured.map(|secured| &secured.scram[..]).unwrap_or_default();
        let unformatted = |node: &&Node| !node.folder.join("data/meta.properties").exists();
        let new: Vec<_> = kafka.nodes.iter().filter(unformatted).collect();
        let formatting = new.iter().map(|node| kafka.format(node, &cluster, scram));
        let formatting = formatting.collect::<Result<Vec<_>, _>>()?;
        for (node, mut child) in new.into_iter().zip(formatting) {
            if !child.wait().map_err(Error::Java)?.success() {
                return Err(node.died());
            }
        }
        for node in &kafka.nodes {
            kafka.run(node)?;
        }
        kafka.wait_until_ready()?;
        Ok(kafka)
    }

    /// `host:port` of every broker, commas between.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The same for the second listener, if there is one.
    #[must_use]
    pub fn secured_bootstrap(&self) -> Option<&str> {
        self.secured.as_deref()
    }

    /// The brokers, numbered from 0.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The broker's process, if it runs.
    #[must_use]
    pub fn pid(&self, broker: usize) -> Option<u32> {
        self.nodes.get(broker)?.process().as_ref().map(Child::id)
    }

    /// Where the broker keeps its partitions.
    #[must_use]
    pub fn data(&self, broker: usize) -> PathBuf {
        self.nodes.get(broker).map_or_else(PathBuf::new, |node| node.folder.join("data"))
    }

    /// Ends the broker as a power cut of its process would (SIGKILL), and waits until it is gone. Nothing happens to one that does not run.
    ///
    /// # Errors
    /// [`Error::Signal`].
    pub fn kill(&self, broker: usize) -> Result<(), Error> {
        let Some(mut child) = self.nodes.get(broker).and_then(|node| node.process().take()) else {
            return Ok(());
        };
        child.kill().map_err(Error::Signal)?;
        child.wait().map(|_| ()).map_err(Error::Signal)
    }

    /// Asks the broker to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// [`Error::Signal`].
    pub fn stop(&self, broker: usize) -> Result<(), Error> {
        self.signal(broker, Signal::TERM)?;
        let Some(mut child) = self.nodes.get(broker).and_then(|node| node.process().take()) else {
            return Ok(());
        };
        child.wait().map(|_| ()).map_err(Error::Signal)
    }

    /// Stops the broker in the middle of whatever it does (SIGSTOP).
    ///
    /// # Errors
    /// [`Error::Signal`].
    pub fn pause(&self, broker: usize) -> Result<(), Error> {
        self.signal(broker, Signal::STOP)
    }

    /// Lets a paused broker go on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::Signal`].
    pub fn resume(&self, broker: usize) -> Result<(), Error> {
        self.signal(broker, Signal::CONT)
    }

    /// Starts the broker again on its data, after a kill if it still runs. Returns before it is ready: [`Kafka::wait_until_ready`].
    ///
    /// # Errors
    /// [`Error::Signal`], [`Error::Java`].
    pub fn restart(&self, broker: usize) -> Result<(), Error> {
        self.kill(broker)?;
        self.nodes.get(broker).map_or(Ok(()), |node| self.run(node))
    }

    /// Waits until every broker that runs has registered and a controller is known.
    ///
    /// # Errors
    /// [`Error::Died`], [`Error::NotReady`].
    pub fn wait_until_ready(&self) -> Result<(), Error> {
        let begin = Instant::now();
        let client: Result<BaseConsumer, _> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "100")
            // A broker that is not there yet is no news.
            .set("log_level", "0")
            .create();
        let client = client.map_err(|_| Error::NotReady(self.folder.clone()))?;
        loop {
            let mut running = 0;
            for node in &self.nodes {
                let mut process = node.process();
                match process.as_mut().map(Child::try_wait) {
                    Some(Ok(Some(_))) => {
                        *process = None;
                        return Err(node.died());
                    }
                    Some(_) => running += 1,
                    None => {}
                }
            }
            let metadata = client.fetch_metadata(None, Duration::from_millis(500));
            if metadata.is_ok_and(|metadata| running > 0 && metadata.brokers().len() >= running) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(Error::NotReady(self.folder.clone()));
            }
        }
    }

    fn signal(&self, broker: usize, signal: Signal) -> Result<(), Error> {
        let pid = self.pid(broker).and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let Some(pid) = pid else { return Ok(()) };
        kill_process(pid, signal).map_err(|e| Error::Signal(e.into()))
    }

    fn format(&self, node: &Node, cluster: &str, scram: &[String]) -> Result<Child, Error> {
        // Written so, because an id may begin with a dash.
        let cluster = format!("--cluster-id={cluster}");
        let mut arguments =
            vec!["-Xmx256m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", &cluster, "-c"];
        let properties = node.properties();
        let properties = properties.to_string_lossy();
        arguments.push(&properties);
        for user in scram {
            arguments.extend(["--add-scram", user]);
        }
        self.java(node, &arguments)
    }

    fn run(&self, node: &Node) -> Result<(), Error> {
        let properties = node.properties();
        let properties = properties.to_string_lossy();
        let memory = ["-Xms256m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
        let arguments = [&memory[..], &["kafka.Kafka", &properties]].concat();
        *node.process() = Some(self.java(node, &arguments)?);
        Ok(())
    }

    fn java(&self, node: &Node, arguments: &[&str]) -> Result<Child, Error> {
        let output =
            fs::File::options().create(true).append(true).open(node.output()).map_err(Error::Java)?;
        let mut command = keeper::until_we_die("KILL");
        command
            .arg("java")
            .arg(format!("-Dlog4j2.configurationFile={}", node.folder.join("log4j2.properties").display()))
            .arg("-cp")
            .arg(self.libraries.join("*"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(Error::Java)?)
            .stderr(output);
        keeper::spawn(command).map_err(Error::Java)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        for broker in 0..self.nodes.len() {
            // What could not be ended now ends with this process.
            let _ = self.kill(broker);
        }
    }
}

impl Node {
    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output.log")
    }

    fn died(&self) -> Error {
        let path = self.output();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        Error::Died { node: self.id, path, log: lines.into_iter().rev().collect::<Vec<_>>().join(" | ") }
    }
}

fn libraries() -> Result<PathBuf, Error> {
    let cache = env::var_os("REINSTATE_CACHE").map(PathBuf::from).or_else(|| {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
            .map(|c| c.join("reinstate"))
    });
    let libraries = cache.unwrap_or_default().join("kafka").join(VERSION);
    if libraries.is_dir() { Ok(libraries) } else { Err(Error::NotInstalled(libraries)) }
}

/// Ports that nobody listens on, below those that Linux gives to outgoing connections: a client that calls a broker which is down must
/// not be given the broker's port for its own end.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, Error> {
    let mut held = Vec::new();
    for _ in 0..1000 {
        if held.len() == count {
            break;
        }
        let [a, b, ..] = *Uuid::new_v4().as_bytes();
        let port = 10_000 + u16::from_be_bytes([a, b]) % 20_000;
        // Held until all are found, so that none is found twice.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((listener, port));
        }
    }
    if held.len() < count { Err(Error::NoPort) } else { Ok(held.into_iter().map(|(_, port)| port).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers_seen(kafka: &Kafka) -> Option<usize> {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().ok()?;
        client.fetch_metadata(None, Duration::from_secs(1)).ok().map(|metadata| metadata.brokers().len())
    }

    #[test]
    fn a_broker_is_killed_and_started_again_on_its_ports_and_ends_with_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(folder.path(), 1).unwrap();
        assert_eq!(brokers_seen(&kafka), Some(1));
        let first = kafka.pid(0).unwrap();
        kafka.kill(0).unwrap();
        assert_eq!((kafka.pid(0), brokers_seen(&kafka)), (None, None));
        kafka.restart(0).unwrap();
        kafka.wait_until_ready().unwrap();
        let second = kafka.pid(0).unwrap();
        assert_ne!(first, second);
        drop(kafka);
        assert!(!Path::new(&format!("/proc/{second}")).exists());
    }

    #[test]
    fn two_brokers_are_no_cluster() {
        assert!(matches!(Kafka::start(Path::new("/nowhere"), 2), Err(Error::Count)));
    }
}
