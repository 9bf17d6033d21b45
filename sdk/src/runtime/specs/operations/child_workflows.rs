//! Child workflows: starting them, their ends, signals to them. (Cancelling: `child_cancellation.rs`.)

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use crate::duration::{hours, mins, secs};
use crate::failure::TemporalFailure;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded};
use crate::workflow::{ChildWorkflowOptions, ParentClosePolicy, WorkflowIdReusePolicy};
use crate::{
    ChildWorkflowFailure, DeploymentVersion, Priority, RetryPolicy, SearchAttributeKey, State, VersioningOverride,
    WorkflowContext, WorkflowError, workflow, workflow_methods,
};

#[workflow(name = "child")]
pub(crate) async fn chore(_ctx: &WorkflowContext, n: u32) -> Result<String, WorkflowError> {
    Ok(format!("child {n}"))
}

#[workflow]
async fn silent(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow(name = "listener")]
#[derive(Default)]
pub(crate) struct Listener {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| !self.heard.with(Vec::is_empty)).await?;
        Ok(self.heard.get().join(" "))
    }

    #[signal]
    pub(crate) fn hear(&self, word: String) {
        self.heard.update(|heard| heard.push(word));
    }

    /// JSON cannot hold this map, because its keys are not strings.
    #[signal]
    pub(crate) fn unwritable(&self, map: BTreeMap<(u8, u8), u8>) {
        drop(map);
    }
}

const STARTED: &str = "
    5 StartChildWorkflowExecutionInitiated
    6 ChildWorkflowExecutionStarted
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted";

