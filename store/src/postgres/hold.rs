//! One account's rows, made anew while everything else stands still in its partition.

use reinstate_domain::{entry::Position, ids::AccountId};
use tokio_postgres::Transaction;

use super::{
    Error, Postgres,
    apply::{Columns, WRITERS_LOCK},
    connect::Dedicated,
    generation::alone,
    listen::{CHANNEL, ROWS},
    rows::{signed, unsigned},
};
use crate::read_models::{AccountRow, ReactivationRow};

/// The one repair that may run on the database.
#[derive(Debug)]
pub struct Repair {
    connection: Dedicated,
    postgres: Postgres,
}

/// A partition whose rows nobody moves. Ends with [`Hold::replace`], or by being dropped: then nothing changed.
pub struct Hold<'a> {
    tx: Transaction<'a>,
    postgres: &'a Postgres,
    next: u64,
}

impl std::fmt::Debug for Hold<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Begins a repair of rows.
    ///
    /// # Errors
    /// [`Error::AtWork`] while a rebuild, a check or another repair runs.
    pub async fn repair(&self) -> Result<Repair, Error> {
        Ok(Repair { connection: alone(self.pool.connector()).await?, postgres: self.clone() })
    }
}

impl Repair {
    /// Keeps the partition's rows where they are. The projector waits meanwhile, so be short.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn hold(&mut self, partition: u32) -> Result<Hold<'_>, Error> {
        let tx = self.connection.client_mut().transaction().await?;
        tx.execute("SELECT pg_advisory_xact_lock_shared($1)", &[&WRITERS_LOCK]).await?;
        // A view's row is locked in the table behind it.
        let select = "SELECT next FROM reinstate.checkpoints WHERE partition = $1 FOR UPDATE";
        let found = tx.query_opt(select, &[&signed::<_, i32>(partition)]).await?;
        let next = found.map_or(0, |row| unsigned(row.get::<_, i64>(0)));
        Ok(Hold { tx, postgres: &self.postgres, next })
    }
}

impl Hold<'_> {
    /// The offset up to which the partition's entries are in the rows.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Puts these in the place of all the account's rows. `timeline`: its effective entries, in order.
    ///
    /// # Errors
    /// When the database does not do it: then nothing changed.
    pub async fn replace(
        self,
        account: &AccountRow,
        reactivations: &[ReactivationRow],
        timeline: &[Position],
    ) -> Result<(), Error> {
        let Self { tx, postgres, .. } = self;
        let tables = &postgres.tables;
        let timeline: Vec<(AccountId, Position)> =
            timeline.iter().map(|at| (account.id.clone(), *at)).collect();
        // An account of which only void entries are in the log has no row.
        let has_row = account.head.version > 0 || account.quarantine.is_some();
        let accounts = if has_row { std::slice::from_ref(account) } else { &[] };
        let columns = Columns::of_rows(accounts, reactivations, &timeline)?;
        for table in ["accounts", "reactivations", "timelines"] {
            let delete = format!("DELETE FROM {}.{table} WHERE account = $1", tables.schema);
            tx.execute(&delete, &[&account.id.as_str()]).await?;
        }
        columns.put_accounts(tx.client(), &tx.prepare(&tables.put_accounts).await?).await?;
        columns.put_reactivations(tx.client(), &tx.prepare(&tables.put_reactivations).await?).await?;
        columns.put_timelines(tx.client(), &tx.prepare(&tables.put_timelines).await?).await?;
        tx.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &ROWS]).await?;
        tx.commit().await?;
        postgres.feed.changed();
        Ok(())
    }
}
