//! What is wrong with a database is said in one clear sentence when it is opened, and nothing is written to it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{error::Error as _, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use reinstate_cluster::postgres::Postgres as Server;
use reinstate_store::{
    clock::SharedClock as _,
    log::Identity,
    master::Secret,
    postgres::{Error, Postgres, PostgresKeys, Settings},
    read_models::{Batch, Projections, Snapshots},
};
use support::database;
use tokio::task::JoinSet;

mod support;

fn log() -> Identity {
    Identity {
        cluster: "4L6g3nShT-eMCtK--X86sw".into(),
        topic: "reinstate.accounts.v1".into(),
        topic_id: "J8qXRwI-Qyi2G0guFTiuYw".into(),
        partitions: 12,
    }
}

async fn refused(settings: &Settings, log: Option<&Identity>) -> Error {
    match tokio::time::timeout(Duration::from_secs(20), Postgres::open(settings, log)).await {
        Ok(Ok(_)) => panic!("it opened"),
        Ok(Err(error)) => error,
        Err(_) => panic!("it hangs"),
    }
}

#[tokio::test]
async fn services_that_start_at_once_on_an_empty_database_all_open_it() {
    let url = database::empty().await;
    let mut opened = JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        opened.spawn(async move {
            PostgresKeys::open(&Settings::new(&url), Secret::new([7; 32])).await.unwrap();
            Postgres::open(&Settings::new(&url), Some(&log())).await.unwrap()
        });
    }
    for models in opened.join_all().await {
        assert_eq!(models.checkpoint(0).await.unwrap(), 0);
    }
    let history = database::psql(&url, "SELECT count(*) FROM reinstate.schema_history").await;
    assert_eq!(history, "1", "each migration ran once");
}

