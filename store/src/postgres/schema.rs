//! Migrations, and whose rows they are.

use tokio_postgres::Client;

use super::{Error, connect::Connector};
use crate::log::Identity;

/// Held while the schema is changed or claimed. Any number, the same in every version of this program.
const SCHEMA_LOCK: i64 = 0x7265_696e_7374_6101;

/// How long another process may take over its migrations, and a migration of ours.
const PATIENCE: &str = "SET statement_timeout = '5min'";

mod read_models {
    refinery::embed_migrations!("src/postgres/migrations");
}

mod keys {
    refinery::embed_migrations!("src/postgres/keys_migrations");
}

pub(super) async fn migrate_read_models(connector: &Connector) -> Result<(), Error> {
    migrate(connector, "reinstate", read_models::migrations::runner()).await
}

pub(super) async fn migrate_keys(connector: &Connector) -> Result<(), Error> {
    migrate(connector, "reinstate_keys", keys::migrations::runner()).await
}

async fn migrate(connector: &Connector, schema: &'static str, runner: refinery::Runner) -> Result<(), Error> {
    let mut connection = connector.dedicated().await?;
    connection.batch_execute(PATIENCE).await?;
    // Freed with the connection.
    connection.execute("SELECT pg_advisory_lock($1)", &[&SCHEMA_LOCK]).await?;
    let history = format!("{schema}.schema_history");
    let known = runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    let found = version(&connection, &history).await?;
    if found > known {
        return Err(Error::NewerVersion { schema, found, known });
    }
    if found == known {
        return Ok(());
    }
    // Not `IF NOT EXISTS`: that asks for the right to make schemas even when there is nothing to make.
    let exists = connection.query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&schema]).await?;
    if !exists.get::<_, bool>(0) {
        connection.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    let mut runner = runner;
    runner.set_migration_table_name(&history);
    let migrated = runner.run_async(connection.client_mut()).await;
    migrated.map(|_| ()).map_err(|source| Error::Migration { schema, source: Box::new(source) })
}

/// The newest migration that was run, 0 before the first.
async fn version(client: &Client, history: &str) -> Result<i32, Error> {
    let exists = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&history]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(0);
    }
    let newest = client.query_one(&format!("SELECT coalesce(max(version), 0) FROM {history}"), &[]).await?;
    Ok(newest.get(0))
}

/// Compares the log with the one that the rows were made of; a database without rows is this log's from now on.
pub(super) async fn claim(connector: &Connector, log: &Identity) -> Result<(), Error> {
    let connection = connector.dedicated().await?;
    connection.batch_execute(PATIENCE).await?;
    connection.execute("SELECT pg_advisory_lock($1)", &[&SCHEMA_LOCK]).await?;
    let found = connection
        .query_opt("SELECT cluster, topic, topic_id, partitions FROM reinstate.identity", &[])
        .await?;
    let partitions = i32::try_from(log.partitions).unwrap_or(i32::MAX);
    if let Some(row) = found {
        let found: (String, String, String, i32) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let ours = (log.cluster.clone(), log.topic.clone(), log.topic_id.clone(), partitions);
        let name = |(cluster, topic, id, partitions): &(String, String, String, i32)| {
            format!("topic {topic} ({id}) of cluster {cluster} with {partitions} partitions")
        };
        if found != ours {
            return Err(Error::AnotherLog { built_from: name(&found), log: name(&ours) });
        }
        return Ok(());
    }
    let rows = connection.query_one("SELECT count(*) FROM reinstate.checkpoints", &[]).await?;
    if rows.get::<_, i64>(0) > 0 {
        let log = format!("topic {} ({}) of cluster {}", log.topic, log.topic_id, log.cluster);
        return Err(Error::AnotherLog { built_from: "a log without identity".into(), log });
    }
    let insert =
        "INSERT INTO reinstate.identity (cluster, topic, topic_id, partitions) VALUES ($1, $2, $3, $4)";
    connection.execute(insert, &[&log.cluster, &log.topic, &log.topic_id, &partitions]).await?;
    Ok(())
}
