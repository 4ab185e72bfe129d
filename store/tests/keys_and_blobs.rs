//! Keys and blobs: what is kept, and what is gone for good.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use bytes::Bytes;
use reinstate_domain::{ids::AccountId, sealed::BlobId};
use reinstate_store::{
    blobs::{self, Artefacts, Blobs, MAX_BLOB},
    keys::{self, DataKey, Keys, SqliteKeys},
    master::Secret,
    seal,
};
use tokio::task::JoinSet;

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn open(folder: &Path) -> SqliteKeys {
    SqliteKeys::open(&folder.join("keys.sqlite"), Secret::new([7; 32])).unwrap()
}

/// Two keys are the same when one opens what the other sealed.
fn same(one: &DataKey, other: &DataKey) -> bool {
    let sealed = seal::seal(one, &account("x"), "test", b"test").unwrap();
    seal::open(other, &account("x"), "test", &sealed).is_ok()
}

/// The wrapped key as the file has it, read on a connection of its own.
fn wrapped(folder: &Path, who: &AccountId) -> Vec<u8> {
    let connection = rusqlite::Connection::open(folder.join("keys.sqlite")).unwrap();
    let select = "SELECT wrapped FROM keys WHERE account = ?1";
    connection.query_row(select, (who.as_str(),), |row| row.get(0)).unwrap()
}

/// Whether any file of the folder has these bytes anywhere.
fn is_anywhere_in(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder)
        .unwrap()
        .any(|file| fs::read(file.unwrap().path()).unwrap().windows(bytes.len()).any(|w| w == bytes))
}

#[tokio::test]
async fn an_account_keeps_its_key_through_restarts_and_has_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    assert!(keys.get(&account("anna")).await.unwrap().is_none());
    let anna = keys.create_or_get(&account("anna")).await.unwrap();
    let berta = keys.create_or_get(&account("berta")).await.unwrap();
    assert!(!same(&anna, &berta));
    drop(keys);
    let keys = open(folder.path());
    assert!(same(&anna, &keys.create_or_get(&account("anna")).await.unwrap()));
    assert!(same(&berta, &keys.get(&account("berta")).await.unwrap().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_ask_at_once_get_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = std::sync::Arc::new(open(folder.path()));
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let keys = keys.clone();
        callers.spawn(async move { keys.create_or_get(&account("anna")).await.unwrap() });
    }
    let keys = callers.join_all().await;
    assert!(keys.iter().all(|key| same(key, &keys[0])));
}

#[tokio::test]
async fn after_an_erasure_nothing_of_the_key_is_left_and_it_never_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    // Enough accounts for many pages, in no order.
    let accounts: Vec<AccountId> = (0..600).map(|n| account(&format!("{:x}", n * 7919 % 601))).collect();
    for who in &accounts {
        keys.create_or_get(who).await.unwrap();
    }
    let secrets: Vec<Vec<u8>> = accounts.iter().map(|who| wrapped(folder.path(), who)).collect();
    assert!(is_anywhere_in(folder.path(), &secrets[0]), "the search finds what is there");

    for who in accounts.iter().step_by(3) {
        assert!(keys.erase(who).await.unwrap());
    }
    for (n, (who, secret)) in accounts.iter().zip(&secrets).enumerate() {
        if n % 3 == 0 {
            // The middle of it, too: a page may have kept a part.
            assert!(!is_anywhere_in(folder.path(), &secret[24..40]), "{who}");
            assert!(keys.get(who).await.unwrap().is_none());
            assert!(matches!(keys.create_or_get(who).await, Err(keys::Error::Erased)));
            assert!(!keys.erase(who).await.unwrap(), "again is the same as once");
        } else {
            assert!(keys.get(who).await.unwrap().is_some(), "the others keep theirs");
        }
    }
    drop(keys);
    let keys = open(folder.path());
    assert!(matches!(keys.create_or_get(&accounts[0]).await, Err(keys::Error::Erased)));
    assert!(!is_anywhere_in(folder.path(), &secrets[0][24..40]));
}

#[tokio::test]
async fn an_account_erased_before_it_had_a_key_never_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    assert!(!keys.erase(&account("anna")).await.unwrap());
    assert!(matches!(keys.create_or_get(&account("anna")).await, Err(keys::Error::Erased)));
}

