//! The heads of the accounts that this process writes to, and the appends that wait to hear what the rule makes of them.
//!
//! An account is known before its entry is produced, so that the entry can be ruled on when it comes by. All of this is touched in the
//! order of the log, under the lock of its partition.

use std::collections::{HashMap, HashSet};

use lru::LruCache;
use reinstate_domain::{
    entry::{Envelope, Head, Position, Ruling, rule},
    ids::{AccountId, EntryId},
    wire,
};
use tokio::sync::oneshot;

use crate::log::Record;

/// Accounts of a partition whose heads are kept, at about 200 bytes each. One whose append is under way is never forgotten.
const KEPT: usize = 8192;

/// What is known of an account's head.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// The head, with every record before `next` taken into account, or before the tail's position when that is further.
    Head { head: Head, next: u64 },
    /// The head as it was before offset `next`; what came since has been forgotten and must be read.
    Hint { head: Head, next: u64 },
    /// Somebody reads the history: `head` is the head before `from`, and `since` the offset from which the records are collected here.
    Sought { head: Head, from: u64, since: u64, seen: Vec<Record> },
}

#[derive(Debug)]
struct Account {
    known: Known,
    /// Appends that are under way.
    pins: usize,
}

/// An append that waits.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// Copies of its entry that came by before the broker said which one is its own.
    seen: Vec<(u64, Ruling)>,
    wanted: Option<(u64, oneshot::Sender<Ruling>)>,
}

#[derive(Debug)]
pub(super) struct Accounts {
    accounts: LruCache<AccountId, Account>,
    sought: HashSet<AccountId>,
    waiting: HashMap<EntryId, Vec<Waiting>>,
    tickets: u64,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { accounts: LruCache::unbounded(), sought: HashSet::new(), waiting: HashMap::new(), tickets: 0 }
    }
}

/// What an append may do now.
#[derive(Debug)]
pub(super) enum Entered {
    /// Its account's head is known: produce. The ticket is given back by [`Accounts::leave`].
    Ready(u64),
    /// The head must be looked for first.
    Unknown,
}

