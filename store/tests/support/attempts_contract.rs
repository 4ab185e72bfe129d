//! What every adapter of the attempts must do. Generic over the port.

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_store::attempts::Attempts;
use tokio::task::JoinSet;

use super::world::evidence;

/// Where one test's attempts are counted.
#[async_trait]
pub trait Place: Send + Sync {
    /// As another process opens them, or this one after it was killed.
    async fn open(&self) -> Arc<dyn Attempts>;
}

pub async fn each_beginning_is_told_how_many_came_before(place: &dyn Place) {
    let attempts = place.open().await;
    assert_eq!(attempts.begin(evidence(1)).await.unwrap(), 0);
    assert_eq!(attempts.begin(evidence(1)).await.unwrap(), 1);
    assert_eq!(attempts.begin(evidence(2)).await.unwrap(), 0, "each evidence has its own");
    drop(attempts);
    let again = place.open().await;
    assert_eq!(again.begin(evidence(1)).await.unwrap(), 2, "whoever counted may be gone");
}

pub async fn an_end_forgets_the_count(place: &dyn Place) {
    let attempts = place.open().await;
    for _ in 0..3 {
        attempts.begin(evidence(1)).await.unwrap();
    }
    attempts.begin(evidence(2)).await.unwrap();
    attempts.end(evidence(1)).await.unwrap();
    attempts.end(evidence(1)).await.unwrap();
    attempts.end(evidence(9)).await.unwrap();
    assert_eq!(attempts.begin(evidence(1)).await.unwrap(), 0);
    assert_eq!(attempts.begin(evidence(2)).await.unwrap(), 1, "the others keep theirs");
}

pub async fn beginnings_at_the_same_time_get_different_numbers(place: &dyn Place) {
    let mut beginnings = JoinSet::new();
    for _ in 0..4 {
        let attempts = place.open().await;
        for _ in 0..4 {
            let attempts = attempts.clone();
            beginnings.spawn(async move { attempts.begin(evidence(1)).await.unwrap() });
        }
    }
    let mut counts = beginnings.join_all().await;
    counts.sort_unstable();
    assert_eq!(counts, (0..16).collect::<Vec<u32>>());
}

/// Makes a module with one test per clause of the contract. The expression makes a [`Place`].
#[macro_export]
macro_rules! attempts_contract {
    ($adapter:ident, $place:expr) => {
        mod $adapter {
            use super::*;
            $crate::attempts_contract!(@tests $place;
                each_beginning_is_told_how_many_came_before
                an_end_forgets_the_count
                beginnings_at_the_same_time_get_different_numbers
            );
        }
    };
    (@tests $place:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                support::attempts_contract::$name(&$place).await;
            }
        )*
    };
}
