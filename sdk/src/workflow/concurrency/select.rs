//! `select!`, `join!` and `join_all` for workflow code. They always poll in the same order, so that a replay takes the
//! same branch.
//!
//! Their variables begin with `__abide_`, like those of the attribute macros, because a pattern named `outcome` would
//! match against a user's constant of that name.

/// Waits for the first of several futures and runs its branch. The others are dropped.
///
/// Branches are polled from top to bottom, every time: if several futures are ready, the topmost wins. (`select!` of
/// tokio and of futures picks one at random, so that a replay may take another branch than the first execution did.
/// They must not be used in workflow code.)
///
/// The losing futures are dropped before the branch runs, which cancels their timers and activities. To keep a future,
/// create it before the `select!` and pass `&mut` of it (pinned, if it is not `Unpin`; Abide's own futures are). A
/// child with the policy `Abandon` goes on even when dropped, if the workflow returns before its next await: see
/// [`ChildWorkflowHandle`](crate::workflow::ChildWorkflowHandle).
///
/// A pattern must match every output of its future. Branches are separated by commas; after a block the comma may be
/// left out. The right side of `=` may be anything that can be awaited. Inside a branch, `?`, `.await`, `return` and
/// `break` mean the same as around the `select!`.
///
/// ```
/// # futures_util::future::FutureExt::now_or_never(async {
/// use std::future::{pending, ready};
///
/// let winner = abide::select! {
///     () = pending() => "never",
///     value = ready(1) => {
///         assert_eq!(value, 1);
///         "the upper one of two that are ready"
///     }
///     _ = ready(2) => "the lower one",
/// };
/// assert_eq!(winner, "the upper one of two that are ready");
/// # }).unwrap();
/// ```
#[macro_export]
macro_rules! select {
    ($($branches:tt)+) => {
        $crate::__select!(@read [] $($branches)+)
    };
}

/// Awaits all futures of a collection at the same time, like [`join!`](crate::join) for any number of futures. Yields
/// their outputs in the order of the collection.
///
/// ```
/// # use abide::prelude::*;
/// # #[activity] async fn quote(shop: String) -> Result<u64, ActivityError> { Ok(1) }
/// # async fn body(ctx: &WorkflowContext, shops: Vec<String>) -> Result<(), WorkflowError> {
/// let quotes = join_all(shops.into_iter().map(|shop| ctx.activity(quote, shop).start_to_close_timeout(mins(1)))).await;
/// let quotes: Vec<u64> = quotes.into_iter().collect::<Result<_, _>>()?;
/// # let _ = quotes; Ok(()) }
/// ```
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}

/// Reads the branches one by one, then nests their futures and the matches on the outcome.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@read [$($read:tt)*] $pattern:pat = $future:expr => $body:block, $($rest:tt)*) => {
        $crate::__select!(@read [$($read)* ($pattern, $future, $body)] $($rest)*)
    };
    (@read [$($read:tt)*] $pattern:pat = $future:expr => $body:block $($rest:tt)*) => {
        $crate::__select!(@read [$($read)* ($pattern, $future, $body)] $($rest)*)
    };
    (@read [$($read:tt)*] $pattern:pat = $future:expr => $body:expr, $($rest:tt)*) => {
        $crate::__select!(@read [$($read)* ($pattern, $future, $body)] $($rest)*)
    };
    (@read [$($read:tt)*] $pattern:pat = $future:expr => $body:expr) => {
        $crate::__select!(@read [$($read)* ($pattern, $future, $body)])
    };
    (@read [$($read:tt)*] $future:expr => $($rest:tt)*) => {
        ::core::compile_error!("each branch of `select!` is `pattern = future => code`; `_ = future` drops what it yields")
    };
    (@read [$(($pattern:pat, $future:expr, $body:expr))+]) => {{
        // In its own statement, so that the futures and their borrows end before the branch runs.
        let __abide_outcome = $crate::__select!(@race $($future),+).await;
        $crate::__select!(@match __abide_outcome $(($pattern, $body))+)
    }};
    (@race $future:expr) => {
        ::core::future::IntoFuture::into_future($future)
    };
    (@race $future:expr, $($rest:expr),+) => {
        $crate::__private::either(
            ::core::future::IntoFuture::into_future($future),
            $crate::__select!(@race $($rest),+),
        )
    };
    (@match $outcome:ident ($pattern:pat, $body:expr)) => {
        match $outcome {
            $pattern => $body,
        }
    };
    (@match $outcome:ident ($pattern:pat, $body:expr) $($rest:tt)+) => {
        match $outcome {
            $crate::__private::Either::First($pattern) => $body,
            $crate::__private::Either::Second(__abide_rest) => $crate::__select!(@match __abide_rest $($rest)+),
        }
    };
}

