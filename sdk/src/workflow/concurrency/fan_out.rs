//! Bounded fan-out: the same work for many items, a limited number of them at a time.
//!
//! `FuturesUnordered` polls its futures in the order in which they were added and woken. Both orders follow from the
//! history.

use std::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

/// Runs `work` for each item, at most `limit` at a time. Stops at the first error.
///
/// The work begins in the order of the items. An item is taken from `items` only when its turn comes. At the first error
/// no further item is taken, the futures that still run are dropped, which cancels what they wait for, and the error is
/// returned. The futures may borrow; they run in the current routine, and end with this future at the latest.
///
/// ```
/// # use abide::prelude::*;
/// # #[activity] async fn ship(parcel: String) -> Result<(), ActivityError> { Ok(()) }
/// # async fn body(ctx: &WorkflowContext, parcels: Vec<String>) -> Result<(), WorkflowError> {
/// for_each_concurrent(parcels, 10, async |parcel| {
///     ctx.activity(ship, parcel).start_to_close_timeout(mins(5)).await
/// })
/// .await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// Returns the error of the item that failed first.
///
/// # Panics
/// Panics if `limit` is 0, which would never begin. For no limit, use `usize::MAX`.
#[track_caller]
pub fn for_each_concurrent<I: IntoIterator, E>(
    items: I,
    limit: usize,
    work: impl AsyncFn(I::Item) -> Result<(), E>,
) -> impl Future<Output = Result<(), E>> {
    must_allow_one(limit);
    async move {
        let mut items = items.into_iter().fuse();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < limit
                && let Some(item) = items.next()
            {
                running.push(work(item));
            }
            match running.next().await {
                Some(ended) => ended?,
                None => return Ok(()),
            }
        }
    }
}

/// Runs `work` for each item, at most `limit` at a time, and yields all outputs in the order of the items.
///
/// An error of one item stops no other: the outputs may be results, and the caller decides. Otherwise this works like
/// [`for_each_concurrent`].
///
/// ```
/// # use abide::prelude::*;
/// # #[activity] async fn quote(shop: String) -> Result<u64, ActivityError> { Ok(1) }
/// # async fn body(ctx: &WorkflowContext, shops: Vec<String>) -> Result<(), WorkflowError> {
/// let quotes = map_concurrent(shops, 3, async |shop| {
///     ctx.activity(quote, shop).start_to_close_timeout(mins(1)).await
/// })
/// .await;
/// let cheapest = quotes.into_iter().filter_map(Result::ok).min();
/// # let _ = cheapest; Ok(()) }
/// ```
///
/// # Panics
/// Panics if `limit` is 0, which would never begin. For no limit, use `usize::MAX`.
#[track_caller]
pub fn map_concurrent<I: IntoIterator, T>(
    items: I,
    limit: usize,
    work: impl AsyncFn(I::Item) -> T,
) -> impl Future<Output = Vec<T>> {
    must_allow_one(limit);
    async move {
        let work = &work;
        let mut items = items.into_iter().enumerate().fuse();
        let mut running = FuturesUnordered::new();
        let mut outputs = Vec::new();
        loop {
            while running.len() < limit
                && let Some((index, item)) = items.next()
            {
                running.push(async move { (index, work(item).await) });
            }
            match running.next().await {
                Some(output) => outputs.push(output),
                None => break,
            }
        }
        outputs.sort_unstable_by_key(|(index, _)| *index);
        outputs.into_iter().map(|(_, output)| output).collect()
    }
}

#[track_caller]
fn must_allow_one(limit: usize) {
    assert!(
        limit > 0,
        "the limit of a concurrent loop is 0, so no item would ever begin: allow at least 1, or `usize::MAX` for no \
         limit"
    );
}
