//! Twins of the workflows in the Go SDK's replay tests. Go uses event ids as ids of timers and activities; neither is
//! compared, because the histories have no core flags.

use abide::prelude::*;
use abide::replay::NondeterminismKind;
use abide::{State, WorkflowReplayer};

use super::{differs, fits, from_elsewhere};

#[activity(name = "Prefix_ToUpper")]
async fn to_upper(text: String) -> Result<String, ActivityError> {
    Ok(text.to_uppercase())
}

/// Starts a timer, schedules an activity, cancels the timer.
#[workflow(name = "CancelTimerAfterActivity")]
async fn cancel_timer_after_activity(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let timer = ctx.timer(secs(3)).start();
    let upper = ctx.activity(to_upper, "hello".into()).start_to_close_timeout(secs(5)).start();
    timer.cancel();
    Ok(upper.await?)
}

#[workflow(name = "ContinueAsNewWorkflow")]
async fn continue_as_new(ctx: &WorkflowContext, again: bool) -> Result<(), WorkflowError> {
    if again { ctx.continue_as_new(continue_as_new, false).into() } else { Ok(()) }
}

#[workflow(name = "TripWorkflow")]
#[derive(Default)]
struct Trip {
    events: State<u32>,
}

#[workflow_methods]
impl Trip {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, trips: u32) -> Result<(), WorkflowError> {
        Ok(ctx.wait_until(|| self.events.get() > trips + 10).await?)
    }

    #[signal(name = "trip_event")]
    fn trip_event(&self, event: serde_json::Value) {
        drop(event);
        self.events.update(|events| *events += 1);
    }
}

/// A timer that is not cancelled because it fired in the same task, then another one although the run is cancelled.
#[workflow(name = "TimerWf")]
async fn timer_wf(ctx: &WorkflowContext, nanos: u64) -> Result<(), WorkflowError> {
    let wait = std::time::Duration::from_nanos(nanos);
    ctx.timer(wait).await?;
    ctx.shielded(ctx.timer(wait)).await?;
    Ok(())
}

#[activity(name = "Echo")]
async fn echo_number(delay: u64, number: i64) -> Result<i64, ActivityError> {
    let _ = delay;
    Ok(number)
}

/// Cancels a timer when a signal arrives, after an activity was scheduled.
#[workflow(name = "WorkflowWithLocalActivityStartWhenTimerCancel")]
#[derive(Default)]
struct SignalBeatsTimer {
    signalled: State<bool>,
}

#[workflow_methods]
impl SignalBeatsTimer {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
        let timer = ctx.timer(secs(3)).start();
        ctx.wait_until(|| self.signalled.get()).await?;
        let echo = ctx.activity(echo_number, (0, 0)).start_to_close_timeout(secs(5)).start();
        timer.cancel();
        Ok(echo.await? == 0)
    }

    #[signal]
    fn signal(&self, text: String) {
        drop(text);
        self.signalled.set(true);
    }
}

/// Go sends a timer's start and its cancellation even if both are in one task; Core-based SDKs, including this one,
/// send neither. So the twin cannot have recorded a history with such a pair.
#[test]
fn a_timer_cancelled_in_its_own_task_is_in_gos_history_only() {
    let Some(history) = from_elsewhere("go/cancel-timer-after-activity.json") else { return };
    let found = differs(&WorkflowReplayer::new().workflow(cancel_timer_after_activity), &history);
    let at = (found.event_id(), found.event_type(), found.kind());
    assert_eq!(at, (5, "TimerStarted", NondeterminismKind::DifferentCommand), "{found}");
}

#[test]
fn continues_as_new() {
    let Some(history) = from_elsewhere("go/continue-as-new.json") else { return };
    fits(&WorkflowReplayer::new().workflow(continue_as_new), &history);
}

#[test]
fn completes_where_history_continued_as_new() {
    let Some(history) = from_elsewhere("go/bad-continue-as-new.json") else { return };
    let found = differs(&WorkflowReplayer::new().workflow(continue_as_new), &history);
    let at = (found.event_id(), found.event_type(), found.kind());
    assert_eq!(at, (5, "WorkflowExecutionContinuedAsNew", NondeterminismKind::DifferentCommand), "{found}");
}

#[test]
fn a_history_may_end_with_a_task_that_timed_out() {
    let Some(history) = from_elsewhere("go/partial-replay-non-command-event.json") else { return };
    fits(&WorkflowReplayer::new().workflow(Trip::run), &history);
}

#[test]
fn a_cancellation_and_a_timer_that_fired_meet_in_one_task() {
    let Some(history) = from_elsewhere("go/unhandled_cmd_timer_cancel.json") else { return };
    fits(&WorkflowReplayer::new().workflow(timer_wf), &history);
}

#[test]
fn an_activity_and_a_cancelled_timer_in_one_task() {
    let Some(history) = from_elsewhere("go/activity-same-time-as-cancel.json") else { return };
    fits(&WorkflowReplayer::new().workflow(SignalBeatsTimer::run), &history);
}
