//! What fills a log: whole journeys of many accounts, decided and folded as the services do.

use std::{thread, time::Duration};

use jiff::Timestamp;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};
use reinstate_domain::{
    account::{
        self, Account, Command, Context, decide,
        decide::Enrolment,
        event::{Attributes, Risk},
    },
    codes::{Channel, CodeKey},
    entry::{Hash, Position},
    ids::{AccountId, CaseId, EntryId},
    policy::{EXCHANGE, Policy},
    sealed::Sealed,
    wire::{self, Actor, Entry},
};
use reinstate_store::log::kafka::Settings;
use uuid::Uuid;

use crate::log::Failed;

/// Accounts whose entries are mixed in the log.
const AT_ONCE: usize = 5000;

/// How long a record waits for the queue to have room, and the last ones for the brokers.
const FULL: Duration = Duration::from_millis(5);
const LAST: Duration = Duration::from_secs(60);

/// An account on its way.
pub(crate) struct Owner {
    pub(crate) id: AccountId,
    state: Account,
    /// Its newest reactivation.
    case: CaseId,
    /// Steps that it has taken.
    step: usize,
}

impl Owner {
    pub(crate) fn new(number: usize) -> Result<Self, Failed> {
        let id = AccountId::parse(&format!("account-{number:07}"))?;
        Ok(Self { id, state: Account::default(), case: CaseId::from_uuid(Uuid::nil()), step: 0 })
    }
}

/// What all owners' decisions have in common.
pub(crate) struct World {
    policy: Policy,
    code_key: CodeKey,
    begin: Timestamp,
}

impl World {
    pub(crate) fn new() -> Result<Self, Failed> {
        let policy = Policy::parse(EXCHANGE)?;
        Ok(Self { policy, code_key: CodeKey::new("bench".into(), [1; 32]), begin: Timestamp::now() })
    }

    /// The owner's next entry, decided and folded: whole journeys, one after another.
    pub(crate) fn next(&self, owner: &mut Owner) -> Result<Vec<u8>, Failed> {
        let minutes = |n: i64| jiff::SignedDuration::from_mins(n);
        let at = self.begin.checked_add(minutes(i64::try_from(owner.step)?))?;
        let step = owner.step;
        owner.step += 1;
        // Enrolled once, then locked and reactivated again and again.
        let case = owner.case;
        let command = match (step, step.saturating_sub(1) % 7) {
            (0, _) => Command::Enrol(Enrolment {
                profile: Sealed::from_bytes(vec![0; 400]),
                digest: "d".repeat(64),
                phone: true,
                email: false,
                identity: true,
                questions: Vec::new(),
                attributes: Attributes { country: None, risk: Some(Risk::Low), tier: None },
            }),
            (_, 0) => {
                Command::Lock { reason: "owner_request".into(), at: Some(at.checked_sub(minutes(180))?) }
            }
            (_, 1) => {
                owner.case = CaseId::from_uuid(Uuid::now_v7());
                Command::Request { case: owner.case }
            }
            (_, 2) => Command::AcknowledgeReminder { case },
            (_, 3) => Command::IssueCode { case, channel: Channel::Phone },
            (_, 4) => {
                let code = self.code_key.code(case, Channel::Phone, 1);
                Command::Verify { case, phone: Some(code), email: None }
            }
            (_, 5) => Command::Submit { case },
            _ => Command::Conclude { case },
        };
        let context = Context { now: at, policy: &self.policy, code_key: &self.code_key };
        let decided = decide(&owner.state, &command, context);
        if decided.events.is_empty() {
            return Err(format!("{command:?} did nothing: {:?}", decided.answer).into());
        }
        let entry = Entry {
            id: EntryId::from_uuid(Uuid::now_v7()),
            account: owner.id.clone(),
            version: owner.state.version + 1,
            prev: owner.state.head,
            time: at,
            actor: Actor::service("bench"),
            command: None,
            events: decided.events,
        };
        let value = wire::encode(&entry)?;
        let position = Position { partition: 0, offset: 0 };
        account::apply(&mut owner.state, &entry, Hash::of(&value), position);
        Ok(value)
    }
}

/// Writes `each` entries of each account into a topic, those of many accounts mixed, without waiting for any: with the headers that the
/// services give them, so that a consumer has as much to read. Blocks.
pub(crate) fn produce(settings: &Settings, accounts: usize, each: usize) -> Result<(), Failed> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("partitioner", "murmur2_random")
        .create()?;
    let world = World::new()?;
    for first in (0..accounts).step_by(AT_ONCE) {
        let mut owners =
            (first..accounts.min(first + AT_ONCE)).map(Owner::new).collect::<Result<Vec<_>, Failed>>()?;
        for _ in 0..each {
            for owner in &mut owners {
                let value = world.next(owner)?;
                put(&producer, &settings.topic, &owner.id, &value)?;
            }
        }
    }
    Ok(producer.flush(LAST)?)
}

fn put(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    account: &AccountId,
    value: &[u8],
) -> Result<(), Failed> {
    let id = Uuid::now_v7().to_string();
    let time = Timestamp::now().to_string();
    let attributes = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_type", "reinstate.entry.v1"),
        ("ce_source", "/reinstate/accounts"),
        ("ce_subject", account.as_str()),
        ("ce_time", &time),
        ("content-type", "application/json"),
    ];
    let headers = attributes.into_iter().fold(OwnedHeaders::new_with_capacity(8), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let mut record = BaseRecord::to(topic).key(account.as_str()).payload(value).headers(headers);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                thread::sleep(FULL);
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}
