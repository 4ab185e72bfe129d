//! Blobs and artefacts: what is kept, and for whom.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use bytes::Bytes;
use reinstate_domain::{ids::AccountId, sealed::BlobId};
use reinstate_store::{
    blobs::{self, Artefacts, Blobs, MAX_BLOB},
    seal,
    seal::DataKey,
};

/// What any place must do that the `[blobs]` table can name.
async fn keeps_what_it_is_given(place: &blobs::Settings) {
    let (blobs, artefacts) = (Blobs::open(place).unwrap(), Artefacts::open(place).unwrap());
    let (anna, key) = (account("anna"), DataKey::from_bytes([1; 32]));
    // The contract's longest image is one of them.
    for size in [0, 1, 5000, 10 * 1024 * 1024] {
        let picture = vec![7; size];
        let id = blobs.put(&key, &anna, &picture).await.unwrap();
        blobs.verify(id).await.unwrap();
        assert!(**blobs.get(&key, &anna, id).await.unwrap() == picture, "{size} bytes");
    }
    let lost = BlobId::of(b"nobody's");
    assert!(
        matches!(blobs.get(&key, &anna, lost).await, Err(blobs::Error::NotFound(hash)) if hash == lost.0)
    );
    let policy = Bytes::from_static(b"name = \"exchange\"");
    let hash = artefacts.put(policy.clone()).await.unwrap();
    assert_eq!(artefacts.put(policy.clone()).await.unwrap(), hash);
    assert_eq!(Artefacts::open(place).unwrap().get(hash).await.unwrap(), policy);
    // Images and artefacts lie apart.
    assert!(matches!(blobs.verify(BlobId(hash)).await, Err(blobs::Error::NotFound(_))));
}

#[tokio::test]
async fn a_folder_keeps_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    keeps_what_it_is_given(&blobs::Settings::folder(folder.path().join("new"))).await;
}

#[tokio::test]
#[ignore = "needs a server: REINSTATE_TEST_S3 is the [blobs] table, as TOML, of a bucket that may be written to"]
async fn a_bucket_keeps_what_it_is_given_and_nothing_from_whoever_has_another_secret() {
    let table = std::env::var("REINSTATE_TEST_S3").unwrap();
    let place: blobs::Settings = toml::from_str(&table).unwrap();
    keeps_what_it_is_given(&place).await;
    let mut other = place.clone();
    let s3 = other.s3.as_mut().unwrap();
    (s3.secret_access_key, s3.secret_access_key_file) = (Some("another".into()), None);
    let refused = Artefacts::open(&other).unwrap().put(Bytes::from_static(b"x")).await;
    assert!(matches!(refused, Err(blobs::Error::Unavailable(_))), "{refused:?}");
}

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
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
