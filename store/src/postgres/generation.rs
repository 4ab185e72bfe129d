//! A rebuild's generation: rows that are made again from the log beside the ones that everybody sees, and then take their place.
//!
//! 1. [`Postgres::begin`] makes empty tables without indexes.
//! 2. [`Generation::loader`], any number of them side by side, fill them.
//! 3. [`Generation::ready`] adds the indexes and the checkpoints. From here on [`Generation::models`] takes batches like the live
//!    rows do.
//! 4. [`Generation::hold_writers`] keeps the live rows where they are; who rebuilds brings the new ones to the same place, and
//!    [`Generation::publish`] lets the views show them, in one transaction.
//! 5. [`Generation::drop_others`] removes what was there before.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_postgres::error::SqlState;

use super::{
    Error, Loader, Postgres,
    apply::WRITERS_LOCK,
    connect::{Connector, Dedicated},
    listen::{CHANNEL, ROWS},
    rows::{self, signed, unsigned},
};

/// Held by a rebuild, a check or a retry, for as long as its connection lives.
const WORK_LOCK: i64 = 0x7265_696e_7374_6103;

/// How long the change-over waits for a lock before it lets everybody else go first. Queries that come behind it wait so
/// long at most.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '100ms'";

/// How often the old rows are tried to be dropped. They are in nobody's way: the next rebuild drops what this one leaves.
const DROPS: u32 = 50;

/// How long one piece of work waits for another's end, which may just have come: the server notices a closed connection a little
/// later.
const TURN: &str = "SET lock_timeout = '1s'";

/// The one piece of work that may run on the database, besides the projector's.
pub(super) async fn alone(connector: &Connector) -> Result<Dedicated, Error> {
    let connection = connector.dedicated().await?;
    connection.batch_execute(TURN).await?;
    match connection.execute("SELECT pg_advisory_lock($1)", &[&WORK_LOCK]).await {
        Ok(_) => {}
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => return Err(Error::AtWork),
        Err(error) => return Err(error.into()),
    }
    connection.batch_execute("RESET lock_timeout").await?;
    Ok(connection)
}

/// Rows in the making.
#[derive(Debug)]
pub struct Generation {
    /// Holds the lock that keeps a second rebuild out.
    connection: Dedicated,
    number: i32,
    models: Postgres,
}

impl Postgres {
    /// Begins a rebuild. What an earlier one left behind that did not end is removed.
    ///
    /// # Errors
    /// [`Error::AtWork`] while another one runs.
    pub async fn begin(&self) -> Result<Generation, Error> {
        let connection = alone(self.pool.connector()).await?;
        drop_hidden(&connection).await?;
        let number = connection.query_one("SELECT reinstate.begin_generation()", &[]).await?.get(0);
        let models = Self { tables: Arc::new(rows::Tables::generation(number)), ..self.clone() };
        Ok(Generation { connection, number, models })
    }
}

impl Generation {
    /// A writer of new rows. They are there once it is finished.
    ///
    /// # Errors
    /// When there is no connection for it.
    pub async fn loader(&self) -> Result<Loader, Error> {
        Loader::start(self.models.pool.connector(), &self.models.tables.schema).await
    }

    /// All loaders are finished, and the rows have everything before these offsets.
    ///
    /// # Errors
    /// When the rows can't be indexed: two loaders made rows of the same account.
    pub async fn ready(&self, checkpoints: &BTreeMap<u32, u64>) -> Result<(), Error> {
        let schema = &self.models.tables.schema;
        let index = "SELECT reinstate.index_generation($1)";
        if let Err(error) = self.connection.execute(index, &[&self.number]).await {
            if error.code() != Some(&SqlState::UNIQUE_VIOLATION) {
                return Err(error.into());
            }
            // A case that was the newest, then another, then it again: no command makes such a log, and one that has it must not
            // stop everybody's rebuild. The last row counts, as it does when rows are changed one by one.
            let dedupe = format!(
                "DELETE FROM {schema}.reactivations a USING {schema}.reactivations b
                 WHERE a.case_id = b.case_id AND (a.position, a.partition) < (b.position, b.partition)"
            );
            self.connection.execute(&dedupe, &[]).await?;
            self.connection.execute(index, &[&self.number]).await?;
        }
        let insert = format!("INSERT INTO {schema}.checkpoints (partition, next) VALUES ($1, $2)");
        for (partition, next) in checkpoints {
            self.connection
                .execute(&insert, &[&signed::<_, i32>(*partition), &signed::<_, i64>(*next)])
                .await?;
        }
        Ok(())
    }

    /// The rows as read models: to bring them forward, and to look at them.
    #[must_use]
    pub fn models(&self) -> &Postgres {
        &self.models
    }

    /// Keeps writers off the live rows, and says up to where these are. `None` when the lock was not to be had at once: try again.
    /// Ends with [`Generation::publish`], or with the connection; queries notice nothing.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn hold_writers(&self) -> Result<Option<BTreeMap<u32, u64>>, Error> {
        let connection = &self.connection;
        connection.batch_execute(&format!("BEGIN; {LOCK_TIMEOUT}")).await?;
        let locked = connection.execute("SELECT pg_advisory_xact_lock($1)", &[&WRITERS_LOCK]).await;
        if !self.granted(locked.map(|_| ())).await? {
            return Ok(None);
        }
        let live = connection.query("SELECT partition, next FROM reinstate.checkpoints", &[]).await?;
        Ok(Some(
            live.iter().map(|row| (unsigned(row.get::<_, i32>(0)), unsigned(row.get::<_, i64>(1)))).collect(),
        ))
    }

    /// Lets the views show these rows, and writers go on with them. False when queries held the views too long: then everything is
    /// as before [`Generation::hold_writers`].
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn publish(&self) -> Result<bool, Error> {
        let publish = async {
            self.connection.execute("SELECT reinstate.publish_generation($1)", &[&self.number]).await?;
            self.connection.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &ROWS]).await?;
            self.connection.batch_execute("COMMIT").await
        };
        let published = publish.await;
        self.granted(published).await
    }

    /// Writers may go on, and nothing changed.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn release_writers(&self) -> Result<(), Error> {
        Ok(self.connection.batch_execute("ROLLBACK").await?)
    }

    async fn granted(&self, done: Result<(), tokio_postgres::Error>) -> Result<bool, Error> {
        match done {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                self.release_writers().await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes every generation but the one that the views show. One that a query still reads is left for the next rebuild.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn drop_others(&self) -> Result<(), Error> {
        drop_hidden(&self.connection).await
    }

    /// Gives up: the rows that were made are removed, and the live ones stay.
    ///
    /// # Errors
    /// When the database does not do it; the next rebuild does.
    pub async fn abandon(self) -> Result<(), Error> {
        drop_hidden(&self.connection).await
    }
}

/// Drops the generations that the views don't show.
async fn drop_hidden(connection: &Dedicated) -> Result<(), Error> {
    let select = "SELECT nspname::text FROM pg_namespace
         WHERE nspname ~ '^reinstate_[0-9]+$' AND nspname <> 'reinstate_' || (SELECT live FROM reinstate.control)";
    for row in connection.query(select, &[]).await? {
        let schema: &str = row.get(0);
        let drop = format!("BEGIN; {LOCK_TIMEOUT}; DROP SCHEMA {schema} CASCADE; COMMIT");
        for attempt in 1.. {
            match connection.batch_execute(&drop).await {
                Ok(()) => break,
                Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                    connection.batch_execute("ROLLBACK").await?;
                    if attempt == DROPS {
                        tracing::warn!(
                            schema,
                            "rows that nobody needs are still being read; the next rebuild drops them"
                        );
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
