//! A watched value: receivers wait for its next change and see the latest value.
//!
//! The other channels of `tokio::sync` work in workflow code as they are. Its `watch` does not: it spreads its waiting
//! receivers at random, so a replay may wake them in another order.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::wait_list::WaitList;

/// Sets a watched value. Made by [`watch`]. Clones set the same value.
pub struct WatchSender<T> {
    watched: Rc<RefCell<Watched<T>>>,
}

/// Sees a watched value and waits for its changes. Made by [`watch`]. A clone has seen what the original has seen.
pub struct WatchReceiver<T> {
    watched: Rc<RefCell<Watched<T>>>,
    seen: u64,
}

/// All senders of a watched value were dropped, so it changes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all senders of the watched value were dropped, so it changes no more")]
pub struct WatchClosed {
    _private: (),
}

/// Creates a value whose receivers wait for changes, like `tokio::sync::watch`, for use within one workflow. Waiting
/// receivers go on in the order in which they began to wait.
///
/// For a field of the workflow's struct, [`State`](crate::State) and
/// [`wait_until`](crate::WorkflowContext::wait_until) are simpler. Prefer a watched value where many branches wait: a
/// change wakes its receivers only, and no condition is asked. A receiver notices cancellation only with
/// [`or_cancelled`](crate::WorkflowContext::or_cancelled).
///
/// ```
/// # futures_util::future::FutureExt::now_or_never(async {
/// use abide::workflow::watch;
///
/// let (speed, mut seen) = watch(10);
/// speed.set(20);
/// speed.set(30);
/// seen.changed().await.unwrap();
/// assert_eq!(seen.get(), 30); // The latest value. The value between is not seen.
/// drop(speed);
/// assert!(seen.changed().await.is_err());
/// # }).unwrap();
/// ```
pub fn watch<T>(value: T) -> (WatchSender<T>, WatchReceiver<T>) {
    let watched = Watched { value: Rc::new(value), version: 0, senders: 1, waiting: WaitList::default() };
    let watched = Rc::new(RefCell::new(watched));
    (WatchSender { watched: watched.clone() }, WatchReceiver { watched, seen: 0 })
}

impl<T> WatchSender<T> {
    /// Sets the value and wakes the receivers that wait, also if the new value equals the old one.
    pub fn set(&self, value: T) {
        let mut watched = self.watched.borrow_mut();
        let old = std::mem::replace(&mut watched.value, Rc::new(value));
        watched.version += 1;
        watched.waiting.wake_all();
        drop(watched);
        // Last, because the destructor of a value may use this sender.
        drop(old);
    }

    /// Returns a clone of the value.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        let value = self.watched.borrow().value.clone();
        (*value).clone()
    }

    /// Creates a receiver that has seen the current value.
    pub fn subscribe(&self) -> WatchReceiver<T> {
        WatchReceiver { watched: self.watched.clone(), seen: self.watched.borrow().version }
    }
}

impl<T> WatchReceiver<T> {
    /// Returns a clone of the latest value.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Reads the latest value.
    pub fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        let value = self.watched.borrow().value.clone();
        read(&value)
    }

    /// Waits until the value was set since this receiver last returned from here. Does not wait if that has happened
    /// already. If this future is dropped before its end, the change is not lost.
    ///
    /// # Errors
    /// Returns [`WatchClosed`] if all senders were dropped and there is no change left to see.
    pub fn changed(&mut self) -> impl Future<Output = Result<(), WatchClosed>> + Unpin + use<'_, T> {
        Changed { receiver: self, id: None }
    }

    /// Waits until the latest value satisfies `condition`, which is asked at once and after each change.
    ///
    /// # Errors
    /// Returns [`WatchClosed`] if all senders were dropped and the last value does not satisfy it.
    pub async fn wait_for(&mut self, mut condition: impl FnMut(&T) -> bool) -> Result<(), WatchClosed> {
        loop {
            self.seen = self.watched.borrow().version;
            if self.with(&mut condition) {
                return Ok(());
            }
            self.changed().await?;
        }
    }
}

impl<T> Clone for WatchSender<T> {
    fn clone(&self) -> Self {
        self.watched.borrow_mut().senders += 1;
        Self { watched: self.watched.clone() }
    }
}

impl<T> Clone for WatchReceiver<T> {
    fn clone(&self) -> Self {
        Self { watched: self.watched.clone(), seen: self.seen }
    }
}

impl<T> Drop for WatchSender<T> {
    fn drop(&mut self) {
        let mut watched = self.watched.borrow_mut();
        watched.senders -= 1;
        if watched.senders == 0 {
            watched.waiting.wake_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchSender").field("value", &self.watched.borrow().value).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchReceiver").field("value", &self.watched.borrow().value).finish_non_exhaustive()
    }
}

struct Watched<T> {
    /// Shared while it is read, so that a reader may set the next value.
    value: Rc<T>,
    /// Number of times that the value was set.
    version: u64,
    senders: usize,
    waiting: WaitList,
}

struct Changed<'a, T> {
    receiver: &'a mut WatchReceiver<T>,
    id: Option<u64>,
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), WatchClosed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut watched = this.receiver.watched.borrow_mut();
        if watched.version != this.receiver.seen {
            this.receiver.seen = watched.version;
            return Poll::Ready(Ok(()));
        }
        if watched.senders == 0 {
            return Poll::Ready(Err(WatchClosed { _private: () }));
        }
        watched.waiting.wait(&mut this.id, cx.waker());
        Poll::Pending
    }
}

impl<T> Drop for Changed<'_, T> {
    fn drop(&mut self) {
        self.receiver.watched.borrow_mut().waiting.leave(&mut self.id);
    }
}
