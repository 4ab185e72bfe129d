//! Everything behind the interface, put together: log, keys, blobs, read models, and the loops that follow the log.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web;
use metrics_exporter_prometheus::PrometheusHandle;
use reinstate_api::{Application, Keys, Ports, Readiness, Service, SystemClock};
use reinstate_domain::codes::CodeKey;
use reinstate_domain::entry::Hash;
use reinstate_domain::policy::{self, EXCHANGE, Policy};
use reinstate_projector::courier::Courier;
use reinstate_projector::courier::acknowledged::{self, Acknowledged};
use reinstate_projector::courier::outbox::Outbox;
use reinstate_projector::follow::{self, Projector};
use reinstate_projector::timekeeper::Timekeeper;
use reinstate_store::blobs::{self, Artefacts, Blobs};
use reinstate_store::data_dir::{self, DataDir};
use reinstate_store::journal::Journal;
use reinstate_store::keys::{self, SqliteKeys};
use reinstate_store::log::embedded::Embedded;
use reinstate_store::log::{self, LogReader};
use reinstate_store::master::{self, Master};
use reinstate_store::read_models::memory::Memory;
use reinstate_verifier::models::Bundle;
use reinstate_verifier::worker::{self, EngineRoom, State, Worker};
use tokio::task::JoinSet;

use crate::settings::{Settings, given};

/// The variable that may hold the master key instead of a file.
const MASTER_KEY: &str = "REINSTATE_MASTER_KEY";