#[tokio::test]
async fn rows_of_another_log_are_refused_by_name_and_stay() {
    let url = database::empty().await;
    let settings = Settings::new(&url);
    drop(Postgres::open(&settings, Some(&log())).await.unwrap());
    drop(Postgres::open(&settings, Some(&log())).await.unwrap());
    drop(Postgres::open(&settings, None).await.unwrap());

    for other in [
        Identity { topic_id: "made-again".into(), ..log() },
        Identity { cluster: "another".into(), ..log() },
        Identity { topic: "other".into(), ..log() },
        Identity { partitions: 6, ..log() },
    ] {
        let error = refused(&settings, Some(&other)).await;
        assert!(matches!(error, Error::AnotherLog { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&log().topic_id) && text.contains(&other.topic_id), "{text}");
        assert!(text.contains("never reinstate_keys"), "the way out does not erase everybody: {text}");
    }
    let kept = database::psql(&url, "SELECT topic_id, partitions FROM reinstate.identity").await;
    assert_eq!(kept, format!("{}|12", log().topic_id));
}

#[tokio::test]
async fn rows_of_a_log_without_identity_are_not_taken_for_a_topics() {
    let url = database::empty().await;
    let models = Postgres::open(&Settings::new(&url), None).await.unwrap();
    models.apply(Batch { next: 3, ..Batch::default() }).await.unwrap();
    let error = refused(&Settings::new(&url), Some(&log())).await;
    assert!(matches!(error, Error::AnotherLog { .. }), "{error:?}");
    assert_eq!(database::psql(&url, "SELECT count(*) FROM reinstate.identity").await, "0");
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused_with_both_versions() {
    let url = database::empty().await;
    let settings = Settings::new(&url);
    drop(Postgres::open(&settings, None).await.unwrap());
    drop(PostgresKeys::open(&settings, Secret::new([7; 32])).await.unwrap());
    for schema in ["reinstate", "reinstate_keys"] {
        let newer = format!(
            "INSERT INTO {schema}.schema_history SELECT 9, 'newer', applied_on, checksum FROM {schema}.schema_history"
        );
        database::psql(&url, &newer).await;
    }
    let error = refused(&settings, None).await;
    assert!(matches!(error, Error::NewerVersion { schema: "reinstate", found: 9, known: 1 }), "{error:?}");
    let error = PostgresKeys::open(&settings, Secret::new([7; 32])).await.unwrap_err();
    assert!(matches!(error, Error::NewerVersion { schema: "reinstate_keys", found: 9, .. }), "{error:?}");
}

#[tokio::test]
async fn a_host_whose_clock_differs_by_an_hour_is_refused_by_how_much_and_writes_nothing() {
    let url = database::empty().await;
    for (ahead, said) in [(-3600, "s ahead of that of 127.0.0.1"), (3600, "s behind that of 127.0.0.1")] {
        database::set_clock(&url, ahead).await;
        let error = refused(&Settings::new(&url), Some(&log())).await;
        let Error::Clock(difference) = &error else { panic!("{error:?}") };
        assert!((3590..=3600).contains(&difference.ahead.as_secs().abs()), "{error}");
        assert!(error.to_string().contains(said) && error.to_string().contains("NTP"), "{error}");
        assert_eq!(database::psql(&url, "SELECT to_regnamespace('reinstate') IS NULL").await, "t");
    }
    let patient = Settings { max_clock_difference_ms: 7_200_000, ..Settings::new(&url) };
    Postgres::open(&patient, Some(&log())).await.unwrap();
}

#[tokio::test]
async fn clocks_that_come_apart_are_noticed_and_so_is_that_they_agree_again() {
    let url = database::empty().await;
    let models = Postgres::open(&Settings::new(&url), None).await.unwrap();
    assert_eq!(models.difference(), None);
    for ahead in [-3600, 0, 3600, 0] {
        database::set_clock(&url, ahead).await;
        let noticed = async {
            let sign = || models.difference().map_or(0, |difference| difference.ahead.signum());
            while i64::from(sign()) != -ahead.signum() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), noticed).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_url_and_what_is_not_there_is_told_apart() {
    let error = refused(&Settings::new("https://example.org"), None).await;
    assert!(matches!(error, Error::Url(_)), "{error:?}");
    let error = refused(&Settings::new("postgres://u@127.0.0.1:1/x"), None).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    let error = refused(&Settings::new("postgres://u@127.0.0.1/x?sslmode=require"), None).await;
    assert!(matches!(error, Error::NoAuthorities), "{error:?}");
    let error = refused(&Settings::new(&database::server().url("no_such_database")), None).await;
    assert!(
        matches!(&error, Error::NoDatabase { database, .. } if database == "no_such_database"),
        "{error:?}"
    );
    let mut settings = Settings::new(&database::server().url("postgres"));
    settings.password_file = Some("/no/such/file".into());
    assert!(matches!(refused(&settings, None).await, Error::File { .. }));
}

/// Like `https://localhost`'s, but for PostgreSQL: an authority, and a certificate of it that ends in this year.
fn certificate(authority: &CertifiedIssuer<'_, KeyPair>, name: &str, year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_wrong_password_and_a_bad_certificate_are_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[("fsync", "off")]).unwrap();
    let right = server.url("postgres");
    let (start, rest) = right.rsplit_once('@').unwrap();
    let (user, password) = start.rsplit_once(':').unwrap();

    let error = refused(&Settings::new(&format!("{user}:wrong@{rest}")), None).await;
    assert!(matches!(&error, Error::WrongPassword { user, .. } if user == "reinstate"), "{error:?}");
    assert!(!format!("{error:?} {error} {:?}", error.source()).contains("wrong@"));
    // The password apart from the URL.
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let mut settings = Settings::new(&format!("{user}@{rest}"));
    settings.password_file = Some(file);
    Postgres::open(&settings, None).await.unwrap();
    assert!(!format!("{:?}", Settings::new(&right)).contains(password), "settings do not print it");

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key).unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let mut secure = Settings::new(&right.replace("127.0.0.1", "localhost"));
    secure.ca_file = Some(ca);
    server.configure("ssl", "on");
    for (name, year, opens) in
        [("localhost", 2100, true), ("localhost", 2021, false), ("elsewhere", 2100, false)]
    {
        let (certificate, key) = certificate(&authority, name, year);
        let certificate = server.give("server.pem", certificate.as_bytes()).unwrap();
        let key = server.give("server.key", key.as_bytes()).unwrap();
        server.configure("ssl_cert_file", certificate.to_str().unwrap());
        server.configure("ssl_key_file", key.to_str().unwrap());
        server.restart().unwrap();
        if opens {
            let models = Postgres::open(&secure, None).await.unwrap();
            assert_eq!(models.checkpoint(0).await.unwrap(), 0);
            let encrypted = server.psql("postgres", "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'reinstate'");
            assert_eq!(encrypted.unwrap(), "t");
            continue;
        }
        match refused(&secure, None).await {
            Error::CertificateExpired { .. } => assert_eq!(year, 2021),
            Error::Tls { .. } => assert_eq!(name, "elsewhere"),
            other => panic!("{other:?}"),
        }
    }
    secure.ca_file = Some(folder.path().join("password"));
    assert!(matches!(refused(&secure, None).await, Error::Authorities { .. }));
}
