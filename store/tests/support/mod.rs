//! What the store's tests share: entries as other programs would write them.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use bytes::Bytes;
use reinstate_domain::{
    entry::{Envelope, Head, Ruling, rule},
    ids::AccountId,
};
use reinstate_store::log::{Appended, LogReader, Record};
use serde_json::json;
use uuid::Uuid;

pub mod attempts_contract;
pub mod database;
pub mod kafka;
pub mod keys_contract;
pub mod log_contract;
pub mod measured;
pub mod read_models_contract;
pub mod world;

pub fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

/// An entry that follows `head`, with a filler of `size` bytes in an event that this program does not know.
pub fn entry_of(size: usize, account: &AccountId, head: Head) -> Bytes {
    let value = json!({
        "id": Uuid::now_v7(),
        "account": account,
        "version": head.version + 1,
        "prev": head.hash,
        "time": "2026-11-23T12:00:00Z",
        "actor": {"role": "test"},
        "events": [{"type": "Filler", "v": 1, "data": "x".repeat(size)}],
    });
    serde_json::to_vec(&value).unwrap().into()
}

pub fn entry(account: &AccountId, head: Head) -> Bytes {
    entry_of(10, account, head)
}

pub fn envelope(value: &[u8]) -> Envelope {
    serde_json::from_slice(value).unwrap()
}

#[track_caller]
pub fn committed(appended: Appended) -> Head {
    match appended {
        Appended::Committed { head, .. } => head,
        other => panic!("expected Committed, got {other:?}"),
    }
}

/// Every record of a partition, read in steps of seven.
pub async fn read_all(log: &dyn LogReader, partition: u32) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let from = records.last().map_or(0, |r| r.position.offset + 1);
        let step = log.read(partition, from, 7).await.unwrap();
        if step.is_empty() {
            return records;
        }
        records.extend(step);
    }
}

/// The effective entries of one account among these records, by the rule.
pub fn effective<'a>(records: &'a [Record], account: &AccountId) -> Vec<&'a Record> {
    let mut head = Head::default();
    let mut effective = Vec::new();
    for record in records.iter().filter(|r| r.account == *account) {
        if let Ruling::Effective(new) = rule(head, &envelope(&record.value), &record.value) {
            head = new;
            effective.push(record);
        }
    }
    effective
}