#[tokio::test]
async fn keys_under_another_master_key_or_in_another_row_do_not_unwrap() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    keys.create_or_get(&account("anna")).await.unwrap();
    keys.create_or_get(&account("berta")).await.unwrap();
    drop(keys);
    let other = SqliteKeys::open(&folder.path().join("keys.sqlite"), Secret::new([8; 32])).unwrap();
    assert!(matches!(other.get(&account("anna")).await, Err(keys::Error::Unwrap(_))));
    drop(other);
    let anna = wrapped(folder.path(), &account("anna"));
    let connection = rusqlite::Connection::open(folder.path().join("keys.sqlite")).unwrap();
    connection.execute("UPDATE keys SET wrapped = ?1 WHERE account = 'berta'", (anna,)).unwrap();
    drop(connection);
    assert!(matches!(open(folder.path()).get(&account("berta")).await, Err(keys::Error::Unwrap(_))));
}

#[tokio::test]
async fn a_store_of_keys_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("keys.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let refused = SqliteKeys::open(&path, Secret::new([7; 32])).map(|_| ()).unwrap_err();
    assert!(matches!(refused, keys::Error::NewerVersion { found: 2, known: 1, .. }));
}

#[tokio::test]
async fn a_blob_opens_for_its_account_alone_and_is_stored_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(&folder.path().join("blobs")).unwrap();
    let (anna, key) = (account("anna"), DataKey::from_bytes([1; 32]));
    let picture = b"a picture of somebody".repeat(1000);
    let id = blobs.put(&key, &anna, &picture).await.unwrap();
    assert_eq!(**blobs.get(&key, &anna, id).await.unwrap(), picture);
    assert_ne!(blobs.put(&key, &anna, &picture).await.unwrap(), id, "the same picture is not recognisable");
    blobs.verify(id).await.unwrap();

    let again = Blobs::local(&folder.path().join("blobs")).unwrap();
    assert_eq!(**again.get(&key, &anna, id).await.unwrap(), picture);
    for refused in [
        again.get(&DataKey::from_bytes([2; 32]), &anna, id).await,
        again.get(&key, &account("berta"), id).await,
    ] {
        assert!(matches!(refused, Err(blobs::Error::Seal(seal::Error::DoesNotOpen))));
    }
    let file = file_of(folder.path(), id);
    let stored = fs::read(file).unwrap();
    assert_eq!(BlobId::of(&stored), id);
    assert!(!stored.windows(9).any(|w| w == b"a picture"));
}

fn file_of(folder: &Path, id: BlobId) -> std::path::PathBuf {
    let hex = id.to_string();
    folder.join("blobs").join(&hex[..2]).join(&hex[2..])
}

#[tokio::test]
async fn a_blob_that_was_altered_or_cut_or_lost_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(&folder.path().join("blobs")).unwrap();
    let (anna, key) = (account("anna"), DataKey::from_bytes([1; 32]));
    let id = blobs.put(&key, &anna, &[5; 5000]).await.unwrap();
    let file = file_of(folder.path(), id);
    let whole = fs::read(&file).unwrap();

    let mut altered = whole.clone();
    altered[2500] ^= 1;
    for damaged in [altered, whole[..2500].to_vec(), Vec::new()] {
        fs::write(&file, damaged).unwrap();
        assert!(matches!(blobs.get(&key, &anna, id).await, Err(blobs::Error::Damaged(hash)) if hash == id.0));
        assert!(matches!(blobs.verify(id).await, Err(blobs::Error::Damaged(_))));
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(blobs.get(&key, &anna, id).await, Err(blobs::Error::NotFound(hash)) if hash == id.0));
    let too_large = vec![0; MAX_BLOB];
    assert!(matches!(blobs.put(&key, &anna, &too_large).await, Err(blobs::Error::TooLarge { .. })));
}

#[tokio::test]
async fn an_artefact_is_found_by_its_own_hash_and_may_be_put_again() {
    let folder = tempfile::tempdir().unwrap();
    let artefacts = Artefacts::local(folder.path()).unwrap();
    let policy = Bytes::from_static(b"name = \"exchange\"");
    let hash = artefacts.put(policy.clone()).await.unwrap();
    assert_eq!(artefacts.put(policy.clone()).await.unwrap(), hash);
    assert_eq!(hash, reinstate_domain::entry::Hash::of(&policy));
    assert_eq!(artefacts.get(hash).await.unwrap(), policy);
}