/// The system can't start. Each says what is wrong with what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error(transparent)]
    Master(#[from] master::Error),
    #[error("a master key is needed: set secrets.master_key_file or REINSTATE_MASTER_KEY")]
    NoMaster,
    #[error(transparent)]
    DataKeys(#[from] keys::Error),
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
    #[error("the policy {} can't be read", path.display())]
    PolicyFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Policy(#[from] policy::Error),
    #[error(transparent)]
    Keys(#[from] reinstate_api::KeysError),
    #[error("the read models can't be filled from the log")]
    Follow(#[from] follow::Error),
    #[error("the outbox {} can't be used", path.display())]
    Outbox {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Acknowledged(#[from] acknowledged::Error),
    #[error("the models are not usable")]
    Models(#[from] reinstate_verifier::models::Error),
    #[error(transparent)]
    Listen(#[from] reinstate_api::Error),
}

/// The running system, without its interface.
pub(crate) struct System {
    service: web::Data<Service>,
    tasks: JoinSet<()>,
    /// Held for as long as the system writes.
    _directory: Arc<DataDir>,
}

/// Looks at everything that a start needs, and changes nothing but what a first start of `--dev` makes.
pub(crate) fn check(settings: &Settings, dev: bool) -> Result<String, Error> {
    let (_, policy) = policy(settings)?;
    Keys::new(&settings.auth)?;
    master(settings, dev)?;
    let bundle = Bundle::load(given(&settings.verifier.models))?;
    let reference = policy.reference();
    Ok(format!(
        "ok: policy {} {}, models {} {}, data in {}",
        reference.name,
        reference.version,
        bundle.name(),
        bundle.version(),
        settings.data.dir.display()
    ))
}

fn policy(settings: &Settings) -> Result<(String, Policy), Error> {
    let text = match given(&settings.policy.file) {
        None => EXCHANGE.to_owned(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| Error::PolicyFile { path: path.to_owned(), source })?,
    };
    let policy = Policy::parse(&text)?;
    Ok((text, policy))
}

/// The master key: from its file or the environment, and for development made at the first start.
fn master(settings: &Settings, dev: bool) -> Result<Master, Error> {
    match given(&settings.secrets.master_key_file) {
        Some(path) if dev && !path.exists() => Ok(Master::generate(path)?),
        Some(path) => Ok(Master::from_file(path)?),
        None if std::env::var_os(MASTER_KEY).is_some() => Ok(Master::from_env(MASTER_KEY)?),
        None => Err(Error::NoMaster),
    }
}

/// Codes name the key that they were derived from by a hash of it, so that a new master key does not reinterpret them.
fn code_key(master: &Master) -> CodeKey {
    let key = *master.code_key().expose();
    let id = Hash::of(&[b"code key id".as_slice(), &key].concat()).to_string();
    CodeKey::new(id.chars().take(12).collect(), key)
}

impl System {
    /// Opens everything, fills the read models from the log, and starts the loops.
    pub(crate) async fn start(settings: &Settings, dev: bool) -> Result<Self, Error> {
        let auth = Keys::new(&settings.auth)?;
        let master = master(settings, dev)?;
        let (policy_text, policy) = policy(settings)?;
        let policy = Arc::new(policy);
        let directory = Arc::new(DataDir::open(&settings.data.dir)?);
        let layout = directory.layout().clone();
        let log = Arc::new(Embedded::open(Arc::clone(&directory))?);
        let data_keys: Arc<dyn keys::Keys> =
            Arc::new(SqliteKeys::open(&layout.keys(), master.wrapping_key())?);
        let blobs = Arc::new(Blobs::local(&layout.blobs())?);
        let artefacts = Arc::new(Artefacts::local(&layout.artefacts())?);
        // A case names its policy by hash, so the policy is kept before any case does.
        artefacts.put(policy_text.into()).await?;

        let read_models = Arc::new(Memory::default());
        let reader: Arc<dyn LogReader> = Arc::clone(&log) as _;
        let projector = Arc::new(Projector::new(
            Arc::clone(&reader),
            Arc::clone(&read_models) as _,
            Arc::clone(&data_keys),
        ));
        projector.catch_up().await?;
        let journal = Arc::new(Journal::new(log, Arc::clone(&read_models) as _));
        let code_key = code_key(&master);

        let outbox = Outbox::open(&settings.courier.outbox)
            .map_err(|source| Error::Outbox { path: settings.courier.outbox.clone(), source })?;
        let courier = Arc::new(Courier::new(
            Arc::clone(&reader),
            Arc::clone(&read_models) as _,
            Arc::clone(&data_keys),
            code_key.clone(),
            Arc::new(outbox),
            Acknowledged::open(&settings.data.dir.join("courier.json"))?,
        ));
        let timekeeper = Timekeeper::new(
            Arc::clone(&journal),
            Arc::clone(&read_models) as _,
            Arc::clone(&policy),
            code_key.clone(),
        );
        let engine = EngineRoom::default();
        let worker = Arc::new(Worker::new(
            worker::Ports {
                journal: Arc::clone(&journal),
                read_models: Arc::clone(&read_models) as _,
                keys: Arc::clone(&data_keys),
                blobs: Arc::clone(&blobs),
                artefacts,
                policy: Arc::clone(&policy),
                code_key: code_key.clone(),
            },
            engine.clone(),
        ));

        let threads = settings.verifier.threads.max(1);
        let models = given(&settings.verifier.models).map(PathBuf::from);
        let mut tasks = JoinSet::new();
        tasks.spawn(projector.run());
        tasks.spawn(courier.run());
        tasks.spawn(async move { timekeeper.run().await });
        tasks.spawn(worker.run((0..reader.partitions()).collect(), threads));
        let starting = engine.clone();
        tasks.spawn(async move { starting.start(models, threads).await });

        let ports = Ports {
            journal,
            log: reader,
            read_models,
            data_keys,
            blobs,
            policy,
            code_key,
            clock: Arc::new(SystemClock),
            readiness: Arc::new(Parts { engine }),
        };
        let service = web::Data::new(Service::new(ports, auth, &master));
        Ok(Self { service, tasks, _directory: directory })
    }

    /// Binds the interface.
    pub(crate) fn listen(
        &self,
        settings: &Settings,
        metrics: PrometheusHandle,
    ) -> Result<Application, Error> {
        Ok(Application::build(&settings.api, self.service.clone(), metrics)?)
    }

    /// Ends the loops. Each may be dropped at any time: what it had begun is begun again at the next start.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// What `readyz` asks.
struct Parts {
    engine: EngineRoom,
}

impl Readiness for Parts {
    fn unready(&self) -> Vec<(&'static str, String)> {
        match self.engine.state() {
            State::Ready(_) => Vec::new(),
            State::Starting => vec![("verifier", "the models are being loaded".to_owned())],
            State::Unusable(why) => vec![("verifier", why)],
        }
    }
}
