//! Sharing the partitions between the processes of one kind: the consumer group of the verifiers.
//!
//! One thread polls, always, whatever the work does: who polls too late is thrown out of the group (fede1024/rust-rdkafka#433).
//! Records are handed over through a bounded channel; while it is full the partitions are paused and the thread goes on polling.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};
use reinstate_domain::entry::Position;
use tokio::sync::{mpsc, watch};

use super::{
    Error, Settings,
    client::Watched,
    measures,
    tail::{Stored, stored},
};
use crate::log::Record;

/// How long the thread waits for a record before it looks at everything else.
const POLL: Duration = Duration::from_millis(50);

/// How long the brokers may take to say where the group was.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a process takes part.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The group's name.
    pub group: String,
    /// How long the others wait for a member that says nothing before they share its partitions. Brokers take 6 seconds to 30 minutes,
    /// unless they are set otherwise.
    pub session_timeout: Duration,
    /// Records that may wait to be taken.
    pub buffer: usize,
}

/// A member of a consumer group. Leaves the group when it is dropped, which blocks until the group knows.
#[derive(Debug)]
pub struct Group {
    records: mpsc::Receiver<Record>,
    done: mpsc::UnboundedSender<Position>,
    assigned: watch::Receiver<Vec<u32>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Group {
    /// Joins the group. Partitions are assigned some moments later.
    ///
    /// Reading begins where the group's members said they were [`done`](Group::done), or at the end of a partition of which nobody ever
    /// said so: what was to do before is known from elsewhere.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`], [`Error::Client`], [`Error::Thread`]. Brokers that do not answer are no error: the member
    /// has no partitions until they do.
    pub fn join(settings: &Settings, membership: &Membership) -> Result<Self, Error> {
        let millis = membership.session_timeout.as_millis();
        let mut config = settings.consumer()?;
        config
            .set("group.id", &membership.group)
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", millis.to_string())
            .set("heartbeat.interval.ms", (millis / 3).clamp(100, 3000).to_string())
            .set("auto.offset.reset", "latest")
            .set("enable.partition.eof", "false");
        let (assigned, watched) = watch::channel(Vec::new());
        let context = Context { watched: Watched::default(), assigned };
        let consumer: BaseConsumer<Context> = config.create_with_context(context).map_err(Error::client)?;
        consumer.subscribe(&[&settings.topic]).map_err(Error::client)?;
        let (sender, records) = mpsc::channel(membership.buffer.max(1));
        let (done, finished) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut thread = Thread {
            consumer,
            topic: settings.topic.clone(),
            sender,
            finished,
            held: VecDeque::new(),
            paused: false,
        };
        let run = {
            let stop = stop.clone();
            move || {
                while !stop.load(Ordering::Acquire) {
                    thread.step();
                }
                thread.keep_places(CommitMode::Sync);
            }
        };
        let thread = thread::Builder::new().name("log-group".to_owned()).spawn(run);
        let thread = thread.map_err(|e| Error::Thread(Arc::new(e)))?;
        Ok(Self { records, done, assigned: watched, stop, thread: Some(thread) })
    }

    /// The partitions that are this member's now. Empty while the members agree anew.
    #[must_use]
    pub fn partitions(&self) -> watch::Receiver<Vec<u32>> {
        self.assigned.clone()
    }

    /// The next record of a partition that is, or just was, this member's. May be dropped at any time. `None` when the thread has ended.
    pub async fn next(&mut self) -> Option<Record> {
        self.records.recv().await
    }

    /// Notes that nobody needs to read this record again. A hint: whoever takes the partition next may still be given it.
    pub fn done(&self, position: Position) {
        // Without its thread the group has left anyway.
        let _ = self.done.send(position);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It only fails to end well after a panic, which has been reported by then.
            let _ = thread.join();
        }
    }
}

struct Context {
    watched: Watched,
    assigned: watch::Sender<Vec<u32>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watched.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watched.error(error, reason);
    }
}

