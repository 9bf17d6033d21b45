//! Workflow tasks as a run sees them: what resumes when and in which order, and what replays.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;

use abide::prelude::*;
use abide::workflow::ActivityCancellationType as Type;
use expect_test::expect;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::harness::{Cached, FIRST_TASK, after_first_task, check, check_recorded};

#[activity]
async fn work(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// All workflow types of this file are named `wf`, as in the histories, so each is defined in its own test.
fn patient(ctx: &WorkflowContext, text: &str) -> abide::workflow::ActivityCall<WorkActivity> {
    ctx.activity(work, text.into()).start_to_close_timeout(secs(5)).cancellation_type(Type::WaitCancellationCompleted)
}

#[test]
fn b001_a_timer_and_an_activity_resume_exactly_once() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let mut steps = vec!["began".to_string()];
        ctx.timer(secs(1)).await?;
        steps.push("slept".into());
        steps.push(ctx.activity(work, "go".into()).start_to_close_timeout(secs(5)).await?);
        Ok(steps)
    }
    check(wf, FIRST_TASK, expect!["StartTimer id=1 after=1s"]);
    let fired = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    check(
        wf,
        &after_first_task(fired),
        expect![[r#"ScheduleActivityTask id=1 type=work input="go" start_to_close=5s"#]],
    );
    let completed = format!(
        "{fired}
         9 WorkflowTaskCompleted
         10 ActivityTaskScheduled type=work
         11 ActivityTaskStarted
         12 ActivityTaskCompleted result=\"gone\"
         13 WorkflowTaskScheduled
         14 WorkflowTaskStarted"
    );
    check(wf, &after_first_task(&completed), expect![[r#"CompleteWorkflowExecution result=["began","slept","gone"]"#]]);
    let closed = format!("{completed}\n15 WorkflowTaskCompleted\n16 WorkflowExecutionCompleted");
    check(wf, &after_first_task(&closed), expect!["Idle"]);
}

#[test]
fn b002_timers_that_fire_in_one_task_resume_in_history_order() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<u32>, WorkflowError> {
        let named = |name| {
            let timer = ctx.timer(secs(1)).start();
            async move { timer.await.map(|()| name) }
        };
        let mut timers: FuturesUnordered<_> = [1, 2, 3].into_iter().map(named).collect();
        let mut order = Vec::new();
        while let Some(name) = timers.next().await {
            order.push(name?);
        }
        Ok(order)
    }
    check(
        wf,
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=2
             9 TimerFired id=3
             10 TimerFired id=1
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[2,3,1]"],
    );
}

#[test]
fn b003_what_is_cancelled_in_the_task_of_its_creation_is_never_sent() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let timer = ctx.timer(secs(1)).start();
        timer.cancel();
        timer.await.unwrap_err();
        let activity = patient(ctx, "never").start();
        activity.cancel();
        activity.await.unwrap_err();
        ctx.timer(secs(2)).await?;
        Ok(())
    }
    check(wf, FIRST_TASK, expect!["StartTimer id=2 after=2s"]);
}

#[test]
fn b004_cancelling_a_timer_that_has_fired_does_nothing() {
    // Both fire in the same task; the second was never polled when it is cancelled.
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
        let (first, second) = (ctx.timer(secs(1)).start(), ctx.timer(secs(1)).start());
        first.await?;
        second.cancel();
        Ok(second.await.is_ok())
    }
    check(
        wf,
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=1
             8 TimerFired id=2
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=true"],
    );
}

