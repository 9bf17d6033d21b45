//! In which order code gets its jobs.

use expect_test::expect;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::harness::check;
use crate::duration::secs;

const FORTY_TIMERS_FIRED: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted
    4 WorkflowTaskCompleted";

/// A history in which `n` timers were started in the first task and have fired in the reverse order.
fn fired(n: usize) -> String {
    let mut text = FORTY_TIMERS_FIRED.to_string();
    for i in 0..n {
        text += &format!("\n{} TimerStarted id={}", 5 + i, i + 1);
    }
    for i in (0..n).rev() {
        text += &format!("\n{} TimerFired started={}", 5 + n + (n - 1 - i), 5 + i);
    }
    text + &format!("\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted", 5 + 2 * n, 6 + 2 * n)
}

#[test]
fn join_all_of_forty_is_woken() {
    check(
        |ctx| async move {
            let all = join_all((0..40).map(|_| ctx.timer(secs(1)))).await;
            Ok(all.len() as u64)
        },
        &fired(40),
        expect!["CompleteWorkflowExecution result=40"],
    );
}

#[test]
fn futures_unordered_is_woken_in_history_order() {
    check(
        |ctx| async move {
            let mut all: FuturesUnordered<_> = (0..5_u32)
                .map(|i| {
                    let timer = ctx.timer(secs(1));
                    async move { timer.await.map(|()| i) }
                })
                .collect();
            let mut order = Vec::new();
            while let Some(i) = all.next().await {
                order.push(i?);
            }
            Ok(format!("{order:?}"))
        },
        &fired(5),
        expect!["CompleteWorkflowExecution result=\"[4, 3, 2, 1, 0]\""],
    );
}
