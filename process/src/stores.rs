//! What the services of one system share, opened from their settings: the log on Kafka, the database, blobs, the policy, the
//! master key, and the journal over them.

use std::sync::Arc;

use reinstate_domain::codes::CodeKey;
use reinstate_store::blobs::{self, Artefacts, Blobs};
use reinstate_store::clock::SharedClock as _;
use reinstate_store::journal::Journal;
use reinstate_store::keys::Keys;
use reinstate_store::log::LogReader as _;
use reinstate_store::log::kafka::{self, Kafka};
use reinstate_store::master::Master;
use reinstate_store::postgres::{self, Postgres, PostgresKeys};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::policy::{self, Policy};
use crate::readiness::Readiness;
use crate::secrets;
use crate::settings::{self, Logging, Secrets, Traces};
use crate::{Options, operations};

/// The commented defaults of everything here and of the process itself: a service's own come before them.
pub const DEFAULTS: &str = include_str!("stores.toml");

/// The tables of every service on Kafka and PostgreSQL, beside its own. Their defaults are [`DEFAULTS`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub operations: operations::Settings,
    pub kafka: kafka::Settings,
    pub database: postgres::Settings,
    pub blobs: blobs::Settings,
    pub secrets: Secrets,
    pub policy: settings::Policy,
    pub log: Logging,
    pub traces: Traces,
}

impl Settings {
    /// Reads a service's settings: its own, whose defaults these are, and these.
    ///
    /// # Errors
    /// As [`settings::load`].
    pub fn load<Own: DeserializeOwned>(
        defaults: &str,
        options: &Options,
    ) -> Result<(Own, Self), settings::Error> {
        settings::load_in_two(defaults, DEFAULTS, options.config.as_deref())
    }
}

/// Something can't be opened. Each says what is wrong with what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
    #[error(transparent)]
    Policy(#[from] policy::Error),
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    Database(#[from] postgres::Error),
    #[error("the blobs can't be used")]
    Blobs(#[from] blobs::Error),
}

/// Looks at what can be looked at without the network. Says which policy it is.
///
/// # Errors
/// [`Error`].
pub fn check(settings: &Settings) -> Result<String, Error> {
    let policy = Policy::load(&settings.policy)?;
    secrets::master(&settings.secrets)?;
    settings.kafka.check()?;
    settings.blobs.check()?;
    Ok(policy.describe())
}

/// Everything that a service stands on.
pub struct Stores {
    pub log: Arc<Kafka>,
    pub database: Arc<Postgres>,
    pub keys: Arc<dyn Keys>,
    pub blobs: Arc<Blobs>,
    pub artefacts: Arc<Artefacts>,
    pub journal: Arc<Journal>,
    pub policy: Policy,
    pub master: Master,
    pub code_key: CodeKey,
}

impl Stores {
    /// Connects to everything. Once it returns, everything has answered.
    ///
    /// # Errors
    /// [`Error`]: one sentence with the way out.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        kafka::describe_metrics();
        let master = secrets::master(&settings.secrets)?;
        let policy = Policy::load(&settings.policy)?;
        let log = Arc::new(Kafka::connect(&settings.kafka).await?);
        let database = Arc::new(Postgres::open(&settings.database, log.identity().as_ref()).await?);
        let keys = Arc::new(PostgresKeys::open(&settings.database, master.wrapping_key()).await?);
        let blobs = Arc::new(Blobs::open(&settings.blobs)?);
        let artefacts = Arc::new(Artefacts::open(&settings.blobs)?);
        // A case names its policy by hash, so the policy is kept before any case does.
        artefacts.put(policy.text.clone().into()).await?;
        let journal = Journal::new(Arc::clone(&log) as _, Arc::clone(&database) as _);
        let journal = Arc::new(journal.by(Arc::clone(&database) as _));
        let code_key = secrets::code_key(&master);
        Ok(Self { log, database, keys, blobs, artefacts, journal, policy, master, code_key })
    }

    /// What keeps the states in memory at the log's end. It may be dropped at any time.
    pub fn follow(&self, tasks: &mut JoinSet<()>) {
        let journal = Arc::clone(&self.journal);
        tasks.spawn(async move { journal.follow().await });
    }

    /// The log and the database, as far as they are known to answer at the moment, and the clock.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let (log, database, clock) =
            (Arc::clone(&self.log), Arc::clone(&self.database), Arc::clone(&self.database));
        Readiness::default()
            .with("log", move || log.health())
            .with("database", move || database.health())
            .with("clock", move || clock.difference().map(|difference| difference.to_string()))
    }
}