/// One account that is sought in the history.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) account: AccountId,
    pub(super) head: Head,
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Accounts {
    pub(super) fn known(&self, account: &AccountId) -> Option<&Known> {
        self.accounts.peek(account).map(|account| &account.known)
    }

    /// Replaces what is known of an account.
    pub(super) fn settle(&mut self, account: &AccountId, known: Known) {
        if !matches!(known, Known::Sought { .. }) {
            self.sought.remove(account);
        }
        match self.accounts.get_mut(account) {
            Some(present) => present.known = known,
            None => {
                self.accounts.put(account.clone(), Account { known, pins: 0 });
                self.forget_some();
            }
        }
    }

    /// Lets an append wait for its entry, when its account's head is known.
    pub(super) fn enter(&mut self, envelope: &Envelope) -> Entered {
        let Some(account) = self.accounts.get_mut(&envelope.account) else { return Entered::Unknown };
        if !matches!(account.known, Known::Head { .. }) {
            return Entered::Unknown;
        }
        account.pins += 1;
        self.tickets += 1;
        let waiting = Waiting { ticket: self.tickets, seen: Vec::new(), wanted: None };
        self.waiting.entry(envelope.id).or_default().push(waiting);
        Entered::Ready(self.tickets)
    }

    /// Ends an append.
    pub(super) fn leave(&mut self, envelope: &Envelope, ticket: u64) {
        if let Some(account) = self.accounts.peek_mut(&envelope.account) {
            account.pins = account.pins.saturating_sub(1);
        }
        if let Some(waiting) = self.waiting.get_mut(&envelope.id) {
            waiting.retain(|waiting| waiting.ticket != ticket);
            if waiting.is_empty() {
                self.waiting.remove(&envelope.id);
            }
        }
        self.forget_some();
    }

    /// What the rule makes of the record at `offset`, now or when it comes by.
    pub(super) fn ruling(&mut self, id: EntryId, ticket: u64, offset: u64) -> oneshot::Receiver<Ruling> {
        let (sender, receiver) = oneshot::channel();
        let waiting =
            self.waiting.get_mut(&id).into_iter().flatten().find(|waiting| waiting.ticket == ticket);
        if let Some(waiting) = waiting {
            match waiting.seen.iter().find(|(seen, _)| *seen == offset) {
                Some((_, ruling)) => drop(sender.send(*ruling)),
                None => waiting.wanted = Some((offset, sender)),
            }
        }
        receiver
    }

    /// The effective copy of an append's entry, if one came by.
    pub(super) fn effective(&self, id: EntryId, ticket: u64) -> Option<(u64, Head)> {
        let waiting = self.waiting.get(&id)?.iter().find(|waiting| waiting.ticket == ticket)?;
        waiting.seen.iter().find_map(|(offset, ruling)| match ruling {
            Ruling::Effective(head) => Some((*offset, *head)),
            Ruling::Void => None,
        })
    }

    /// Takes the next record of the partition into account.
    pub(super) fn pass(&mut self, record: &Record) {
        let Position { offset, .. } = record.position;
        let Some(account) = self.accounts.peek_mut(&record.account) else { return };
        let head = match &mut account.known {
            Known::Sought { seen, .. } => {
                seen.push(record.clone());
                return;
            }
            // Nobody asked yet; who does will read it.
            Known::Hint { .. } => return,
            Known::Head { next, .. } if *next > offset => return,
            Known::Head { head, .. } => head,
        };
        let Some(envelope) = envelope_of(record) else { return };
        let ruling = rule(*head, &envelope, &record.value);
        if let Ruling::Effective(new) = ruling {
            *head = new;
        }
        for waiting in self.waiting.get_mut(&envelope.id).into_iter().flatten() {
            waiting.seen.push((offset, ruling));
            if waiting.wanted.as_ref().is_some_and(|(wanted, _)| *wanted == offset)
                && let Some((_, answer)) = waiting.wanted.take()
            {
                // Who went away does not want it.
                let _ = answer.send(ruling);
            }
        }
    }

    /// Begins the search for an account's head, whose records are collected from `since` on.
    pub(super) fn seek(&mut self, account: &AccountId, since: u64) {
        let (head, from) = match self.known(account) {
            Some(Known::Head { .. } | Known::Sought { .. }) => return,
            Some(Known::Hint { head, next }) => (*head, *next),
            None => (Head::default(), 0),
        };
        self.settle(account, Known::Sought { head, from, since, seen: Vec::new() });
        self.sought.insert(account.clone());
    }

    /// Every account that is sought.
    pub(super) fn searches(&self) -> Vec<Search> {
        let searches = self.sought.iter().filter_map(|account| match self.known(account)? {
            Known::Sought { head, from, since, .. } => {
                Some(Search { account: account.clone(), head: *head, from: *from, until: *since })
            }
            Known::Head { .. } | Known::Hint { .. } => None,
        });
        searches.collect()
    }

    /// Ends a search: `head` is the account's head before the records that were collected meanwhile.
    pub(super) fn found(&mut self, account: &AccountId, head: Head) {
        let Some(Known::Sought { seen, since, .. }) = self.known(account) else { return };
        let (head, next) = (seen.iter().fold(head, follow), *since);
        self.settle(account, Known::Head { head, next });
    }

    /// Ends a search that failed. The next append begins another.
    pub(super) fn lost(&mut self, account: &AccountId) {
        if let Some(Known::Sought { head, from, .. }) = self.known(account) {
            let (head, next) = (*head, *from);
            self.settle(account, Known::Hint { head, next });
        }
    }

    fn forget_some(&mut self) {
        // Those under way are few; whatever is older than they are is looked at first.
        let mut kept = Vec::new();
        while self.accounts.len() + kept.len() > KEPT {
            let Some((id, account)) = self.accounts.pop_lru() else { break };
            if account.pins > 0 || self.sought.contains(&id) {
                kept.push((id, account));
                if kept.len() > KEPT / 2 {
                    break;
                }
            }
        }
        for (id, account) in kept {
            self.accounts.put(id, account);
        }
    }
}

/// The account's head after this record of its partition.
pub(super) fn follow(head: Head, record: &Record) -> Head {
    match envelope_of(record).map(|envelope| rule(head, &envelope, &record.value)) {
        Some(Ruling::Effective(head)) => head,
        Some(Ruling::Void) | None => head,
    }
}

/// What is no entry of its key's account changes nothing: its account halts elsewhere, where states are folded.
fn envelope_of(record: &Record) -> Option<Envelope> {
    let envelope = wire::envelope(&record.value).ok()?;
    (envelope.account == record.account).then_some(envelope)
}
