//! An account's entries, effective and void, with what staff may read of them. Nothing personal: what is sealed stays sealed.

use std::fmt;

use jiff::Timestamp;
use reinstate_domain::{
    disclosure::{Audience, disclose},
    entry::{Hash, Position},
    ids::AccountId,
    wire::{self, Actor},
};
use reinstate_store::{
    log::{self, LogReader, Record},
    read_models::{
        AccountRow, AccountStatus, Quarantine,
        project::{Projected, project},
    },
};
use serde::Serialize;
use serde_json::Value;

/// Records that are read at once.
const STEP: usize = 1000;

#[derive(Debug, Serialize)]
pub struct Shown {
    pub account: AccountId,
    pub status: AccountStatus,
    pub version: u64,
    pub head: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    pub entries: Vec<ShownEntry>,
}

#[derive(Debug, Serialize)]
pub struct ShownEntry {
    pub position: Position,
    pub hash: Hash,
    pub effective: bool,
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Content {
    Understood { version: u64, time: Timestamp, actor: Actor, events: Vec<ShownEvent> },
    NotUnderstood { fault: String },
}

#[derive(Debug, Serialize)]
pub struct ShownEvent {
    #[serde(rename = "type")]
    pub name: &'static str,
    pub data: Value,
}

/// Reads the account's partition and shows its entries; `None` when there is none.
///
/// # Errors
/// When the log does not answer or is damaged: `verify` says where.
pub async fn show(log: &dyn LogReader, account: &AccountId) -> Result<Option<Shown>, log::Error> {
    let partition = log.partition_of(account);
    let end = log.end(partition).await?;
    let mut row = AccountRow::new(account.clone());
    let mut entries = Vec::new();
    let mut next = 0;
    while next < end {
        let records = log.read(partition, next, STEP).await?;
        let Some(last) = records.last() else { break };
        next = last.position.offset + 1;
        let ours = records.iter().filter(|r| r.account == *account && r.position.offset < end);
        entries.extend(ours.map(|record| entry(&mut row, record)));
    }
    Ok((!entries.is_empty()).then(|| Shown {
        account: account.clone(),
        status: row.status(),
        version: row.head.version,
        head: row.head.hash,
        quarantine: row.quarantine,
        entries,
    }))
}

fn entry(row: &mut AccountRow, record: &Record) -> ShownEntry {
    let effective = match project(row, record) {
        Projected::Void => false,
        Projected::Held | Projected::Folded { .. } => true,
        Projected::Quarantined { effective } => effective,
    };
    let content = wire::decode(&record.value).map_err(|e| e.to_string()).and_then(|entry| {
        let events = entry.events.iter().map(|event| {
            let data = disclose(event, Audience::Staff).map_err(|e| e.to_string())?;
            Ok(ShownEvent { name: event.type_name(), data })
        });
        let events = events.collect::<Result<_, String>>()?;
        Ok(Content::Understood { version: entry.version, time: entry.time, actor: entry.actor, events })
    });
    let content = content.unwrap_or_else(|fault| Content::NotUnderstood { fault });
    ShownEntry { position: record.position, hash: Hash::of(&record.value), effective, content }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = serde_json::to_value(self.status).map_err(|_| fmt::Error)?;
        let status = status.as_str().unwrap_or_default();
        writeln!(f, "{}: {status}, {} effective entries", self.account, self.version)?;
        if let Some(quarantine) = &self.quarantine {
            writeln!(f, "halts since {}: {}", quarantine.position, quarantine.detail)?;
        }
        for entry in &self.entries {
            let void = if entry.effective { "" } else { "  void" };
            match &entry.content {
                Content::NotUnderstood { fault } => {
                    writeln!(f, "{:>10}  not understood: {fault}{void}", entry.position.to_string())?;
                }
                Content::Understood { version, time, actor, events } => {
                    let name = actor.name.as_deref().map(|name| format!(" {name:?}")).unwrap_or_default();
                    let position = entry.position.to_string();
                    writeln!(f, "{position:>10}  v{version}  {time:.3}  {:?}{name}{void}", actor.role)?;
                    for event in events {
                        writeln!(f, "            {} {}", event.name, event.data)?;
                    }
                }
            }
        }
        Ok(())
    }
}