#[test]
fn b005_cancelling_a_completed_activity_does_nothing() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let mut activity = patient(ctx, "go").start();
        let result = (&mut activity).await?;
        activity.cancel();
        activity.cancel();
        ctx.timer(secs(1)).await?;
        Ok(result)
    }
    let completed = "5 ActivityTaskScheduled type=work
         6 ActivityTaskStarted
         7 ActivityTaskCompleted result=\"gone\"
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted";
    check(wf, &after_first_task(completed), expect!["StartTimer id=1 after=1s"]);
    check(
        wf,
        &after_first_task(&format!(
            "{completed}
             10 WorkflowTaskCompleted
             11 TimerStarted
             12 TimerFired
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted"
        )),
        expect![[r#"CompleteWorkflowExecution result="gone""#]],
    );
}

#[test]
fn b006_an_activity_that_completes_in_the_task_of_its_cancellation_has_completed() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, kind: String) -> Result<String, WorkflowError> {
        let kind = match kind.as_str() {
            "try" => Type::TryCancel,
            "wait" => Type::WaitCancellationCompleted,
            _ => Type::Abandon,
        };
        let activity = patient(ctx, "go").cancellation_type(kind).start();
        ctx.timer(secs(1)).await?;
        activity.cancel();
        Ok(activity.await?)
    }
    for kind in ["try", "wait", "abandon"] {
        check(
            wf,
            &format!(
                "1 WorkflowExecutionStarted type=wf input=\"{kind}\"
                 2 WorkflowTaskScheduled
                 3 WorkflowTaskStarted
                 4 WorkflowTaskCompleted
                 5 ActivityTaskScheduled type=work
                 6 TimerStarted
                 7 TimerFired
                 8 ActivityTaskStarted
                 9 ActivityTaskCompleted result=\"just in time\"
                 10 WorkflowTaskScheduled
                 11 WorkflowTaskStarted"
            ),
            expect![[r#"CompleteWorkflowExecution result="just in time""#]],
        );
    }
}

#[test]
fn b007_a_request_cancels_all_that_is_pending_and_leaves_what_is_shielded() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let timer = ctx.timer(secs(60)).start();
        let tried = ctx.activity(work, "tried".into()).start_to_close_timeout(secs(5)).start();
        let waited = patient(ctx, "waited").start();
        let cleanup = ctx.shielded(async { Ok::<_, WorkflowError>(patient(ctx, "shielded").await?) });
        let (timer, tried, waited, cleanup) = futures_util::future::join4(timer, tried, waited, cleanup).await;
        Ok(format!("{} {} {} {}", timer.is_err(), tried.is_err(), waited.is_err(), cleanup?))
    }
    let pending = "5 TimerStarted
         6 ActivityTaskScheduled type=work
         7 ActivityTaskScheduled type=work
         8 ActivityTaskScheduled type=work
         9 WorkflowExecutionCancelRequested cause=\"had enough\"
         10 WorkflowTaskScheduled
         11 WorkflowTaskStarted";
    check(
        wf,
        &after_first_task(pending),
        expect![[r#"
            CancelTimer id=1
            RequestCancelActivityTask scheduled=6
            RequestCancelActivityTask scheduled=7"#]],
    );
    check(
        wf,
        &after_first_task(&format!(
            "{pending}
             12 WorkflowTaskCompleted
             13 TimerCanceled
             14 ActivityTaskCancelRequested scheduled=6
             15 ActivityTaskCancelRequested scheduled=7
             16 ActivityTaskCanceled scheduled=7
             17 ActivityTaskStarted scheduled=8
             18 ActivityTaskCompleted scheduled=8 result=\"cleaned up\"
             19 WorkflowTaskScheduled
             20 WorkflowTaskStarted"
        )),
        expect![[r#"CompleteWorkflowExecution result="true true true cleaned up""#]],
    );
}

#[test]
fn b008_a_run_that_returns_its_cancellation_ends_as_cancelled_with_its_details() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, report: bool) -> Result<(), WorkflowError> {
        match ctx.timer(secs(60)).await {
            Err(cancelled) if report => Err(cancelled.detail(&"half done".to_string())?.detail(&7)?.into()),
            ended => Ok(ended?),
        }
    }
    for (report, expected) in [
        (
            false,
            expect![[r#"
        CancelTimer id=1
        CancelWorkflowExecution"#]],
        ),
        (
            true,
            expect![[r#"
        CancelTimer id=1
        CancelWorkflowExecution details="half done",7"#]],
        ),
    ] {
        let cancelled = after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested cause=\"had enough\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        );
        check(wf, &cancelled.replace("type=wf", &format!("type=wf input={report}")), expected);
    }
}

#[test]
fn b009_a_request_that_comes_with_the_first_task_is_seen_by_run() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let seen = ctx.is_cancelled();
        let timer = ctx.timer(secs(60)).await;
        Ok(format!("{seen}, {}", timer.unwrap_err().reason()))
    }
    check(
        wf,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionCancelRequested cause=\"had enough\"
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result="true, had enough""#]],
    );
}

#[test]
fn b010_after_a_failed_task_the_next_replays_and_proceeds() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        ctx.timer(secs(2)).await?;
        Ok(())
    }
    check(
        wf,
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskFailed
             10 WorkflowTaskScheduled attempt=2
             11 WorkflowTaskStarted",
        ),
        expect!["StartTimer id=2 after=2s"],
    );
}

