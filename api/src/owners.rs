//! Whose the reactivations are that were found lately, for when the read model is away.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use reinstate_domain::ids::{AccountId, CaseId};

/// Reactivations whose account is remembered. As many as the journal keeps states of accounts.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Whose the reactivations are that were found lately. It never changes, so it is never wrong.
pub(crate) struct Owners(Mutex<LruCache<CaseId, AccountId>>);

impl Default for Owners {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Owners {
    pub(crate) fn remember(&self, case: CaseId, account: &AccountId) {
        self.known().put(case, account.clone());
    }

    pub(crate) fn of(&self, case: CaseId) -> Option<AccountId> {
        self.known().get(&case).cloned()
    }

    fn known(&self) -> MutexGuard<'_, LruCache<CaseId, AccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
