//! `select!` and `join!` for workflow code: always the same order, so that a replay takes the same branch.

/// Waits for the first of several futures and runs its branch; the others are dropped.
///
/// Branches are looked at from top to bottom, every time: if several futures are ready, the topmost wins. (`select!`
/// of tokio and of futures picks one at random, so that a replay may take another branch than the first execution
/// did: they must not be used in workflow code.)
///
/// The losing futures are dropped before the branch runs, which cancels what they stand for: a timer, an activity. To
/// keep one going, make it before and pass `&mut` of it, pinned.
///
/// A pattern must match whatever its future yields. Branches are separated by commas; after a block the comma may be
/// left out. Anything that can be awaited can stand on the right of `=`. Inside a branch `?`, `.await`, `return` and
/// `break` mean what they mean around the `select!`.
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
    (@read [$(($pattern:pat, $future:expr, $body:expr))+]) => {{
        // A statement of its own, so that the futures and what they borrow are gone before the branch runs.
        let outcome = $crate::__select!(@race $($future),+).await;
        $crate::__select!(@match outcome $(($pattern, $body))+)
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
            $crate::__private::Either::Second(rest) => $crate::__select!(@match rest $($rest)+),
        }
    };
}

/// Waits for all of several futures and returns their outputs as a tuple, in the order they are written.
///
/// They are looked at from the first to the last, every time.
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

/// Gives each future a name of its own, nests them in pairs, and flattens the pairs of outputs.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    (@nest [$($done:tt)*] $future:expr, $($rest:tt)*) => {
        $crate::__join!(@nest [$($done)* (output $future)] $($rest)*)
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