/// Waits for all of several futures and returns their outputs as a tuple, in the order they are written.
///
/// They are polled from the first to the last, every time.
///
/// ```
/// # futures_util::future::FutureExt::now_or_never(async {
/// use std::future::ready;
///
/// assert_eq!(abide::join!(ready(1), ready("two"), ready(3.0)), (1, "two", 3.0));
/// # }).unwrap();
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {
        $crate::__join!(@nest [] $($future,)+)
    };
}

/// Names each future, nests them in pairs, and flattens the pairs of outputs.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    (@nest [$($done:tt)*] $future:expr, $($rest:tt)*) => {
        $crate::__join!(@nest [$($done)* (__abide_output $future)] $($rest)*)
    };
    (@nest [$(($output:ident $future:expr))+]) => {{
        let $crate::__join!(@pattern $($output)+) = $crate::__join!(@both $($future,)+).await;
        ($($output,)+)
    }};
    (@pattern $output:ident) => { $output };
    (@pattern $output:ident $($rest:ident)+) => { ($output, $crate::__join!(@pattern $($rest)+)) };
    (@both $future:expr,) => {
        ::core::future::IntoFuture::into_future($future)
    };
    (@both $future:expr, $($rest:expr,)+) => {
        $crate::__private::both(
            ::core::future::IntoFuture::into_future($future),
            $crate::__join!(@both $($rest,)+),
        )
    };
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::{Future, pending, poll_fn, ready};
    use std::rc::Rc;
    use std::task::Poll;

    use futures_util::FutureExt as _;

    /// Returns the output of a future that is ready at once.
    #[track_caller]
    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("ready at once")
    }

    #[test]
    fn the_topmost_of_several_ready_branches_wins_every_time() {
        for _ in 0..100 {
            let winner = now(async {
                abide::select! {
                    () = pending() => 0,
                    _ = ready(()) => 1,
                    _ = ready(()) => 2,
                }
            });
            assert_eq!(winner, 1);
        }
    }

    #[test]
    fn ten_branches_of_different_types_and_forms() {
        let winner = now(async {
            abide::select! {
                () = pending() => { 1 }
                (_, _) = pending::<(u8, u8)>() => { 2 },
                text = pending::<String>() => text.len(),
                _ = pending::<u8>() => 4,
                _ = pending::<u8>() => 5,
                _ = pending::<u8>() => 6,
                _ = pending::<u8>() => 7,
                _ = pending::<u8>() => 8,
                (a, b) = ready((4, 5)) => { a + b }
                _ = ready(()) => 10,
            }
        });
        assert_eq!(winner, 9);
    }

    #[test]
    fn one_branch_alone_is_an_await() {
        assert_eq!(
            now(async {
                abide::select! { value = ready(1) => value + 1 }
            }),
            2
        );
    }

    #[test]
    fn futures_are_polled_from_top_to_bottom() {
        let order = RefCell::new(Vec::new());
        let noted = |number, is_ready| {
            let order = &order;
            poll_fn(move |_| {
                order.borrow_mut().push(number);
                if is_ready { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        now(async {
            abide::select! {
                _ = noted(1, false) => (),
                _ = noted(2, false) => (),
                _ = noted(3, true) => (),
                _ = noted(4, true) => (),
            }
        });
        assert_eq!(*order.borrow(), [1, 2, 3]);
    }

    #[test]
    fn losers_are_dropped_before_the_branch_runs() {
        let shared = Rc::new(());
        let held = |shared: Rc<()>| async move {
            pending::<()>().await;
            drop(shared);
        };
        let count = now(async {
            abide::select! {
                _ = held(shared.clone()) => 0,
                _ = ready(()) => Rc::strong_count(&shared),
            }
        });
        assert_eq!(count, 1);
    }

    #[test]
    fn a_branch_can_return_await_and_use_the_question_mark() {
        async fn race() -> Result<u32, std::num::ParseIntError> {
            let mut turns = 0;
            loop {
                abide::select! {
                    text = ready("7") => {
                        let value: u32 = text.parse()?;
                        if ready(turns == 1).await {
                            return Ok(value);
                        }
                        turns += 1;
                        continue;
                    }
                }
            }
        }
        assert_eq!(now(race()).unwrap(), 7);
    }

    #[test]
    fn a_future_that_is_kept_goes_on_after_it_lost() {
        let mut polls = 0;
        let mut second_time = poll_fn(|_| {
            polls += 1;
            if polls == 2 { Poll::Ready("slow") } else { Poll::Pending }
        });
        let outcome = now(async {
            let first = abide::select! { text = &mut second_time => text, _ = ready(()) => "fast" };
            (first, second_time.await)
        });
        assert_eq!(outcome, ("fast", "slow"));
    }

    #[test]
    fn join_returns_the_outputs_in_order_whatever_becomes_ready_first() {
        assert_eq!(now(async { abide::join!(ready(1)) }), (1,));
        let outputs = now(async { abide::join!(ready(1), ready("2"), ready('3'), ready(4.0), ready(5_u8),) });
        assert_eq!(outputs, (1, "2", '3', 4.0, 5));
    }
}
