//! What every adapter of the keys must do. Generic over the port.

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use reinstate_store::{
    keys::{Error, Keys},
    master::Secret,
    seal,
};
use tokio::task::JoinSet;

use super::account;

/// Where one test's keys are kept.
#[async_trait]
pub trait Place: Send + Sync {
    /// As another process opens them, under this master key.
    async fn open(&self, wrapping: Secret) -> Arc<dyn Keys>;

    /// The key as it is stored; `None` when nothing is.
    async fn wrapped(&self, account: &AccountId) -> Option<Vec<u8>>;

    /// Stores these bytes as the account's key, as somebody would who can write there.
    async fn tamper(&self, account: &AccountId, wrapped: &[u8]);

    /// Whether the store has these bytes anywhere, whatever it calls the place. `place` opens no keys meanwhile.
    async fn has_anywhere(&self, bytes: &[u8]) -> bool;
}

fn wrapping() -> Secret {
    Secret::new([7; 32])
}

/// Two keys are the same when one opens what the other sealed.
pub fn same(one: &reinstate_store::seal::DataKey, other: &reinstate_store::seal::DataKey) -> bool {
    let sealed = seal::seal(one, &account("x"), "test", b"test").unwrap();
    seal::open(other, &account("x"), "test", &sealed).is_ok()
}

pub async fn an_account_keeps_its_key_through_restarts_and_has_it_alone(place: &dyn Place) {
    let keys = place.open(wrapping()).await;
    assert!(keys.get(&account("anna")).await.unwrap().is_none());
    let anna = keys.create_or_get(&account("anna")).await.unwrap();
    let berta = keys.create_or_get(&account("berta")).await.unwrap();
    assert!(!same(&anna, &berta));
    drop(keys);
    let keys = place.open(wrapping()).await;
    assert!(same(&anna, &keys.create_or_get(&account("anna")).await.unwrap()));
    assert!(same(&berta, &keys.get(&account("berta")).await.unwrap().unwrap()));
}

pub async fn callers_that_ask_at_once_get_the_same_key(place: &dyn Place) {
    let keys = place.open(wrapping()).await;
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let keys = keys.clone();
        callers.spawn(async move { keys.create_or_get(&account("anna")).await.unwrap() });
    }
    let keys = callers.join_all().await;
    assert!(keys.iter().all(|key| same(key, &keys[0])));
}

pub async fn after_an_erasure_nothing_of_the_key_is_left_and_it_never_comes_back(place: &dyn Place) {
    let keys = place.open(wrapping()).await;
    // Enough accounts for many pages, in no order.
    let accounts: Vec<AccountId> = (0..600).map(|n| account(&format!("{:x}", n * 7919 % 601))).collect();
    for who in &accounts {
        keys.create_or_get(who).await.unwrap();
    }
    let mut secrets = Vec::new();
    for who in accounts.iter().step_by(60) {
        secrets.push((who, place.wrapped(who).await.unwrap()));
    }
    assert!(place.has_anywhere(&secrets[1].1).await, "the search finds what is there");

    for (n, (who, _)) in secrets.iter().enumerate() {
        if n % 3 == 0 {
            assert!(keys.erase(who).await.unwrap());
        }
    }
    for (n, (who, secret)) in secrets.iter().enumerate() {
        if n % 3 == 0 {
            // The middle of it, too: a page may have kept a part.
            assert!(!place.has_anywhere(&secret[24..40]).await, "{who}");
            assert!(keys.get(who).await.unwrap().is_none());
            assert!(matches!(keys.create_or_get(who).await, Err(Error::Erased)));
            assert!(!keys.erase(who).await.unwrap(), "again is the same as once");
        }
    }
    for (n, who) in accounts.iter().enumerate() {
        let erased = n % 180 == 0;
        assert_eq!(keys.get(who).await.unwrap().is_some(), !erased, "the others keep theirs");
    }
    drop(keys);
    let keys = place.open(wrapping()).await;
    assert!(matches!(keys.create_or_get(&accounts[0]).await, Err(Error::Erased)));
    assert!(!place.has_anywhere(&secrets[0].1[24..40]).await);
}

pub async fn erasures_at_the_same_time_take_what_is_theirs_and_nothing_else(place: &dyn Place) {
    let keys = place.open(wrapping()).await;
    let accounts: Vec<AccountId> = (0..60).map(|n| account(&format!("a{n}"))).collect();
    for who in &accounts[..40] {
        keys.create_or_get(who).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for (n, who) in accounts.iter().cloned().enumerate() {
        let keys = keys.clone();
        // Some are erased, twice at once; some are made meanwhile; some were there and stay.
        tasks.spawn(async move {
            match n {
                0..20 => {
                    let (one, other) = tokio::join!(keys.erase(&who), keys.erase(&who));
                    assert!(one.unwrap() ^ other.unwrap(), "one of them found it");
                }
                40.. => drop(keys.create_or_get(&who).await.unwrap()),
                _ => {}
            }
        });
    }
    tasks.join_all().await;
    for (n, who) in accounts.iter().enumerate() {
        assert_eq!(keys.get(who).await.unwrap().is_some(), n >= 20, "{who}");
    }
}

pub async fn an_account_erased_before_it_had_a_key_never_gets_one(place: &dyn Place) {
    let keys = place.open(wrapping()).await;
    assert!(!keys.erase(&account("anna")).await.unwrap());
    assert!(matches!(keys.create_or_get(&account("anna")).await, Err(Error::Erased)));
    assert!(!keys.erase(&account("anna")).await.unwrap());
}

pub async fn keys_under_another_master_key_or_in_another_row_do_not_unwrap(place: &dyn Place) {
    let keys = place.open(wrapping()).await;
    keys.create_or_get(&account("anna")).await.unwrap();
    keys.create_or_get(&account("berta")).await.unwrap();
    drop(keys);
    let other = place.open(Secret::new([8; 32])).await;
    assert!(matches!(other.get(&account("anna")).await, Err(Error::Unwrap(_))));
    drop(other);
    let anna = place.wrapped(&account("anna")).await.unwrap();
    place.tamper(&account("berta"), &anna).await;
    let keys = place.open(wrapping()).await;
    assert!(matches!(keys.get(&account("berta")).await, Err(Error::Unwrap(_))));
    assert!(keys.get(&account("anna")).await.unwrap().is_some());
}

/// Makes a module with one test per clause of the contract. The expression makes a [`Place`].
#[macro_export]
macro_rules! keys_contract {
    ($adapter:ident, $place:expr) => {
        mod $adapter {
            use super::*;
            $crate::keys_contract!(@tests $place;
                an_account_keeps_its_key_through_restarts_and_has_it_alone
                callers_that_ask_at_once_get_the_same_key
                after_an_erasure_nothing_of_the_key_is_left_and_it_never_comes_back
                erasures_at_the_same_time_take_what_is_theirs_and_nothing_else
                an_account_erased_before_it_had_a_key_never_gets_one
                keys_under_another_master_key_or_in_another_row_do_not_unwrap
            );
        }
    };
    (@tests $place:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                support::keys_contract::$name(&$place).await;
            }
        )*
    };
}
