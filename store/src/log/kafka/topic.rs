//! Whether a topic is fit to be a log: what the brokers would do to its records, and whether they already did.

use std::sync::Arc;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};
use reinstate_domain::entry::Position;

use super::{
    Error, Settings,
    client::{Consumer, PATIENCE, Watched, ask, consumer},
    topic_id,
};
use crate::log::{Identity, MAX_VALUE};

/// What a batch of one record may take beside its value: key, headers, the batch's own 61 bytes.
const OVERHEAD: usize = 16 << 10;

/// A topic as its brokers describe it.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) identity: Identity,
    /// Of each partition, the first offset that is still there and the one after the last.
    pub(super) offsets: Vec<(u64, u64)>,
    /// Copies of the partition that has the fewest.
    replication: usize,
}

/// Whom a topic is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brokers {
    Real,
    /// librdkafka's mock, which knows neither topic ids nor configurations.
    Mock,
}

impl Topic {
    /// Asks the brokers. Blocks for up to some [`PATIENCE`]s.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`], [`Error::Tls`], [`Error::NoTopic`].
    pub(super) fn inspect(consumer: &Consumer, settings: &Settings, brokers: Brokers) -> Result<Self, Error> {
        let topic = &settings.topic;
        let replicas = ask(consumer, settings, |patience| {
            let metadata = consumer.fetch_metadata(Some(topic), patience)?;
            let Some(described) = metadata.topics().first() else { return Ok(None) };
            match described.error().map(RDKafkaErrorCode::from) {
                None => {
                    let replicas = described.partitions().iter().map(|p| p.replicas().len());
                    Ok(Some(replicas.collect::<Vec<_>>()))
                }
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        })?;
        let no_topic = || Error::NoTopic { brokers: settings.brokers.clone(), topic: topic.clone() };
        let replicas = replicas.filter(|replicas| !replicas.is_empty()).ok_or_else(no_topic)?;
        let partitions = u32::try_from(replicas.len()).unwrap_or(u32::MAX);
        let offsets = (0..partitions).map(|partition| {
            ask(consumer, settings, |patience| watermarks(consumer, topic, partition, patience))
        });
        let offsets = offsets.collect::<Result<_, _>>()?;
        let topic_id = match brokers {
            Brokers::Mock => "mock".to_owned(),
            Brokers::Real => {
                ask(consumer, settings, |patience| topic_id::fetch(consumer.client(), topic, patience))?
            }
        };
        let cluster = ask(consumer, settings, |patience| {
            let id = consumer.client().fetch_cluster_id(patience);
            id.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))
        })?;
        let identity = Identity { cluster, topic: topic.clone(), topic_id, partitions };
        let replication = replicas.into_iter().min().unwrap_or(0);
        Ok(Self { identity, offsets, replication })
    }

    /// Refuses a topic that could lose an entry, that already has, or that would put an account's entries into two partitions.
    ///
    /// # Errors
    /// [`Error::Partitions`], [`Error::Unsafe`], [`Error::Truncated`], [`Error::Admin`].
    pub(super) async fn check(&self, settings: &Settings) -> Result<(), Error> {
        let topic = &settings.topic;
        let found = self.identity.partitions;
        if found != settings.partitions {
            return Err(Error::Partitions { topic: topic.clone(), found, configured: settings.partitions });
        }
        let admin = admin(settings)?;
        let wanted = [ResourceSpecifier::Topic(topic)];
        let what = "describing the topic's configuration";
        let described = admin.describe_configs(&wanted, &options()).await.map_err(Error::admin(what))?;
        let described = described.into_iter().next().unwrap_or(Err(RDKafkaErrorCode::UnknownTopic));
        let described = described.map_err(|code| Error::admin(what)(KafkaError::AdminOp(code)))?;
        let value =
            |name: &str| described.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        let number = |name: &str| value(name).parse::<i64>().unwrap_or(i64::MIN);
        let unsafe_setting = |name: &str, why: &str, right: &str| {
            let mend = format!(
                "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {topic} --add-config {name}={right}",
                settings.brokers
            );
            let found = value(name);
            let problem = format!("{name} is {found:?}, {why}");
            Err(Error::Unsafe { topic: topic.clone(), problem, mend })
        };
        for (name, right) in [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")]
        {
            if value(name) != right {
                return unsafe_setting(name, "so entries would be removed", right);
            }
        }
        if value("unclean.leader.election.enable") != "false" {
            let why = "so a broker that missed entries could become the leader";
            return unsafe_setting("unclean.leader.election.enable", why, "false");
        }
        let wanted = settings.min_insync_replicas;
        if number("min.insync.replicas") < i64::from(wanted) {
            let why = format!("so an entry could be acknowledged with fewer than {wanted} copies");
            return unsafe_setting("min.insync.replicas", &why, &wanted.to_string());
        }
        let longest = MAX_VALUE + OVERHEAD;
        if usize::try_from(number("max.message.bytes")).unwrap_or(0) < longest {
            return unsafe_setting("max.message.bytes", "so an entry could be refused", &longest.to_string());
        }
        if self.replication < usize::from(settings.replication) {
            return Err(Error::Unsafe {
                topic: topic.clone(),
                problem: format!(
                    "it has partitions with {} copies and {} are configured",
                    self.replication, settings.replication
                ),
                mend: format!(
                    "kafka-reassign-partitions.sh --bootstrap-server {} --execute --reassignment-json-file, with {} replicas of each",
                    settings.brokers, settings.replication
                ),
            });
        }
        for (partition, (first, _)) in (0..).zip(&self.offsets) {
            if *first > 0 {
                let position = Position { partition, offset: *first };
                return Err(Error::Truncated { topic: topic.clone(), position });
            }
        }
        Ok(())
    }
}