#[test]
fn a_call_starts_the_child_and_waits_for_its_end() {
    let code = |ctx: WorkflowContext| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) };
    check(code, FIRST_TASK, expect!["StartChildWorkflowExecution id=child-1 type=child input=7"]);
    check(code, &after_first_task(STARTED), expect![""]);
    check(
        code,
        &after_first_task(&format!(
            "{STARTED}
             9 WorkflowTaskCompleted
             10 ChildWorkflowExecutionCompleted result=\"child 7\"
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted"
        )),
        expect![[r#"CompleteWorkflowExecution result="child 7""#]],
    );
}

#[test]
fn every_option_goes_into_the_command() {
    check(
        |ctx| async move {
            let call = ctx
                .child_workflow(chore, 7)
                .id("child-1")
                .task_queue("elsewhere")
                .execution_timeout(hours(1))
                .run_timeout(mins(10))
                .task_timeout(secs(5))
                .retry_policy(RetryPolicy::new().maximum_attempts(3))
                .cron_schedule("0 3 * * *")
                .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
                .parent_close_policy(ParentClosePolicy::RequestCancel)
                .versioning_override(VersioningOverride::AutoUpgrade)
                .priority(Priority::new().priority_key(2))
                .memo("note", &"kept".to_string())
                .search_attributes([SearchAttributeKey::keyword("Keyword").set("found")])
                .static_summary("short")
                .static_details("long");
            Ok(call.await?)
        },
        FIRST_TASK,
        expect![[
            r#"StartChildWorkflowExecution id=child-1 type=child queue=elsewhere input=7 workflow_execution=1h workflow_run=10m workflow_task=5s parent_close_policy=RequestCancel workflow_id_reuse_policy=RejectDuplicate retry.maximum_attempts=3 cron="0 3 * * *" memo.note="kept" search_attributes.Keyword="found" priority.priority_key=2 versioning_override.auto_upgrade=true"#
        ]],
    );
}

#[test]
fn a_version_can_be_pinned_and_options_can_be_shared() {
    check(
        |ctx| async move {
            let pinned = VersioningOverride::Pinned(DeploymentVersion::new("shop", "build-1"));
            let options = ChildWorkflowOptions::new()
                .versioning_override(pinned)
                .id_reuse_policy(WorkflowIdReusePolicy::TerminateIfRunning)
                .parent_close_policy(ParentClosePolicy::Abandon);
            ctx.child_workflow(chore, 7).id("child-1").options(&options).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![
            "StartChildWorkflowExecution id=child-1 type=child input=7 parent_close_policy=Abandon workflow_id_reuse_policy=TerminateIfRunning versioning_override.pinned.behavior=Pinned versioning_override.pinned.version.build_id=build-1 versioning_override.pinned.version.deployment_name=shop"
        ],
    );
}

#[test]
fn options_of_a_call_win_over_shared_options_in_any_order() {
    check(
        |ctx| async move {
            let shared = ChildWorkflowOptions::new().task_queue("shared").run_timeout(mins(9)).cron_schedule("@daily");
            let before = ctx.child_workflow(chore, 1).id("a").task_queue("own").options(&shared);
            let after = ctx.child_workflow(chore, 1).id("b").options(&shared).task_queue("own");
            futures_util::future::try_join(before, after).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            StartChildWorkflowExecution id=a type=child queue=own input=1 workflow_run=9m cron=@daily
            StartChildWorkflowExecution id=b type=child queue=own input=1 workflow_run=9m cron=@daily"#]],
    );
}

#[test]
fn the_start_can_be_waited_for_alone() {
    let code = |ctx: WorkflowContext| async move {
        let child = ctx.child_workflow(chore, 7).id("child-1").start().await?;
        ctx.timer(secs(1)).await?;
        let ids = format!("{} {}", child.workflow_id(), child.run_id());
        Ok(format!("{ids}: {}", child.await?))
    };
    check(code, &after_first_task(STARTED), expect!["StartTimer id=1 after=1s"]);
    // Start and end come in one task, both before the code runs. Neither is lost.
    check(
        code,
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 ChildWorkflowExecutionStarted
             7 WorkflowTaskScheduled
             8 ChildWorkflowExecutionCompleted result=\"child 7\"
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerStarted
             12 TimerFired
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="child-1 run-of-child-1: child 7""#]],
    );
}

#[test]
fn children_that_run_at_once_are_told_apart() {
    check(
        |ctx| async move {
            let (first, second) =
                crate::join!(ctx.child_workflow(chore, 1).id("child-1"), ctx.child_workflow(chore, 2).id("child-2"),);
            Ok(format!("{} {}", first?, second?))
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 StartChildWorkflowExecutionInitiated
             7 ChildWorkflowExecutionStarted initiated=6
             8 ChildWorkflowExecutionStarted initiated=5
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 ChildWorkflowExecutionCompleted initiated=6 result=\"second\"
             13 ChildWorkflowExecutionCompleted initiated=5 result=\"first\"
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="first second""#]],
    );
}

#[test]
fn an_absent_result_reads_as_unit() {
    check(
        |ctx| async move {
            let unit: () = ctx.child_workflow(silent, ()).id("child-1").await?;
            Ok(unit)
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated type=silent
             6 ChildWorkflowExecutionStarted
             7 ChildWorkflowExecutionCompleted
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_result_that_cannot_be_read_fails_the_task() {
    check(
        |ctx| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 ChildWorkflowExecutionStarted
             7 ChildWorkflowExecutionCompleted result=[1]
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the result of child workflow `child` cannot be read: expected `String`, found JSON: an array of 1 element (at child_workflows.rs `|ctx| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) },`)"#
        ]],
    );
}

fn told(error: &ChildWorkflowFailure) -> String {
    let facts = [
        ("already started", error.is_already_started()),
        ("namespace not found", error.is_namespace_not_found()),
        ("cancelled", error.is_cancelled()),
        ("timed out", error.is_timeout()),
        ("terminated", error.is_terminated()),
    ];
    let facts: Vec<&str> = facts.into_iter().filter(|(_, holds)| *holds).map(|(fact, _)| fact).collect();
    let (id, run_id, retry) = (error.workflow_id(), error.run_id(), error.retry_state());
    format!("{error} [{}] id={id} run={run_id} {retry:?} type={:?}", facts.join(", "), error.error_type())
}

/// Checks the outcome of a child with this end, for code that awaits all of it and for code that awaits its start
/// first.
#[track_caller]
fn check_end(end: &str, expected: impl Fn() -> Expect) {
    let history = after_first_task(&format!(
        "5 StartChildWorkflowExecutionInitiated
         {end}
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted"
    ));
    let whole =
        |ctx: WorkflowContext| async move { Ok(told(&ctx.child_workflow(chore, 7).id("child-1").await.unwrap_err())) };
    let in_steps = |ctx: WorkflowContext| async move {
        Ok(match ctx.child_workflow(chore, 7).id("child-1").start().await {
            Ok(started) => told(&started.await.unwrap_err()),
            Err(error) => told(&error),
        })
    };
    check(whole, &history, expected());
    check(in_steps, &history, expected());
}

#[test]
fn a_child_that_is_not_started_says_why() {
    check_end("6 StartChildWorkflowExecutionFailed\n7 WorkflowExecutionSignaled", || {
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution not started: Workflow execution already started (WorkflowAlreadyExists) [already started] id=child-1 run= NonRetryableFailure type=Some(\"WorkflowAlreadyExists\")""#
        ]]
    });
    check_end("6 StartChildWorkflowExecutionFailed event.cause=NamespaceNotFound\n7 WorkflowExecutionSignaled", || {
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution not started: Namespace not found (NamespaceNotFound) [namespace not found] id=child-1 run= NonRetryableFailure type=Some(\"NamespaceNotFound\")""#
        ]]
    });
    check_end(
        "6 StartChildWorkflowExecutionFailed event.cause=InvalidVersioningOverride\n7 WorkflowExecutionSignaled",
        || {
            expect![[
                r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution not started: Invalid versioning override (InvalidVersioningOverride) [] id=child-1 run= NonRetryableFailure type=Some(\"InvalidVersioningOverride\")""#
            ]]
        },
    );
}

#[test]
fn a_child_that_does_not_complete_says_why() {
    let ended = |event: &str| format!("6 ChildWorkflowExecutionStarted\n7 {event}");
    check_end(
        &ended("ChildWorkflowExecutionFailed message=broken type=Broken retry_state=MaximumAttemptsReached"),
        || {
            expect![[
                r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution failed: broken (Broken) [] id=child-1 run=run-of-child-1 MaximumAttemptsReached type=Some(\"Broken\")""#
            ]]
        },
    );
    check_end(&ended("ChildWorkflowExecutionTimedOut retry_state=Timeout"), || {
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution timed out: Timed out [timed out] id=child-1 run=run-of-child-1 Timeout type=None""#
        ]]
    });
    check_end(&ended("ChildWorkflowExecutionCanceled details=1"), || {
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution cancelled [cancelled] id=child-1 run=run-of-child-1 NonRetryableFailure type=None""#
        ]]
    });
    check_end(&ended("ChildWorkflowExecutionTerminated"), || {
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution terminated: Terminated [terminated] id=child-1 run=run-of-child-1 NonRetryableFailure type=None""#
        ]]
    });
    // An error type of this name is not mistaken for a failed start.
    check_end(&ended("ChildWorkflowExecutionFailed message=broken type=WorkflowAlreadyExists"), || {
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution failed: broken (WorkflowAlreadyExists) [] id=child-1 run=run-of-child-1 Unknown type=Some(\"WorkflowAlreadyExists\")""#
        ]]
    });
}

