//! The watchdog: asks the brokers once a second where the log ends, and sees to it that the reader gets there.
//!
//! Consumers have stopped for others without an error (fede1024/rust-rdkafka#638, #665), so whoever reads can't be the one to notice.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{consumer::Consumer as _, error::RDKafkaErrorCode};

use super::{
    Error, Settings,
    client::{Consumer, hear},
    ends::Ends,
    measures,
    tail::Tail,
    topic_id,
};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// How long the brokers may take to answer one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the reader may stand still before the log's end.
const STALL: Duration = Duration::from_secs(3);

/// How many looks there are for each at the topic's id.
const ID_EVERY: u32 = 5;

/// What the watchdog last saw.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// No broker answers: whoever wants to write need not try.
    down: AtomicBool,
    trouble: Mutex<Option<String>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Down(String);

impl Status {
    /// What is wrong, in a sentence.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Fails when no broker answers.
    pub(super) fn check(&self) -> Result<(), Down> {
        if self.down.load(Ordering::Acquire) {
            return Err(Down(self.trouble().unwrap_or_default()));
        }
        Ok(())
    }

    fn set(&self, down: bool, trouble: Option<String>) {
        let mut present = self.lock();
        match (&*present, &trouble) {
            (None, Some(trouble)) => tracing::error!(trouble, "the log is in trouble"),
            (Some(_), None) => tracing::info!("the log is well again"),
            _ => {}
        }
        measures::up(trouble.is_none());
        *present = trouble;
        self.down.store(down, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watchdog's thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) status: Arc<Status>,
    _stop: mpsc::Sender<()>,
}

impl Watch {
    /// `probe` is a client of its own, so that nothing that goes wrong with the reader's can hide it.
    /// `topic_id` is the topic's, where there is one.
    pub(super) fn start(
        settings: &Settings,
        topic_id: Option<String>,
        tail: &Arc<Tail>,
        probe: Arc<Consumer>,
        ends: Arc<Ends>,
    ) -> Result<Self, Error> {
        let status = Arc::new(Status::default());
        let (stop, stopped) = mpsc::channel();
        let mut thread = Thread {
            settings: settings.clone(),
            topic_id,
            tail: tail.clone(),
            probe,
            ends,
            status: status.clone(),
            goals: vec![None; tail.partitions().len()],
            answered: Instant::now(),
            replaced: None,
            looks: 0,
        };
        let run = move || {
            while stopped.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                thread.look();
            }
        };
        thread::Builder::new()
            .name("log-watch".to_owned())
            .spawn(run)
            .map_err(|e| Error::Thread(Arc::new(e)))?;
        Ok(Self { status, _stop: stop })
    }
}

/// Where the reader should get to.
#[derive(Debug, Clone, Copy)]
struct Goal {
    end: u64,
    asked: Instant,
    /// How far it was, and since when.
    next: u64,
    since: Instant,
}

struct Thread {
    settings: Settings,
    topic_id: Option<String>,
    tail: Arc<Tail>,
    probe: Arc<Consumer>,
    ends: Arc<Ends>,
    status: Arc<Status>,
    goals: Vec<Option<Goal>>,
    /// When a broker last answered.
    answered: Instant,
    /// When the reader was last replaced.
    replaced: Option<Instant>,
    looks: u32,
}

impl Thread {
    fn look(&mut self) {
        hear(&self.probe);
        let asked = Instant::now();
        let topic = self.settings.topic.clone();
        let known = match self.probe.fetch_metadata(Some(&topic), PATIENCE) {
            Ok(metadata) => metadata.topics().first().map_or(Ok((0, None)), |topic| match topic.error() {
                None => {
                    let orphan = topic.partitions().iter().find(|partition| partition.leader() < 0);
                    Ok((topic.partitions().len(), orphan.map(|partition| partition.id())))
                }
                Some(error) => Err(RDKafkaErrorCode::from(error)),
            }),
            Err(error) => {
                // Brokers at work may be slow to answer; then they are not gone.
                if self.tail.unheard() > PATIENCE {
                    let silent =
                        self.probe.context().unreachable(&self.settings, self.answered.elapsed(), &error);
                    self.status.set(true, Some(silent.to_string()));
                }
                return;
            }
        };
        self.answered = Instant::now();
        if known.is_ok() && self.is_another_topic() {
            let trouble = format!(
                "topic {topic} was deleted and made anew since this process began: what it knows is of the old one; restart it on a \
                 database that is empty or of the new topic"
            );
            return self.status.set(true, Some(trouble));
        }
        let partitions = self.tail.partitions().len();
        let trouble = match known {
            Err(code) => Some(format!("the brokers no longer know topic {topic}: {code}")),
            Ok((count, _)) if count != partitions => Some(format!(
                "topic {topic} has {count} partitions now and had {partitions}: an account's partition depends on their number, which is \
                 fixed for ever"
            )),
            Ok((_, Some(orphan))) => Some(format!("partition {orphan} of topic {topic} has no leader")),
            Ok((_, None)) => match self.ends.fetch(PATIENCE) {
                Ok(ends) => {
                    for (index, end) in ends.into_iter().enumerate() {
                        self.aim(index, end, asked);
                    }
                    self.stalled()
                }
                // A leader that is slow to answer, or that is about to be another broker.
                Err(_) => self.status.trouble(),
            },
        };
        self.status.set(false, trouble);
    }

    /// Asked now and then, and as long as something is wrong.
    fn is_another_topic(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        let Some(ours) = &self.topic_id else { return false };
        if !self.looks.is_multiple_of(ID_EVERY) && self.status.trouble().is_none() {
            return false;
        }
        let found = topic_id::fetch(self.probe.client(), &self.settings.topic, PATIENCE);
        found.is_ok_and(|found| found != *ours)
    }

    fn aim(&mut self, index: usize, end: u64, asked: Instant) {
        let (Some(partition), Some(goal)) = (self.tail.partitions().get(index), self.goals.get_mut(index))
        else {
            return;
        };
        let next = partition.next();
        measures::position(index, next, end);
        *goal = match *goal {
            Some(goal) if !partition.has_passed(goal.end, goal.asked) => {
                let moved = next > goal.next;
                Some(Goal { next, since: if moved { asked } else { goal.since }, ..goal })
            }
            _ if next < end => Some(Goal { end, asked, next, since: asked }),
            _ => None,
        };
    }

    /// Replaces a reader that stands still, and says so.
    fn stalled(&mut self) -> Option<String> {
        let standing = self.goals.iter().enumerate().find_map(|(partition, goal)| {
            let goal = goal.filter(|goal| goal.since.elapsed() >= STALL)?;
            Some(format!("at {partition}:{} for {} seconds", goal.next, goal.since.elapsed().as_secs()))
        });
        let silent = self.tail.silent();
        let standing =
            standing.or_else(|| (silent >= STALL).then(|| format!("for {} seconds", silent.as_secs())))?;
        if self.replaced.is_none_or(|last| last.elapsed() >= STALL) {
            self.replaced = Some(Instant::now());
            measures::tail_rebuilt();
            match self.tail.replace_thread() {
                Ok(()) => tracing::warn!(standing, "the log's reader stands still and is replaced"),
                Err(error) => {
                    tracing::error!(%error, standing, "the log's reader stands still and can't be replaced")
                }
            }
        }
        Some(format!("the log's reader stands still {standing}, though the log goes on"))
    }
}