/// The first offset of a partition and the one after its last.
pub(super) fn watermarks(
    consumer: &Consumer,
    topic: &str,
    partition: u32,
    patience: std::time::Duration,
) -> Result<(u64, u64), KafkaError> {
    let unknown = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition);
    let number = i32::try_from(partition).map_err(|_| unknown.clone())?;
    let (low, high) = consumer.fetch_watermarks(topic, number, patience)?;
    Ok((u64::try_from(low).map_err(|_| unknown.clone())?, u64::try_from(high).map_err(|_| unknown)?))
}

/// Makes the topic as the settings say, with what a log needs. A topic that is there already is left as it is. Says whether it was made;
/// in either case it has passed the check that every service makes at its start.
///
/// # Errors
/// Every [`Error`].
pub async fn create_topic(settings: &Settings) -> Result<bool, Error> {
    let admin = admin(settings)?;
    let partitions = i32::try_from(settings.partitions);
    let partitions =
        partitions.map_err(|_| Error::Settings("there are no topics with as many partitions"))?;
    let min_insync_replicas = settings.min_insync_replicas.to_string();
    let max_message_bytes = (MAX_VALUE + OVERHEAD).max(1 << 20).to_string();
    let replication = TopicReplication::Fixed(i32::from(settings.replication));
    let new = NewTopic::new(&settings.topic, partitions, replication)
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("min.insync.replicas", &min_insync_replicas)
        .set("unclean.leader.election.enable", "false")
        .set("max.message.bytes", &max_message_bytes);
    let reached = settings.clone();
    // Who can't be reached is told apart here; the admin client would only say that time is up.
    blocking(move || {
        let consumer = consumer(&reached.consumer()?)?;
        ask(&consumer, &reached, |patience| consumer.fetch_metadata(None, patience).map(|_| ()))
    })
    .await?;
    let what = "making the topic";
    let made = admin.create_topics([&new], &options()).await.map_err(Error::admin(what))?;
    let made = match made.into_iter().next() {
        Some(Ok(_)) => true,
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => false,
        Some(Err((_, code))) => return Err(Error::admin(what)(KafkaError::AdminOp(code))),
        None => return Err(Error::admin(what)(KafkaError::Canceled)),
    };
    let topic = {
        let settings = settings.clone();
        // The brokers hear of a new topic one after the other.
        blocking(move || {
            let begin = std::time::Instant::now();
            let consumer = consumer(&settings.consumer()?)?;
            loop {
                match Topic::inspect(&consumer, &settings, Brokers::Real) {
                    Err(Error::NoTopic { .. }) if begin.elapsed() < PATIENCE => {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    other => return other,
                }
            }
        })
        .await?
    };
    topic.check(settings).await?;
    Ok(made)
}

fn admin(settings: &Settings) -> Result<AdminClient<Watched>, Error> {
    settings.client()?.create_with_context(Watched::default()).map_err(Error::client)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// Runs what blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => Err(Error::Thread(Arc::new(std::io::Error::other(stopped)))),
    }
}
