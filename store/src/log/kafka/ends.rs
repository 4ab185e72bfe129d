//! Where the partitions end, asked of their leaders. What this process has read says nothing of what others have just written.

use std::{sync::Arc, time::Duration};

use rdkafka::{TopicPartitionList, consumer::Consumer as _, error::KafkaError, topic_partition_list::Offset};
use tokio::{sync::Mutex, time::Instant};

use super::{Error, client::Consumer, topic::blocking};

/// How long the leaders may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks for all partitions at once. Whoever asks while a question is under way shares the next one, so that the brokers get one at a
/// time however many ask.
pub(super) struct Ends {
    probe: Arc<Consumer>,
    topic: String,
    partitions: usize,
    /// The last answer, and when it was asked for.
    last: Mutex<Option<(Instant, Vec<u64>)>>,
}

impl Ends {
    pub(super) fn new(probe: Arc<Consumer>, topic: &str, partitions: usize) -> Self {
        Self { probe, topic: topic.to_owned(), partitions, last: Mutex::default() }
    }

    /// The end of a partition, as it is at some moment after this was called.
    pub(super) async fn of(self: &Arc<Self>, partition: u32) -> Result<u64, Error> {
        let called = Instant::now();
        let mut last = self.last.lock().await;
        let ends = match &*last {
            Some((asked, ends)) if *asked >= called => ends,
            _ => {
                let (asked, asker) = (Instant::now(), Arc::clone(self));
                let ends = blocking(move || asker.fetch(PATIENCE).map_err(Error::client)).await?;
                &last.insert((asked, ends)).1
            }
        };
        Ok(ends.get(partition as usize).copied().unwrap_or(0))
    }

    /// The end of each partition. Blocks.
    pub(super) fn fetch(&self, patience: Duration) -> Result<Vec<u64>, KafkaError> {
        let mut wanted = TopicPartitionList::new();
        for number in (0..).take(self.partitions) {
            // Instead of a time, as the protocol has it: the end.
            wanted.add_partition_offset(&self.topic, number, Offset::End)?;
        }
        let answers = self.probe.offsets_for_times(wanted, patience)?;
        let mut ends = vec![0; self.partitions];
        for answer in answers.elements() {
            answer.error()?;
            let (index, offset) = (usize::try_from(answer.partition()), answer.offset());
            if let (Ok(index), Offset::Offset(offset)) = (index, offset)
                && let Some(end) = ends.get_mut(index)
            {
                *end = u64::try_from(offset).unwrap_or(0);
            }
        }
        Ok(ends)
    }
}
