//! Long polls that are repeated until they bring something: a result, the next events.

use tokio::time::Instant;

use super::connection::{Connection, sleep};
use super::retry::{Backoff, EmptyAnswers, RetrySchedule};
use super::rpc::Rpc;
use super::rpc_error::RpcError;
use crate::duration::secs;

/// Repeats a long poll without a time limit, until `found` returns something of a response. `found` may change the next
/// request.
///
/// The wait survives server outages of up to a minute.
pub(super) async fn long_wait<R: Rpc + Clone, T>(
    connection: &Connection,
    mut request: R,
    mut found: impl FnMut(&mut R, R::Response) -> Option<T>,
) -> Result<T, RpcError> {
    const LONGEST_OUTAGE: RetrySchedule = RetrySchedule::within(secs(60));
    let mut outage: Option<(Instant, Backoff)> = None;
    let mut empty = EmptyAnswers::new();
    loop {
        let began = Instant::now();
        match connection.long_poll(request.clone()).await {
            Ok(response) => {
                outage = None;
                if let Some(found) = found(&mut request, response) {
                    return Ok(found);
                }
                sleep(empty.next(began.elapsed())).await;
            }
            // A passed deadline counts as a long poll without an answer, for example one cut by a proxy.
            Err(error) if error.is_deadline_exceeded() || connection.is_transient(&error) => {
                let (since, backoff) = outage.get_or_insert_with(|| (Instant::now(), Backoff::new(LONGEST_OUTAGE)));
                let Some(wait) = backoff.next(&error, since.elapsed()) else { return Err(error) };
                sleep(wait).await;
            }
            Err(error) => return Err(error),
        }
    }
}
