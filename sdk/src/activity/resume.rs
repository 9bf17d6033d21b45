//! Items that an attempt works through one by one, beginning where an earlier attempt has stopped.

use std::fmt;

use super::context::ActivityContext;

/// The items that no earlier attempt has finished. Made by [`ActivityContext::resume`].
///
/// Each call of `next` reports the item before it as finished, with a heartbeat.
#[must_use = "an iterator does nothing until it is asked for items: write `for item in ctx.resume(items)?`"]
pub struct Resumed<I> {
    context: ActivityContext,
    items: I,
    finished: u64,
    /// True if an item was returned that is not finished.
    in_hand: bool,
}

impl<I: Iterator> Resumed<I> {
    pub(super) fn new(context: ActivityContext, mut items: I, finished: u64) -> Self {
        for _ in 0..finished {
            if items.next().is_none() {
                break;
            }
        }
        Self { context, items, finished, in_hand: false }
    }

    /// Returns the number of finished items, those of earlier attempts included.
    pub fn finished(&self) -> u64 {
        self.finished
    }
}

impl<I: Iterator> Iterator for Resumed<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if std::mem::replace(&mut self.in_hand, false) {
            self.finished += 1;
            self.context.heartbeat(&self.finished).expect("a number can be serialized");
        }
        let next = self.items.next();
        self.in_hand = next.is_some();
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<I> fmt::Debug for Resumed<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumed").field("finished", &self.finished).finish_non_exhaustive()
    }
}
