//! The log on Kafka beside the least that does the same work: a producer whose caller waits for the delivery and for a consumer of the
//! same process to have passed the offset. Both arms on the same brokers, in the same run, with entries of the same length.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{FutureProducer, FutureRecord},
};
use reinstate_cluster::kafka::Kafka as Cluster;
use reinstate_domain::entry::Head;
use reinstate_store::log::{
    LogReader,
    kafka::{Kafka, Settings, create_topic},
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
};

use crate::{
    arm::Arm,
    log::{ENTRY, Failed, bare, entry, gather},
    usage::{Of, each, processor},
};

pub(crate) const CALLERS: [usize; 3] = [1, 64, 256];

pub(crate) async fn run(brokers: u16, seconds: u64, runs: u32) -> Result<(), Failed> {
    let time = Duration::from_secs(seconds);
    let place = tempfile::tempdir()?;
    let folder = place.path().to_owned();
    let cluster = spawn_blocking(move || Cluster::start(&folder, brokers.into())).await??;
    let settings = topic(&cluster, brokers, "bare").await?;
    Arm::head();
    for callers in CALLERS {
        let (mut alone, mut appends) = (Arm::default(), Arm::default());
        let mut spent = [Duration::ZERO; 2];
        // In turn, so that what else the machine does meets both.
        for run in 0..runs {
            let begin = processor(std::process::id(), Of::Itself)?;
            alone.add(time, peer(&settings, callers, time, ENTRY).await?);
            let between = processor(std::process::id(), Of::Itself)?;
            let settings = topic(&cluster, brokers, &format!("log-{callers}-{run}")).await?;
            let log = Arc::new(Kafka::connect(&settings).await?);
            appends.add(time, bare(log, callers, time).await?);
            spent[0] += between - begin;
            spent[1] += processor(std::process::id(), Of::Itself)? - between;
        }
        alone.report("bare", callers);
        appends.report("appends", callers);
        appends.compare(&alone);
        println!(
            "  processor, µs each, of this process: bare {:.0}, appends {:.0}",
            each(spent[0], alone.answers()),
            each(spent[1], appends.answers())
        );
    }
    read_all(&cluster, brokers, &format!("log-256-{}", runs.saturating_sub(1))).await
}

pub(crate) async fn topic(cluster: &Cluster, brokers: u16, name: &str) -> Result<Settings, Failed> {
    let mut settings = Settings::new(cluster.bootstrap(), name);
    (settings.replication, settings.min_insync_replicas) = (brokers, brokers.min(2));
    create_topic(&settings).await?;
    Ok(settings)
}

/// Reads the last log from its beginning, as an audit does, beside a consumer that only counts.
async fn read_all(cluster: &Cluster, brokers: u16, name: &str) -> Result<(), Failed> {
    let settings = topic(cluster, brokers, name).await?;
    let log = Kafka::connect(&settings).await?;
    let mut ends = Vec::new();
    for partition in 0..log.partitions() {
        ends.push(log.end(partition).await?);
    }
    let total: u64 = ends.iter().sum();
    let plain = count(&settings, Offset::Beginning, total).await?;
    let begin = Instant::now();
    for (partition, end) in (0..).zip(ends) {
        let mut next = 0;
        while next < end {
            let records = log.read(partition, next, 1000).await?;
            let Some(last) = records.last() else { return Err("the log ended early".into()) };
            next = last.position.offset + 1;
        }
    }
    let ours = begin.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rate = |took: Duration| total as f64 / took.as_secs_f64();
    println!("reading {total} entries: a consumer {:.0}/s, the log {:.0}/s", rate(plain), rate(ours));
    Ok(())
}

/// How long a consumer takes that reads so many records and does nothing with them, from its start.
pub(crate) async fn count(settings: &Settings, from: Offset, records: u64) -> Result<Duration, Failed> {
    let begin = Instant::now();
    let consumer = consumer(settings, from)?;
    let counting = spawn_blocking(move || {
        let mut left = records;
        while left > 0 {
            if let Some(message) = consumer.poll(Duration::from_secs(1)) {
                message?;
                left -= 1;
            }
        }
        Ok::<_, Failed>(begin.elapsed())
    });
    counting.await?
}

pub(crate) fn consumer(settings: &Settings, from: Offset) -> Result<BaseConsumer, Failed> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "bench")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.min.bytes", "1")
        .set("fetch.queue.backoff.ms", "1")
        .create()?;
    let mut places = TopicPartitionList::new();
    for partition in (0..).take(settings.partitions as usize) {
        places.add_partition_offset(&settings.topic, partition, from)?;
    }
    consumer.assign(&places)?;
    Ok(consumer)
}

/// Produce records of `size` bytes, wait for the delivery, wait for our own consumer.
pub(crate) async fn peer(
    settings: &Settings,
    callers: usize,
    time: Duration,
    size: usize,
) -> Result<Vec<Duration>, Failed> {
    let partitions: Vec<_> = (0..settings.partitions).map(|_| watch::Sender::new(0_i64)).collect();
    let (partitions, stop) = (Arc::new(partitions), Arc::new(AtomicBool::new(false)));
    let consumer = consumer(settings, Offset::End)?;
    let reader = thread::spawn({
        let (partitions, stop) = (partitions.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100))
                    && let Some(next) =
                        usize::try_from(message.partition()).ok().and_then(|index| partitions.get(index))
                {
                    next.send_replace(message.offset() + 1);
                }
            }
        }
    });
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("partitioner", "murmur2_random")
        .create()?;
    // As our own, it has met every leader before the clock starts.
    for partition in 0..i32::try_from(settings.partitions)? {
        let record = FutureRecord::to(&settings.topic).key("first").payload("").partition(partition);
        producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error)?;
    }
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (producer, partitions, topic) = (producer.clone(), partitions.clone(), settings.topic.clone());
        tasks.spawn(async move {
            let mut waits = Vec::new();
            for n in (0..40).cycle() {
                let key = format!("caller-{caller}.{n}");
                let value = entry(&key, Head::default(), size)?;
                let begin = Instant::now();
                if begin >= end {
                    break;
                }
                let record = FutureRecord::to(&topic).key(&key).payload(&value[..]);
                let sent = producer.send(record, Duration::from_secs(10)).await;
                let delivery = sent.map_err(|(error, _)| error)?;
                let partition = partitions.get(usize::try_from(delivery.partition)?);
                let mut passed = partition.ok_or("an unknown partition")?.subscribe();
                passed.wait_for(|next| *next > delivery.offset).await?;
                waits.push(begin.elapsed());
            }
            Ok(waits)
        });
    }
    let waits = gather(tasks).await;
    stop.store(true, Ordering::Relaxed);
    // It only fails to end well after a panic, which has been reported by then.
    let _ = reader.join();
    waits
}
