//! Handing entries to the brokers, by a producer that can be replaced.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};
use reinstate_domain::entry::{Envelope, Position};
use tokio::time::Instant;

use super::{Error, Settings, client::Watched, measures};
use crate::{log, trace};

/// The header that a trace is in (W3C Trace Context).
pub(super) const TRACEPARENT: &str = "traceparent";

/// `type` and `source` of every entry as a CloudEvent. Storage: other systems filter by them. An entry is one decision and may hold
/// several events, so their names are inside.
const CE_TYPE: &str = "reinstate.entry.v1";
const CE_SOURCE: &str = "/reinstate/accounts";

/// How long a caller waits for a place in a full queue.
const QUEUE: Duration = Duration::from_millis(10);

type Client = FutureProducer<Watched>;

pub(super) struct Producer {
    settings: Settings,
    client: RwLock<Client>,
}

/// What the brokers said.
#[derive(Debug)]
pub(super) enum Delivered {
    At(Position),
    /// Nothing was written and nothing will be.
    Refused(log::Error),
    /// The entry may have been written.
    Unknown,
}

impl Producer {
    /// Makes the producer and lets it meet the leader of every partition, so that the first entry does not wait for that. Blocks.
    pub(super) fn start(settings: &Settings, partitions: u32) -> Result<Self, Error> {
        let client = make(settings)?;
        warm_up(&client, &settings.topic, partitions);
        Ok(Self { settings: settings.clone(), client: RwLock::new(client) })
    }

    pub(super) async fn send(
        &self,
        envelope: &Envelope,
        partition: u32,
        value: &[u8],
        deadline: Instant,
    ) -> Delivered {
        let delivery = match self.enqueue(envelope, partition, value, deadline).await {
            Ok(delivery) => delivery,
            Err(error) => return Delivered::Refused(log::Error::Unavailable(Arc::new(error))),
        };
        match tokio::time::timeout_at(deadline, delivery).await {
            Ok(Ok(Ok(delivery))) => {
                let place = u32::try_from(delivery.partition).ok().zip(u64::try_from(delivery.offset).ok());
                place.map_or(Delivered::Unknown, |(partition, offset)| {
                    Delivered::At(Position { partition, offset })
                })
            }
            Ok(Ok(Err((error, _)))) => match error.rdkafka_error_code() {
                // By its size alone, whichever attempt it was.
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    Delivered::Refused(log::Error::Unavailable(Arc::new(error)))
                }
                _ => {
                    tracing::warn!(%error, "the brokers did not acknowledge an entry");
                    Delivered::Unknown
                }
            },
            // The producer that had it was replaced, or time is up.
            Ok(Err(_)) | Err(_) => Delivered::Unknown,
        }
    }

    async fn enqueue(
        &self,
        envelope: &Envelope,
        partition: u32,
        value: &[u8],
        deadline: Instant,
    ) -> Result<DeliveryFuture, KafkaError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let mut replaced = false;
        loop {
            let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
            let record = FutureRecord::to(&self.settings.topic)
                .partition(number)
                .key(envelope.account.as_str())
                .payload(value)
                .headers(headers(envelope));
            match client.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                    if Instant::now() + QUEUE < deadline =>
                {
                    tokio::time::sleep(QUEUE).await;
                }
                Err(_) if !replaced && client.client().fatal_error().is_some() => {
                    replaced = true;
                    self.replace(&client)?;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Replaces a producer that has failed for good, which librdkafka never repairs (confluentinc/librdkafka#3584). What it still held
    /// is lost with it: its callers hear that nobody knows.
    fn replace(&self, failed: &Client) -> Result<(), KafkaError> {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        let Some((code, reason)) = client.client().fatal_error() else { return Ok(()) };
        tracing::error!(%code, reason, "the producer has failed for good and is replaced");
        let new = make(&self.settings).map_err(|error| match error {
            Error::Client(error) => KafkaError::clone(&error),
            other => KafkaError::ClientCreation(other.to_string()),
        })?;
        let old = std::mem::replace(&mut *client, new);
        measures::producer_rebuilt();
        // Closing waits for the producer's threads, which nobody here should do.
        let others = failed.clone();
        std::thread::spawn(move || drop((old, others)));
        Ok(())
    }
}

fn make(settings: &Settings) -> Result<Client, Error> {
    settings.producer()?.create_with_context(Watched::default()).map_err(Error::client)
}

/// The first entry of a cold producer takes half a second. What can't be reached now is not in the way of what can.
fn warm_up(client: &Client, topic: &str, partitions: u32) {
    let patience = Duration::from_secs(2);
    if client.client().fetch_metadata(Some(topic), patience).is_err() {
        return;
    }
    for partition in 0..partitions {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        if let Err(error) = client.client().fetch_watermarks(topic, number, patience) {
            tracing::warn!(%error, partition, "the partition's leader does not answer");
            return;
        }
    }
}

/// CloudEvents 1.0, binary mode of its Kafka binding, and the trace. Nothing personal: an account's id is the exchange's own name for it.
fn headers(envelope: &Envelope) -> OwnedHeaders {
    let trace = trace::current();
    let id = envelope.id.to_string();
    let time = envelope.time.to_string();
    let mut headers = OwnedHeaders::new_with_capacity(8);
    if let Some(trace) = &trace {
        headers = headers.insert(Header { key: TRACEPARENT, value: Some(trace.as_str()) });
    }
    let attributes = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_type", CE_TYPE),
        ("ce_source", CE_SOURCE),
        ("ce_subject", envelope.account.as_str()),
        ("ce_time", &time),
        ("content-type", "application/json"),
    ];
    attributes
        .into_iter()
        .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
