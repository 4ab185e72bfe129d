//! A cluster that can be broken in every way that [`faults`](crate::faults) names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use reinstate_cluster::{
    kafka::{self, Detour},
    postgres,
    services::{self, Plan, Service, System},
};
use reinstate_demo::{
    Client, Outbox,
    load::{ANSWER, Servers},
};

use crate::{
    faults::{Fault, Planned, Scope, Target, Way},
    proxy::{Proxy, Weather},
};

const BROKERS: usize = 3;

/// Of a broker's disk, where one can be made: enough for a few hundred runs.
const DISK_MIB: u32 = 512;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Services(#[from] services::Error),
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error("the outbox can't be emptied")]
    Outbox(#[source] io::Error),
    #[error("what an earlier cluster left can't be removed")]
    Folder(#[source] io::Error),
    #[error("a broker's disk can't be filled")]
    Disk(#[source] io::Error),
}

/// Three brokers with disks of their own, where that is allowed, two apis, two verifiers, a projector, a database; a proxy before each
/// broker and before the database.
pub struct Cluster {
    system: System,
    /// One a broker, then the database's.
    proxies: Arc<Mutex<Vec<Proxy>>>,
    disks: Vec<PathBuf>,
    scope: Scope,
}

impl Cluster {
    /// # Errors
    /// What did not start.
    pub fn start(folder: &Path, programs: &Path) -> Result<Self, Error> {
        let plan = Plan {
            folder: folder.to_owned(),
            programs: programs.to_owned(),
            brokers: BROKERS,
            apis: 2,
            verifiers: 2,
            environment: Vec::new(),
        };
        forget(folder).map_err(Error::Folder)?;
        let disks = mount(places(folder));
        let proxies = Arc::<Mutex<Vec<Proxy>>>::default();
        let made = Arc::clone(&proxies);
        let detour = Detour(Arc::new(move |target| {
            let proxy = Proxy::start(target)?;
            let address = proxy.address();
            made.lock().unwrap_or_else(PoisonError::into_inner).push(proxy);
            Ok(address)
        }));
        let scope = Scope {
            brokers: plan.brokers,
            apis: plan.apis,
            verifiers: plan.verifiers,
            disks: disks.len() == plan.brokers,
        };
        let system = System::start_through(&plan, Some(&detour));
        let system = match system {
            Ok(system) => system,
            Err(error) => {
                unmount(&disks);
                return Err(error.into());
            }
        };
        Ok(Self { system, proxies, disks, scope })
    }

    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }

    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Throws away what the courier delivered: its receiver has read it.
    ///
    /// # Errors
    /// [`Error::Outbox`].
    pub fn empty_the_outbox(&self) -> Result<(), Error> {
        for message in fs::read_dir(self.system.outbox()).map_err(Error::Outbox)? {
            let message = message.map_err(Error::Outbox)?.path();
            if message.extension().is_some_and(|ending| ending == "json") {
                fs::remove_file(message).map_err(Error::Outbox)?;
            }
        }
        Ok(())
    }

    /// Lets all of it happen, each fault in its time, or when what it touches has come back from the fault before, and heals each again.
    /// Blocks.
    ///
    /// # Errors
    /// What could not be done or undone.
    pub fn suffer(&self, planned: &[Planned]) -> Result<(), Error> {
        let begin = Instant::now();
        let touched = planned.iter().flat_map(|planned| planned.fault.touches());
        let turns: BTreeMap<Target, Mutex<()>> = touched.map(|target| (target, Mutex::default())).collect();
        let turns = &turns;
        thread::scope(|scope| {
            let faults: Vec<_> = planned
                .iter()
                .map(|planned| {
                    scope.spawn(move || {
                        thread::sleep(planned.at.saturating_sub(begin.elapsed()));
                        // Always in the same order, so that no two faults wait for each other.
                        let touches: BTreeSet<_> = planned.fault.touches().into_iter().collect();
                        let turns = touches.iter().filter_map(|target| turns.get(target));
                        let _turn: Vec<_> =
                            turns.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner)).collect();
                        self.begin(planned.fault)?;
                        thread::sleep(planned.lasts);
                        self.end(planned.fault)
                    })
                })
                .collect();
            faults.into_iter().try_for_each(|fault| match fault.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn begin(&self, fault: Fault) -> Result<(), Error> {
        let kafka = &self.system.kafka;
        match fault {
            Fault::Kill(Target::Broker(n)) => kafka.kill(n - 1)?,
            Fault::Kill(Target::Postgres) => self.system.postgres.kill9()?,
            Fault::Kill(target) => self.service(target).map(Service::kill).unwrap_or_default(),
            Fault::Pause(Target::Broker(n)) => kafka.pause(n - 1)?,
            Fault::Pause(Target::Postgres) => self.system.postgres.pause()?,
            Fault::Pause(target) => self.service(target).map(Service::pause).unwrap_or_default(),
            Fault::Restart(Target::Broker(n)) => kafka.stop(n - 1)?,
            Fault::Restart(Target::Postgres) => self.system.postgres.stop()?,
            Fault::Restart(target) => {
                if let Some(service) = self.service(target).filter(|service| service.runs()) {
                    service.terminate();
                    match service.wait_until_ended() {
                        // One that was started while no broker can be reached gives up by itself, as it must.
                        Ok(()) | Err(services::Error::Ended { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Fault::TwoBrokers(first) => {
                for broker in two(first) {
                    kafka.kill(broker)?;
                }
            }
            Fault::Connection(way, weather) => self.set(way, weather),
            Fault::FullDisk(n) => fill(&kafka.data(n - 1)).map_err(Error::Disk)?,
        }
        Ok(())
    }

    fn end(&self, fault: Fault) -> Result<(), Error> {
        let kafka = &self.system.kafka;
        match fault {
            Fault::Kill(Target::Broker(n)) | Fault::Restart(Target::Broker(n)) => kafka.restart(n - 1)?,
            Fault::Kill(Target::Postgres) | Fault::Restart(Target::Postgres) => {
                self.system.postgres.restart()?;
            }
            Fault::Kill(target) | Fault::Restart(target) => {
                self.service(target).map_or(Ok(()), Service::start)?;
            }
            Fault::Pause(Target::Broker(n)) => kafka.resume(n - 1)?,
            Fault::Pause(Target::Postgres) => self.system.postgres.resume()?,
            Fault::Pause(target) => self.service(target).map(Service::resume).unwrap_or_default(),
            Fault::TwoBrokers(first) => {
                for broker in two(first) {
                    kafka.restart(broker)?;
                }
            }
            Fault::Connection(way, _) => self.set(way, Weather::Fair),
            Fault::FullDisk(n) => {
                fs::remove_file(kafka.data(n - 1).join(FILLER)).map_err(Error::Disk)?;
                // A broker whose only folder failed has ended by itself, or will not use it again.
                kafka.kill(n - 1)?;
                kafka.restart(n - 1)?;
            }
        }
        Ok(())
    }

    /// Makes sure that nothing is broken any more, and waits until every part says so.
    ///
    /// # Errors
    /// What does not come back.
    pub fn heal(&self) -> Result<(), Error> {
        for proxy in &*self.proxies.lock().unwrap_or_else(PoisonError::into_inner) {
            proxy.set(Weather::Fair);
        }
        Ok(self.system.heal()?)
    }

    fn service(&self, target: Target) -> Option<&Service> {
        let name = match target {
            Target::Api(n) => format!("api-{n}"),
            Target::Verifier(n) => format!("verifier-{n}"),
            Target::Projector => "projector".to_owned(),
            Target::Broker(_) | Target::Postgres => return None,
        };
        self.system.service(&name)
    }

    fn set(&self, way: Way, weather: Weather) {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match way {
            Way::Kafka(n) => n - 1,
            Way::Postgres => self.scope.brokers,
        };
        if let Some(proxy) = proxies.get(index) {
            proxy.set(weather);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.disks.is_empty() {
            // Nobody can leave a disk that is still written to.
            let _ = self.system.stop();
            unmount(&self.disks);
        }
    }
}

fn two(first: usize) -> [usize; 2] {
    [(first - 1) % 3, first % 3]
}

const FILLER: &str = "filler";

/// Takes all the space there is.
fn fill(disk: &Path) -> io::Result<()> {
    let mut filler = File::create(disk.join(FILLER))?;
    let chunk = vec![0; 1 << 20];
    loop {
        match filler.write_all(&chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Where each broker has its log.
fn places(folder: &Path) -> Vec<PathBuf> {
    let place = |n| folder.join(format!("brokers-{BROKERS}/kafka/broker-{n}/data"));
    (1..=BROKERS).map(place).collect()
}

/// A small disk for each broker's log, if this user may mount one; none otherwise.
fn mount(places: Vec<PathBuf>) -> Vec<PathBuf> {
    let size = format!("size={DISK_MIB}m");
    for (n, place) in places.iter().enumerate() {
        let mounted = fs::create_dir_all(place).is_ok()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(place)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
        if !mounted {
            unmount(&places[..n]);
            return Vec::new();
        }
    }
    places
}

/// Leaves the disks of a cluster in this folder; for whoever is told to end at once.
pub fn leave_disks(folder: &Path) {
    unmount(&places(folder));
}

/// Removes what an earlier cluster left in this folder, however it ended.
fn forget(folder: &Path) -> io::Result<()> {
    leave_disks(folder);
    for name in [format!("brokers-{BROKERS}"), "logs".to_owned()] {
        match fs::remove_dir_all(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn unmount(disks: &[PathBuf]) {
    for disk in disks {
        // Lazily: a broker that is just ending may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(disk).stderr(Stdio::null()).status();
    }
}

/// Both apis in turn, for customers who don't care which one they meet.
pub struct Doors {
    backend: Client,
    reviewer: Client,
    outbox: Outbox,
}

impl Doors {
    #[must_use]
    pub fn of(system: &System) -> Self {
        let anybody = Client::with_timeout(&system.urls().join(","), ANSWER);
        let with = |role| anybody.with_key(system.key(role).unwrap_or_default());
        let (backend, reviewer) = (with("BACKEND"), with("REVIEWER"));
        Self { backend, reviewer, outbox: Outbox::new(&system.outbox()) }
    }
}

impl Servers for Doors {
    fn backend(&self) -> Client {
        self.backend.clone()
    }

    fn reviewer(&self) -> Client {
        self.reviewer.clone()
    }

    fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }
}
