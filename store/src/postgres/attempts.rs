//! The attempts of all verifiers.

use async_trait::async_trait;
use reinstate_domain::ids::EvidenceId;

use super::{Error, Postgres, rows::unsigned};
use crate::attempts::{Attempts, Unavailable};

/// Attempts in the database of the read models.
#[derive(Debug, Clone)]
pub struct PostgresAttempts(Postgres);

impl Postgres {
    /// The attempts, over the same connections.
    #[must_use]
    pub fn attempts(&self) -> PostgresAttempts {
        PostgresAttempts(self.clone())
    }
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self(Box::new(error))
    }
}

impl PostgresAttempts {
    /// Once, never again: an answer that was lost may have been carried out.
    async fn write(&self, sql: &str, evidence: EvidenceId) -> Result<Vec<tokio_postgres::Row>, Error> {
        let pool = &self.0.pool;
        pool.within(async {
            let client = pool.lease().await?;
            let statement = client.prepare_cached(sql).await?;
            let rows = client.query(&statement, &[evidence.as_uuid()]).await?;
            client.done();
            Ok(rows)
        })
        .await
    }
}

#[async_trait]
impl Attempts for PostgresAttempts {
    async fn begin(&self, evidence: EvidenceId) -> Result<u32, Unavailable> {
        let count = "INSERT INTO reinstate.attempts AS a (evidence, begun) VALUES ($1, 1)
                     ON CONFLICT (evidence) DO UPDATE SET begun = a.begun + 1, last = now() RETURNING a.begun - 1";
        let counted = self.write(count, evidence).await?;
        Ok(counted.first().map_or(0, |row| unsigned(row.get::<_, i32>(0))))
    }

    async fn end(&self, evidence: EvidenceId) -> Result<(), Unavailable> {
        self.write("DELETE FROM reinstate.attempts WHERE evidence = $1", evidence).await?;
        Ok(())
    }
}
