//! Everything behind the interface, put together: log, keys, blobs, read models, and the loops that follow the log.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web;
use reinstate_api::{Application, Keys, Ports, Service, SystemClock};
use reinstate_process::policy::{self, Policy};
use reinstate_process::settings::given;
use reinstate_process::{Readiness, Stop, secrets};
use reinstate_projector::commands::Commands;
use reinstate_projector::concluder::Concluder;
use reinstate_projector::courier::Courier;
use reinstate_projector::courier::acknowledged::{self, Acknowledged};
use reinstate_projector::courier::outbox::Outbox;
use reinstate_projector::follow::{self, Projector};
use reinstate_projector::timekeeper::Timekeeper;
use reinstate_store::attempts::{self, SqliteAttempts};
use reinstate_store::blobs::{self, Artefacts, Blobs};
use reinstate_store::data_dir::{self, DataDir};
use reinstate_store::journal::Journal;
use reinstate_store::keys::{self, SqliteKeys};
use reinstate_store::log::embedded::Embedded;
use reinstate_store::log::{self, LogReader};
use reinstate_store::master::Master;
use reinstate_store::read_models::memory::Memory;
use reinstate_verifier::contain::Program;
use reinstate_verifier::models::Bundle;
use reinstate_verifier::worker::{self, EngineRoom, Share, Worker};
use tokio::task::{JoinHandle, JoinSet};

use crate::settings::Settings;

/// The system can't start. Each says what is wrong with what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
    #[error(transparent)]
    DataKeys(#[from] keys::Error),
    #[error(transparent)]
    Attempts(#[from] attempts::Unavailable),
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
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
    readiness: Arc<Readiness>,
    worker: JoinHandle<()>,
    tasks: JoinSet<()>,
    /// Held for as long as the system writes.
    _directory: Arc<DataDir>,
}

/// Looks at everything that a start needs, and changes nothing but what a first start of `--dev` makes.
pub(crate) fn check(settings: &Settings, dev: bool) -> Result<String, Error> {
    let policy = Policy::load(&settings.policy)?;
    Keys::new(&settings.auth)?;
    master(settings, dev)?;
    let bundle = Bundle::load(given(&settings.verifier.models))?;
    Ok(format!(
        "ok: {}, models {} {}, data in {}",
        policy.describe(),
        bundle.name(),
        bundle.version(),
        settings.data.dir.display()
    ))
}

fn master(settings: &Settings, dev: bool) -> Result<Master, secrets::Error> {
    if dev { secrets::master_or_new(&settings.secrets) } else { secrets::master(&settings.secrets) }
}

impl System {
    /// Opens everything, fills the read models from the log, and starts the loops.
    pub(crate) async fn start(
        program: &Program,
        settings: &Settings,
        dev: bool,
        stop: Stop,
    ) -> Result<Self, Error> {
        let auth = Keys::new(&settings.auth)?;
        let master = master(settings, dev)?;
        let Policy { text, policy } = Policy::load(&settings.policy)?;
        let directory = Arc::new(DataDir::open(&settings.data.dir)?);
        let layout = directory.layout().clone();
        let log = Arc::new(Embedded::open(Arc::clone(&directory))?);
        let data_keys: Arc<dyn keys::Keys> =
            Arc::new(SqliteKeys::open(&layout.keys(), master.wrapping_key())?);
        let blobs = Arc::new(Blobs::local(&layout.blobs())?);
        let artefacts = Arc::new(Artefacts::local(&layout.artefacts())?);
        // A case names its policy by hash, so the policy is kept before any case does.
        artefacts.put(text.into()).await?;

        let read_models = Arc::new(Memory::default());
        let reader: Arc<dyn LogReader> = Arc::clone(&log) as _;
        let projector = Arc::new(Projector::new(
            Arc::clone(&reader),
            Arc::clone(&read_models) as _,
            Arc::clone(&data_keys),
        ));
        projector.catch_up().await?;
        let journal = Arc::new(Journal::new(log, Arc::clone(&read_models) as _));
        let code_key = secrets::code_key(&master);

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
        let commands = Commands {
            journal: Arc::clone(&journal),
            policy: Arc::clone(&policy),
            code_key: code_key.clone(),
        };
        let timekeeper = Timekeeper::new(commands.clone(), Arc::clone(&read_models) as _);
        let concluder = Concluder::new(commands, Arc::clone(&read_models) as _);
        let engine = EngineRoom::default();
        let worker = Arc::new(Worker::new(
            worker::Ports {
                journal: Arc::clone(&journal),
                read_models: Arc::clone(&read_models) as _,
                attempts: Arc::new(SqliteAttempts::open(&layout.attempts())?),
                keys: Arc::clone(&data_keys),
                blobs: Arc::clone(&blobs),
                artefacts,
                policy: Arc::clone(&policy),
                code_key: code_key.clone(),
            },
            engine.clone(),
        ));

        let mut tasks = JoinSet::new();
        let followed = Arc::clone(&journal);
        tasks.spawn(async move { followed.follow().await });
        tasks.spawn(projector.run());
        tasks.spawn(courier.run());
        tasks.spawn(async move { timekeeper.run().await });
        tasks.spawn(async move { concluder.run().await });
        let share = Share::of_everything(reader.partitions());
        let worker = tokio::spawn(worker.run(share, settings.verifier.threads, stop.clone()));
        let (starting, program, verifier) = (engine.clone(), program.clone(), settings.verifier.clone());
        tasks.spawn(async move { starting.start(&program, &verifier).await });

        let readiness = Readiness::default().with("verifier", move || engine.unready()).until(stop.clone());
        let readiness = readiness.shared();
        let ports = Ports {
            journal,
            log: reader,
            read_models,
            data_keys,
            blobs,
            policy,
            code_key,
            clock: Arc::new(SystemClock),
            readiness: Arc::clone(&readiness),
            stop,
        };
        let service = web::Data::new(Service::new(ports, auth, &master));
        Ok(Self { service, readiness, worker, tasks, _directory: directory })
    }

    pub(crate) fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }

    /// Binds the interface.
    pub(crate) fn listen(&self, settings: &Settings) -> Result<Application, Error> {
        Ok(Application::build(&settings.api, self.service.clone())?)
    }

    /// Waits for the examinations that were begun, and ends the loops. Each may be dropped at any time: what it had begun is begun
    /// again at the next start.
    pub(crate) async fn stop(mut self) {
        if let Err(error) = self.worker.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the verifier's loop had ended");
        }
        self.tasks.shutdown().await;
    }
}