#[test]
fn a_childs_failure_fails_its_parent_with_the_whole_chain() {
    check(
        |ctx| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 ChildWorkflowExecutionStarted
             7 ChildWorkflowExecutionFailed message=broken type=Broken cause=\"no money\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[
            r#"FailWorkflowExecution message="Child Workflow execution failed" child.workflow_execution=child-1/run-of-child-1 child=child child.initiated_event_id=5 child.started_event_id=6 cause=broken cause.type=Broken cause.cause="no money""#
        ]],
    );
}

#[test]
fn an_id_that_the_author_does_not_choose_follows_from_the_runs_seed() {
    let code = |ctx: WorkflowContext| async move {
        let (first, second) = crate::join!(ctx.child_workflow(chore, 1), ctx.child_workflow(chore, 2));
        Ok((first?, second?))
    };
    check(
        code,
        FIRST_TASK,
        expect![[r#"
        StartChildWorkflowExecution id=cc02114a-7b97-4608-b833-669af805ea51 type=child input=1
        StartChildWorkflowExecution id=c79db051-301f-4619-a03a-11bd33db0957 type=child input=2"#]],
    );
    // A reset has its own seed, so its children have other ids than those of the run that was reset.
    check(
        code,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed event.cause=ResetWorkflow new_run_id=other message=reset
         5 WorkflowTaskScheduled
         6 WorkflowTaskStarted",
        expect![[r#"
            StartChildWorkflowExecution id=cf001751-c7ed-43ea-bcd7-679776d31bad type=child input=1
            StartChildWorkflowExecution id=649c8637-6816-4e03-9840-682ea5cbe155 type=child input=2"#]],
    );
}

#[test]
fn an_id_that_another_sdk_made_up_is_taken_over() {
    check_recorded(
        |ctx| async move {
            let child = ctx.child_workflow(Listener::run, ()).start().await?;
            child.signal(Listener::hear, "hello".into()).await?;
            Ok(child.await?)
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted sdk=temporal-python
         5 StartChildWorkflowExecutionInitiated type=listener id=made-up
         6 ChildWorkflowExecutionStarted
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[
            r#"SignalExternalWorkflowExecution workflow=made-up name=hear input="hello" child_workflow_only=true"#
        ]],
    );
}

#[test]
fn another_id_or_type_than_the_recorded_one_is_nondeterminism() {
    let code = |ctx: WorkflowContext| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) };
    let history = |initiated: &str| after_first_task(&STARTED.replace("Initiated", initiated));
    check_recorded(
        code,
        &history("Initiated id=another"),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 StartChildWorkflowExecutionInitiated: type=child id=another
              code now: StartChildWorkflowExecution type=child id=child-1
              at:       child_workflows.rs `let code = |ctx: WorkflowContext| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) };`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        code,
        &history("Initiated type=another"),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 StartChildWorkflowExecutionInitiated: type=another id=child-1
              code now: StartChildWorkflowExecution type=child id=child-1
              at:       child_workflows.rs `let code = |ctx: WorkflowContext| async move { Ok(ctx.child_workflow(chore, 7).id("child-1").await?) };`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // Abide recognizes the ids that it generated itself.
    check_recorded(
        |ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) },
        &history("Initiated id=another").replace("4 WorkflowTaskCompleted", "4 WorkflowTaskCompleted sdk=abide"),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 StartChildWorkflowExecutionInitiated: type=child id=another
              code now: StartChildWorkflowExecution type=child id=cc02114a-7b97-4608-b833-669af805ea51
              at:       child_workflows.rs `|ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) },`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn another_type_is_refused_whoever_recorded_it() {
    let history = after_first_task(&STARTED.replace("Initiated", "Initiated id=another type=other"));
    for flags in ["flags=none", "sdk=temporal-go flags=none"] {
        check_recorded(
            |ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) },
            &history.replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {flags}")),
            expect![[r#"
                Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                  history:  event 5 StartChildWorkflowExecutionInitiated: type=other id=another
                  code now: StartChildWorkflowExecution type=child id=cc02114a-7b97-4608-b833-669af805ea51
                  at:       child_workflows.rs `|ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) },`
                  next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
        );
    }
}

#[test]
fn another_command_than_the_recorded_child_is_nondeterminism() {
    check_recorded(
        |ctx| async move { Ok(ctx.timer(secs(1)).await?) },
        &after_first_task(STARTED),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 StartChildWorkflowExecutionInitiated: type=child id=child-1
              code now: StartTimer id=1
              at:       child_workflows.rs `|ctx| async move { Ok(ctx.timer(secs(1)).await?) },`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |_| async { Ok(()) },
        &after_first_task(STARTED),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 StartChildWorkflowExecutionInitiated: type=child id=child-1
              code now: CompleteWorkflowExecution: the workflow returned
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 TimerStarted: id=1
              code now: StartChildWorkflowExecution type=child id=cc02114a-7b97-4608-b833-669af805ea51
              at:       child_workflows.rs `|ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) },`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_child_is_signalled_by_its_id() {
    let code = |ctx: WorkflowContext| async move {
        let child = ctx.child_workflow(Listener::run, ()).id("child-1").start().await?;
        let sent = child.signal(Listener::hear, "hello".into()).await;
        Ok(match sent {
            Ok(()) => child.await?,
            Err(error) => format!("{error}; not found {}", error.is_not_found()),
        })
    };
    let started = after_first_task(&STARTED.replace("Initiated", "Initiated type=listener"));
    check(
        code,
        &started,
        expect![[
            r#"SignalExternalWorkflowExecution workflow=child-1 name=hear input="hello" child_workflow_only=true"#
        ]],
    );
    let signalled = |outcome: &str| {
        format!(
            "{started}
             9 WorkflowTaskCompleted
             10 SignalExternalWorkflowExecutionInitiated name=hear workflow=child-1
             11 {outcome}
             12 ChildWorkflowExecutionCompleted result=\"hello\"
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted"
        )
    };
    check(
        code,
        &signalled("ExternalWorkflowExecutionSignaled"),
        expect![[r#"CompleteWorkflowExecution result="hello""#]],
    );
    check(
        code,
        &signalled("SignalExternalWorkflowExecutionFailed"),
        expect![[
            r#"CompleteWorkflowExecution result="workflow child-1: Unable to signal external workflow because it was not found (ExternalWorkflowExecutionNotFound); not found true""#
        ]],
    );
}

#[test]
fn what_cannot_be_written_fails_the_task() {
    check(
        |ctx| async move {
            let map = BTreeMap::from([((1_u8, 2_u8), 3_u8)]);
            Ok(ctx.child_workflow(chore, 7).memo("map", &map).await?)
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: child workflow `child` cannot be started: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at child_workflows.rs `Ok(ctx.child_workflow(chore, 7).memo("map", &map).await?)`)"#
        ]],
    );
    check(
        |ctx| async move {
            let child = ctx.child_workflow(Listener::run, ()).id("child-1").start().await?;
            child.signal(Listener::unwritable, BTreeMap::from([((1, 2), 3)])).await?;
            Ok(child.await?)
        },
        &after_first_task(&STARTED.replace("Initiated", "Initiated type=listener")),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the arguments of signal `unwritable` cannot be written: argument 1: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at child_workflows.rs `child.signal(Listener::unwritable, BTreeMap::from([((1, 2), 3)])).await?;`)"
        ],
    );
}

#[test]
fn a_child_in_another_namespace_is_signalled_and_cancelled_there() {
    let code = |ctx: WorkflowContext| async move {
        let call = ctx.child_workflow(Listener::run, ()).id("child-1").namespace("theirs");
        let child = call.start().await?;
        child.signal(Listener::hear, "hello".into()).await?;
        child.cancel_with_reason("enough");
        Ok(child.await?)
    };
    check(code, FIRST_TASK, expect!["StartChildWorkflowExecution namespace=theirs id=child-1 type=listener"]);
    let started = after_first_task(
        "5 StartChildWorkflowExecutionInitiated namespace=theirs id=child-1 type=listener
         6 ChildWorkflowExecutionStarted namespace=theirs
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
    );
    check(
        code,
        &started,
        expect![[
            r#"SignalExternalWorkflowExecution namespace=theirs workflow=child-1 name=hear input="hello" child_workflow_only=true"#
        ]],
    );
    let signalled = format!(
        "{started}
         9 WorkflowTaskCompleted
         10 SignalExternalWorkflowExecutionInitiated namespace=theirs name=hear workflow=child-1
         11 ExternalWorkflowExecutionSignaled namespace=theirs
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted"
    );
    check(
        code,
        &signalled,
        expect![
            "RequestCancelExternalWorkflowExecution namespace=theirs id=child-1 child_workflow_only=true reason=enough"
        ],
    );
    check(
        code,
        &format!(
            "{signalled}
             14 WorkflowTaskCompleted
             15 RequestCancelExternalWorkflowExecutionInitiated namespace=theirs workflow=child-1
             16 ChildWorkflowExecutionCompleted namespace=theirs result=\"hello\"
             17 WorkflowTaskScheduled
             18 WorkflowTaskStarted"
        ),
        expect![[r#"CompleteWorkflowExecution result="hello""#]],
    );
}
