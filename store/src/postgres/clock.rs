//! The server's clock beside this host's.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, connect::Connector};
use crate::clock::{Difference, ahead};

/// Milliseconds since 1970 by the server's clock. Not `now()`, which is when the transaction began.
pub(super) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Asks once.
pub(super) async fn compare(connector: &Connector) -> Result<(), Error> {
    let connection = connector.dedicated().await?;
    let ask = format!("SELECT {NOW}");
    let asked = Timestamp::now();
    let answer = tokio::time::timeout(connector.timeout(), connection.query_one(&ask, &[]));
    let row = answer.await.map_err(|_| connector.timed_out())??;
    difference(connector, asked, row.get(0)).map_or(Ok(()), |difference| Err(Error::Clock(difference)))
}

/// What is to be said of a server that showed this between `asked` and now.
pub(super) fn difference(connector: &Connector, asked: Timestamp, shown_ms: i64) -> Option<Difference> {
    let most: Duration = connector.max_clock_difference();
    let ahead =
        ahead(asked, Timestamp::from_millisecond(shown_ms).unwrap_or(Timestamp::MIN), Timestamp::now());
    (ahead.unsigned_abs() > most).then(|| Difference { at: connector.place(), ahead, most })
}