impl ConsumerContext for Context {
    /// Where to begin is settled before anybody hears of the partitions, so that no record comes in between.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let changed = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let places = places(consumer, partitions.clone()).unwrap_or_else(|error| {
                tracing::warn!(%error, "the group's places could not be asked for: reading begins at the end");
                partitions.clone()
            });
            consumer.assign(&places)
        } else {
            self.assigned.send_replace(Vec::new());
            consumer.unassign()
        };
        match changed {
            Ok(()) if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let elements = partitions.elements();
                let mut numbers: Vec<u32> =
                    elements.iter().filter_map(|p| u32::try_from(p.partition()).ok()).collect();
                numbers.sort_unstable();
                tracing::info!(partitions = ?numbers, "the group assigned partitions");
                self.assigned.send_replace(numbers);
            }
            Ok(()) => {}
            Err(error) => tracing::error!(%error, "the group's partitions could not be taken or left"),
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "the group's place was not kept");
        }
    }
}

/// Where the group was done, or the end of a partition of which nobody ever said so.
fn places(
    consumer: &BaseConsumer<Context>,
    partitions: TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let mut places = consumer.committed_offsets(partitions, PATIENCE)?;
    let unknown: Vec<(String, i32)> = places
        .elements()
        .iter()
        .filter(|place| !matches!(place.offset(), Offset::Offset(_)))
        .map(|place| (place.topic().to_owned(), place.partition()))
        .collect();
    for (topic, partition) in unknown {
        let (_, end) = consumer.fetch_watermarks(&topic, partition, PATIENCE)?;
        places.set_partition_offset(&topic, partition, Offset::Offset(end))?;
    }
    Ok(places)
}

struct Thread {
    consumer: BaseConsumer<Context>,
    topic: String,
    sender: mpsc::Sender<Record>,
    finished: mpsc::UnboundedReceiver<Position>,
    /// Records for which there was no room.
    held: VecDeque<Record>,
    paused: bool,
}

impl Thread {
    fn step(&mut self) {
        if let Some(Ok(message)) = self.consumer.poll(POLL) {
            match stored(&message, true) {
                Some(Stored::Record(record)) => self.held.push_back(record),
                Some(Stored::Foreign(_)) => measures::foreign(),
                None => {}
            }
        }
        self.hand_over();
        self.keep_places(CommitMode::Async);
    }

    fn hand_over(&mut self) {
        while let Some(record) = self.held.pop_front() {
            match self.sender.try_send(record) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(record)) => {
                    self.held.push_front(record);
                    break;
                }
                // Whoever took them has gone; the thread is about to end.
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
        // New partitions come unpaused, so a record that arrives all the same pauses them again.
        let full = !self.held.is_empty();
        if full == self.paused && self.held.len() < 2 {
            return;
        }
        let Ok(assigned) = self.consumer.assignment() else { return };
        let changed = if full { self.consumer.pause(&assigned) } else { self.consumer.resume(&assigned) };
        match changed {
            Ok(()) => self.paused = full,
            Err(error) => tracing::debug!(%error, "the group's partitions could not be paused or resumed"),
        }
    }

    fn keep_places(&mut self, mode: CommitMode) {
        let mut places = TopicPartitionList::new();
        while let Ok(position) = self.finished.try_recv() {
            let (Ok(partition), Ok(next)) =
                (i32::try_from(position.partition), i64::try_from(position.offset + 1))
            else {
                continue;
            };
            // The last one said counts.
            let kept = match places.find_partition(&self.topic, partition) {
                Some(mut place) => place.set_offset(Offset::Offset(next)),
                None => places.add_partition_offset(&self.topic, partition, Offset::Offset(next)),
            };
            if let Err(error) = kept {
                tracing::debug!(%error, "the group's place was not kept");
            }
        }
        if places.count() > 0
            && let Err(error) = self.consumer.commit(&places, mode)
        {
            tracing::debug!(%error, "the group's place was not kept");
        }
    }
}