#[test]
fn b013_the_cause_tells_a_mistake_from_nondeterminism() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        panic!("out of beans");
    }
    check(
        wf,
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at sdk/tests/behaviours/workflow_tasks.rs out of beans"
        ],
    );
    check_recorded(
        wf,
        &after_first_task("5 ActivityTaskScheduled type=work\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 ActivityTaskScheduled: type=work id=1
              code now: StartTimer id=1
              at:       sdk/tests/behaviours/workflow_tasks.rs
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

/// Ends in its first task, while a branch is about to start a timer.
#[workflow(name = "wf")]
async fn ends_while_a_branch_goes_on(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let branch = ctx.clone();
    drop(ctx.spawn(async move { branch.timer(secs(5)).await }));
    Ok("ended".into())
}

#[test]
fn b017_commands_issued_after_the_end_are_kept() {
    check(
        ends_while_a_branch_goes_on,
        FIRST_TASK,
        expect![[r#"
        StartTimer id=1 after=5s
        CompleteWorkflowExecution result="ended""#]],
    );
}

#[test]
fn b018_commands_issued_after_the_end_replay_by_flag_3_and_are_dropped_without() {
    let kept = after_first_task("5 TimerStarted after=5s\n6 WorkflowExecutionCompleted result=\"ended\"");
    let dropped = format!("{FIRST_TASK}\n4 WorkflowTaskCompleted flags=none\n5 WorkflowExecutionCompleted");
    check(ends_while_a_branch_goes_on, &kept, expect!["Idle"]);
    check_recorded(ends_while_a_branch_goes_on, &dropped, expect!["Idle"]);
    check_recorded(
        ends_while_a_branch_goes_on,
        &kept.replace("4 WorkflowTaskCompleted", "4 WorkflowTaskCompleted flags=none"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 TimerStarted: id=1
              code now: CompleteWorkflowExecution: the workflow returned; code that it left running waits for timer id=1
              at:       sdk/tests/behaviours/workflow_tasks.rs
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

/// Ends by itself, or by a signal's error.
#[workflow(name = "wf")]
#[derive(Default)]
struct EndsTwice {
    stopped: State<bool>,
}

#[workflow_methods]
impl EndsTwice {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.stopped.get()).await?;
        Ok(())
    }

    #[signal]
    fn fail(&self, text: String) -> Result<(), WorkflowError> {
        self.stopped.set(true);
        Err(ApplicationFailure::new(text).into())
    }
}

#[test]
fn b019_only_the_first_end_counts() {
    check(
        EndsTwice::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=fail input=\"first\"
             6 WorkflowExecutionSignaled name=fail input=\"second\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect!["FailWorkflowExecution message=first source=AbideSDK"],
    );
}

/// Records its events.
#[workflow(name = "wf")]
#[derive(Default)]
struct Diary {
    pages: Rc<State<Vec<String>>>,
}

/// Records when `something` has completed.
async fn note(pages: Rc<State<Vec<String>>>, text: &'static str, something: impl Future<Output = ()>) {
    something.await;
    pages.update(|pages| pages.push(text.into()));
}

#[workflow_methods]
impl Diary {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let pages = || self.pages.clone();
        let (timer, activity, cancelled) = (ctx.clone(), ctx.clone(), ctx.clone());
        let branches = [
            ctx.spawn(note(pages(), "timer", async move { drop(timer.timer(secs(1)).await) })),
            ctx.spawn(note(pages(), "activity", async move { drop(patient(&activity, "go").await) })),
            ctx.spawn(note(pages(), "cancelled", async move { drop(cancelled.cancelled().await) })),
        ];
        futures_util::future::join_all(branches).await;
        Ok(self.pages.get())
    }

    #[signal]
    fn note(&self, text: String) {
        self.pages.update(|pages| pages.push(text));
    }

    #[query]
    fn pages(&self) -> Vec<String> {
        self.pages.get()
    }
}

#[test]
fn b020_messages_come_first_then_resolutions_as_they_happened_and_queries_last() {
    let history = after_first_task(
        "5 TimerStarted
         6 ActivityTaskScheduled type=work
         7 TimerFired
         8 WorkflowExecutionSignaled name=note input=\"first\"
         9 ActivityTaskStarted
         10 WorkflowExecutionCancelRequested
         11 ActivityTaskCompleted result=\"gone\"
         12 WorkflowExecutionSignaled name=note input=\"second\"
         13 WorkflowTaskScheduled
         14 WorkflowTaskStarted",
    );
    check(
        Diary::run,
        &history,
        expect![[r#"CompleteWorkflowExecution result=["first","second","timer","cancelled","activity"]"#]],
    );
    let mut run = Cached::new(Diary::run, &history);
    run.task(3);
    assert_eq!(
        run.task_with_queries(14, &["pages"]).lines().last(),
        Some(r#"pages: answer ["first","second","timer","cancelled","activity"]"#)
    );
}

/// Records what its messages see, and when a timer and a local activity have ended.
#[workflow(name = "wf")]
#[derive(Default)]
struct Ranks {
    pages: Rc<State<Vec<String>>>,
}

#[workflow_methods]
impl Ranks {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let (timer, local) = (ctx.clone(), ctx.clone());
        let first = ctx.spawn(note(self.pages.clone(), "timer", async move { drop(timer.timer(secs(1)).await) }));
        let second = ctx.spawn(note(self.pages.clone(), "local activity", async move {
            drop(local.local_activity(work, "go".into()).start_to_close_timeout(secs(5)).await);
        }));
        futures_util::future::join(first, second).await;
        ctx.timer(secs(2)).await?;
        Ok(self.pages.get())
    }

    #[signal]
    fn note(&self, ctx: &WorkflowContext) {
        let found = format!("signal: patched {}, seed {}", ctx.patched("p"), ctx.random_seed());
        self.pages.update(|pages| pages.push(found));
    }

    #[update]
    fn tell(&self, ctx: &WorkflowContext) {
        self.pages.update(|pages| pages.push(format!("update: seed {}", ctx.random_seed())));
    }
}

/// The reset and the markers come after the messages in the history, and the timer fired before them.
#[test]
fn b020_patches_and_the_seed_come_before_messages_and_local_activities_after_all_else() {
    check_recorded(
        Ranks::run,
        "1 WorkflowExecutionStarted type=wf original_execution_run_id=one
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted
         6 TimerFired
         7 WorkflowExecutionSignaled name=note
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted
         10 WorkflowTaskFailed cause=ResetWorkflow new_run_id=two
         11 WorkflowTaskScheduled
         12 WorkflowTaskStarted
         13 WorkflowTaskCompleted
         14 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}
         15 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
         16 WorkflowExecutionUpdateAccepted update=u1 name=tell sequencing=11
         17 WorkflowExecutionUpdateCompleted update=u1 result=null
         18 MarkerRecorded local_activity=1 activity=work result=\"gone\"
         19 TimerStarted
         20 TimerFired
         21 WorkflowTaskScheduled
         22 WorkflowTaskStarted",
        expect![[
            r#"CompleteWorkflowExecution result=["signal: patched true, seed 14456887154518335475","update: seed 14456887154518335475","timer","local activity"]"#
        ]],
    );
}

#[test]
fn b021_a_reset_changes_the_random_seed_and_a_new_run_has_its_own() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
        let before = ctx.random_seed();
        ctx.timer(secs(1)).await?;
        Ok(vec![before, ctx.random_seed()])
    }
    let run = |run_id: &str, end: &str| {
        format!(
            "1 WorkflowExecutionStarted type=wf original_execution_run_id={run_id}
             2 WorkflowTaskScheduled
             3 WorkflowTaskStarted
             4 WorkflowTaskCompleted
             5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             {end}"
        )
    };
    check(wf, &run("one", ""), expect!["CompleteWorkflowExecution result=[14076314942019113981,14076314942019113981]"]);
    check(wf, &run("two", ""), expect!["CompleteWorkflowExecution result=[14456887154518335475,14456887154518335475]"]);
    check(
        wf,
        &run(
            "one",
            "9 WorkflowTaskFailed cause=ResetWorkflow new_run_id=two\n10 WorkflowTaskScheduled\n11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[14076314942019113981,14456887154518335475]"],
    );
}

#[test]
fn b022_a_task_with_nothing_to_do_does_not_wake_the_code() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        let polls = Cell::new(0);
        let mut timer = pin!(ctx.timer(secs(1)).start());
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            timer.as_mut().poll(cx)
        })
        .await?;
        Ok(polls.get())
    }
    // At least twice: when the timer is started, and when it has fired.
    let nothing = "5 TimerStarted
         6 WorkflowExecutionOptionsUpdated
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted";
    check(wf, &after_first_task(nothing), expect![""]);
    check(
        wf,
        &after_first_task(&format!(
            "{nothing}
             9 WorkflowTaskCompleted
             10 TimerFired
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted"
        )),
        expect!["CompleteWorkflowExecution result=2"],
    );
    // Neither is a condition evaluated that the longer history would make true.
    #[workflow(name = "wf")]
    async fn listening(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        abide::select! {
            asked = ctx.wait_until(|| ctx.history_length() > 7) => Ok(asked.map(|()| "asked".to_string())?),
            fired = ctx.timer(secs(1)) => Ok(fired.map(|()| "fired".to_string())?),
        }
    }
    check(listening, &after_first_task(nothing), expect![""]);
}
