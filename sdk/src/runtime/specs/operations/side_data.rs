//! Data that runs and commands carry beside their main content: groups, headers, priorities, versions, texts for
//! people.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::sdk::v1::event_group_marker::Variant;
use expect_test::{Expect, expect};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::definition::PayloadValue;
use crate::duration::{hours, secs};
use crate::history::payload_text;
use crate::replay::text::{command_line, parse_history};
use crate::replay::{Input, Output, WorkflowTask};
use crate::runtime::specs::harness::{
    FIRST_TASK, after_first_task, ask_at_the_start, check, new_run, query_answer, registry, run_of, task, text,
};
use crate::runtime::{RunOptions, WorkflowRun};
use crate::workflow::{ActivityCancellationType, TimerHandle};
use crate::{
    ActivityError, ContinueAsNewVersioningBehavior, DeploymentVersion, Priority, RetryPolicy, State, WorkflowContext,
    WorkflowError, activity, workflow, workflow_methods,
};

#[activity]
async fn charge(_cents: u32) -> Result<(), ActivityError> {
    Ok(())
}

/// Returns the commands of the history's last task, with the groups and the summary of each.
fn commands(run: &mut WorkflowRun, events: &[HistoryEvent]) -> String {
    match run.handle(Input::WorkflowTask(Box::new(task(events)))) {
        Output::Complete(completion) => completion.commands.iter().map(shown).collect::<Vec<_>>().join("\n"),
        other => text(&other),
    }
}

fn shown(command: &Command) -> String {
    let mut line = command_line(command);
    if let Some(summary) = command.user_metadata.as_ref().and_then(|metadata| metadata.summary.as_ref()) {
        line += &format!(" summary={}", payload_text(summary, 100));
    }
    for marker in &command.event_group_markers {
        line += &match marker.variant.as_ref().unwrap() {
            Variant::InboundEvent(event) => format!(" | of event {}", event.inbound_event_id),
            Variant::InboundUpdate(update) => format!(" | of update {}", update.inbound_update_id),
            Variant::Label(label) => {
                let text = label.label.as_ref().map(|label| format!(" {}", payload_text(label, 100)));
                format!(" | in {}{}", label.id, text.unwrap_or_default())
            }
        };
    }
    line
}

#[track_caller]
fn check_shown<F, Fut, T>(workflow: F, history: &str, expected: Expect)
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    expected.assert_eq(&commands(&mut run_of(workflow), &parse_history(history).unwrap()));
}

#[test]
fn commands_carry_the_groups_they_were_begun_in() {
    check_shown(
        |ctx| async move {
            let order = ctx.event_group("order").label("The order");
            let (outer, inner) = (ctx.clone(), ctx.clone());
            let grouped = order.run(async move {
                let payment = outer.event_group("payment");
                let charging = outer.activity(charge, 1).start_to_close_timeout(secs(5));
                let (charged, slept) = crate::join!(payment.run(charging), inner.timer(secs(1)));
                charged?;
                slept?;
                Ok::<_, WorkflowError>(())
            });
            let (grouped, alone) = crate::join!(grouped, ctx.timer(secs(2)));
            grouped?;
            alone?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=1 type=charge input=1 start_to_close=5s | in order "The order" | in payment
            StartTimer id=1 after=1s | in order "The order"
            StartTimer id=2 after=2s"#]],
    );
}

#[test]
fn a_branch_belongs_to_the_group_it_was_spawned_in() {
    check_shown(
        |ctx| async move {
            let spawning = ctx.clone();
            let branch = ctx.event_group("branch").run(async move {
                let ctx = spawning.clone();
                (spawning.spawn(async move { ctx.timer(secs(1)).await }),)
            });
            let (branch,) = branch.await;
            ctx.timer(secs(2)).await?;
            branch.await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            StartTimer id=1 after=2s
            StartTimer id=2 after=1s | in branch"#]],
    );
}

/// Handlers that begin operations, and a main routine that ends them.
#[workflow(name = "wf")]
#[derive(Default)]
struct Grouped {
    kept: State<Option<TimerHandle>>,
    ended: State<bool>,
}

#[workflow_methods]
impl Grouped {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.ended.get()).await?;
        Ok(())
    }

    /// Begins a timer and leaves it.
    ///
    /// Nobody waits for it.
    #[signal]
    fn begin(&self, ctx: &WorkflowContext) {
        self.kept.set(Some(ctx.timer(secs(60)).start()));
    }

    #[signal]
    async fn work(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        ctx.activity(charge, 1).start_to_close_timeout(secs(5)).await?;
        Ok(())
    }

    #[signal]
    async fn branch(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let inner = ctx.clone();
        ctx.spawn(async move { inner.event_group("branch").run(inner.timer(secs(1))).await }).await?;
        Ok(())
    }

    #[signal]
    fn end(&self) {
        if let Some(timer) = self.kept.take() {
            timer.cancel();
        }
        self.ended.set(true);
    }

    #[query]
    fn draws(&self, ctx: &WorkflowContext) -> u32 {
        ctx.random()
    }

    #[query]
    fn tells(&self, ctx: &WorkflowContext) -> String {
        ctx.set_current_details("not from here");
        String::new()
    }
}

#[test]
fn operations_of_a_signal_handler_carry_the_signal() {
    let events = parse_history(&after_first_task(
        "5 WorkflowExecutionSignaled name=begin
         6 WorkflowExecutionSignaled name=work
         7 WorkflowExecutionSignaled name=branch
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    ))
    .unwrap();
    expect![[r#"
        StartTimer id=1 after=1m | of event 5
        StartTimer id=2 after=1s | of event 6
        StartTimer id=3 after=1s | of event 7 | in branch"#]]
    .assert_eq(&commands(&mut new_run(&registry(Grouped::run), None), &events));
}

const LATER: &str = "
    5 WorkflowExecutionSignaled name=begin
    6 WorkflowExecutionSignaled name=work
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted
    9 WorkflowTaskCompleted
    10 TimerStarted id=1
    11 TimerStarted id=2
    12 TimerFired started=11
    13 WorkflowTaskScheduled
    14 WorkflowTaskStarted
    15 WorkflowTaskCompleted
    16 ActivityTaskScheduled id=1 type=charge
    17 WorkflowExecutionSignaled name=end
    18 WorkflowTaskScheduled
    19 WorkflowTaskStarted";

#[test]
fn a_handler_that_goes_on_later_keeps_its_group_also_after_a_replay() {
    let events = parse_history(&after_first_task(LATER)).unwrap();
    let expected = expect!["ScheduleActivityTask id=1 type=charge input=1 start_to_close=5s | of event 6"];
    let replayed = commands(&mut new_run(&registry(Grouped::run), None), &events[..14]);
    expected.assert_eq(&replayed);
    let mut cached = new_run(&registry(Grouped::run), None);
    commands(&mut cached, &events[..8]);
    assert_eq!(commands(&mut cached, &events[8..14]), replayed);
}

#[test]
fn a_cancellation_is_of_the_operations_group_and_the_end_of_none() {
    let events = parse_history(&after_first_task(LATER)).unwrap();
    expect![[r#"
        CancelTimer id=1 | of event 5
        CompleteWorkflowExecution result=null"#]]
    .assert_eq(&commands(&mut new_run(&registry(Grouped::run), None), &events));
}

fn ask(history: &str, name: &str) -> String {
    let events = parse_history(history).unwrap();
    let query = WorkflowQuery { query_type: name.to_string(), ..Default::default() };
    let task = WorkflowTask { queries: vec![("q".into(), query)], ..task(&events) };
    let mut run = new_run(&registry(Grouped::run), None);
    match run.handle(Input::WorkflowTask(Box::new(task))) {
        Output::Complete(completion) => match &completion.query_results["q"].answer {
            Some(answer) => payload_text(&answer.payloads[0], 2000),
            None => query_answer(&completion.query_results["q"]),
        },
        other => text(&other),
    }
}

#[test]
fn b112_the_metadata_query_tells_the_handlers_with_their_descriptions() {
    let answer = ask(FIRST_TASK, "__temporal_workflow_metadata");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    expect![[r#"
        {
          "definition": {
            "queryDefinitions": [
              {
                "description": "What the workflow waits for, as data.",
                "name": "__enhanced_stack_trace"
              },
              {
                "description": "What the workflow waits for.",
                "name": "__stack_trace"
              },
              {
                "description": "The workflow's type, its handlers and its current details.",
                "name": "__temporal_workflow_metadata"
              },
              {
                "name": "draws"
              },
              {
                "name": "tells"
              }
            ],
            "signalDefinitions": [
              {
                "description": "Begins a timer and leaves it.\n\nNobody waits for it.",
                "name": "begin"
              },
              {
                "name": "branch"
              },
              {
                "name": "end"
              },
              {
                "name": "work"
              }
            ],
            "type": "wf"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer).unwrap());
}

#[test]
fn b112_the_metadata_query_tells_the_current_details() {
    let mut run = run_of(|ctx: WorkflowContext| async move {
        ctx.set_current_details("one");
        ctx.set_current_details(format!("{} **two**", ctx.current_details()));
        ctx.timer(secs(1)).await?;
        Ok(())
    });
    let query = WorkflowQuery { query_type: "__temporal_workflow_metadata".into(), ..Default::default() };
    let task = WorkflowTask { queries: vec![("q".into(), query)], ..task(&parse_history(FIRST_TASK).unwrap()) };
    let Output::Complete(completion) = run.handle(Input::WorkflowTask(Box::new(task))) else { panic!() };
    let answer = payload_text(&completion.query_results["q"].answer.as_ref().unwrap().payloads[0], 2000);
    assert!(answer.contains(r#""currentDetails":"one **two**""#), "{answer}");
}

#[test]
fn the_stack_trace_query_tells_what_is_waited_for_and_which_statements_began_it() {
    let history = after_first_task(
        "5 WorkflowExecutionSignaled name=begin
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted",
    );
    let answer: String = serde_json::from_str(&ask(&history, "__stack_trace")).unwrap();
    let lines: Vec<&str> = answer.lines().map(|line| line.split(".rs:").next().unwrap().trim()).collect();
    assert_eq!(lines[0], "timer id=1 in the handler of signal `begin`");
    assert!(lines[1].starts_with("at ") && lines[1].ends_with("side_data"), "{answer}");
    assert_eq!(lines[2], "condition");
    assert_eq!(lines.len(), 4, "{answer}");
}

#[test]
fn the_enhanced_stack_trace_query_tells_the_same_as_data() {
    let history = after_first_task(
        "5 WorkflowExecutionSignaled name=begin
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted",
    );
    let answer: serde_json::Value = serde_json::from_str(&ask(&history, "__enhanced_stack_trace")).unwrap();
    assert_eq!(answer["sdk"], serde_json::json!({ "name": "abide", "version": env!("CARGO_PKG_VERSION") }));
    assert_eq!(answer["sources"], serde_json::json!({}));
    let stacks = answer["stacks"].as_array().unwrap();
    let waits: Vec<&str> = stacks.iter().map(|stack| stack["locations"][0]["functionName"].as_str().unwrap()).collect();
    assert_eq!(waits, ["timer id=1 in the handler of signal `begin`", "condition"]);
    for stack in stacks {
        let location = &stack["locations"][0];
        assert!(location["filePath"].as_str().unwrap().ends_with("specs/operations/side_data.rs"), "{answer}");
        assert!(location["line"].as_u64() > Some(1) && location["column"].as_u64() > Some(1), "{answer}");
    }
    let ended = ask_at_the_start(run_of(|_| async { Ok(()) }), &[("__enhanced_stack_trace", None)]);
    assert!(ended.ends_with(r#""stacks":[]}"#), "{ended}");
}

#[test]
fn the_stack_trace_query_tells_of_cancellations_and_of_what_it_does_not_know() {
    let stack = |run: &mut WorkflowRun| {
        let query = WorkflowQuery { query_type: "__stack_trace".into(), ..Default::default() };
        let task = WorkflowTask { queries: vec![("q".into(), query)], ..task(&parse_history(FIRST_TASK).unwrap()) };
        let Output::Complete(completion) = run.handle(Input::WorkflowTask(Box::new(task))) else { panic!() };
        payload_text(&completion.query_results["q"].answer.as_ref().unwrap().payloads[0], 2000)
    };
    let cancelled = stack(&mut run_of(|ctx| async move { Ok(ctx.cancelled().await.to_string()) }));
    assert!(cancelled.starts_with("\"cancellation\\n    at "), "{cancelled}");
    let foreign = stack(&mut run_of(|_| async move {
        std::future::pending::<()>().await;
        Ok(())
    }));
    assert!(foreign.starts_with("\"something outside Temporal: a future that is not Abide's"), "{foreign}");
    assert!(foreign.ends_with("wakes\\n    at an unknown statement\\n\""), "{foreign}");
    let after_a_timer = stack(&mut run_of(|ctx| async move {
        ctx.timer(secs(1)).start().detach();
        std::future::pending::<()>().await;
        Ok(())
    }));
    let ends = "wakes; the workflow's last command was issued here\\n    at ";
    assert!(after_a_timer.contains(ends) && after_a_timer.contains("side_data.rs:"), "{after_a_timer}");
    let ended = stack(&mut run_of(|_| async move { Ok(()) }));
    assert_eq!(ended, "\"nothing: the workflow has ended\\n\"");
}

#[test]
fn a_query_draws_no_numbers_and_tells_no_details() {
    let answer = ask(FIRST_TASK, "draws");
    assert!(answer.contains("a random number in a query handler"), "{answer}");
    let answer = ask(FIRST_TASK, "tells");
    assert!(answer.contains("a change of the current details in a query handler"), "{answer}");
}

#[test]
fn b096_the_server_says_why_it_suggests_to_continue_as_new() {
    let reasons = |ctx: WorkflowContext| async move {
        let before = ctx.continue_as_new_reasons().len();
        ctx.timer(secs(1)).await?;
        let reasons = format!("{:?}", ctx.continue_as_new_reasons());
        Ok((before, ctx.continue_as_new_suggested(), reasons, ctx.target_deployment_version_changed()))
    };
    check(
        reasons,
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted suggest=true suggest_continue_as_new_reasons=1,3 target_worker_deployment_version_changed=true",
        ),
        expect![[r#"CompleteWorkflowExecution result=[0,true,"[HistorySizeTooLarge, TooManyUpdates]",true]"#]],
    );
}

#[test]
fn b105_a_replayed_task_tells_the_version_that_answered_it_and_a_live_one_the_workers_own() {
    let versions = |ctx: WorkflowContext| async move {
        let version = |ctx: &WorkflowContext| ctx.current_deployment_version().map(|version| version.to_string());
        let mut seen = vec![version(&ctx)];
        for _ in 0..3 {
            ctx.timer(secs(1)).await?;
            seen.push(version(&ctx));
        }
        Ok(seen)
    };
    let mut history = format!(
        "{FIRST_TASK}
         4 WorkflowTaskCompleted deployment_version.deployment_name=\"shop\" deployment_version.build_id=\"1\""
    );
    let mut id = 5;
    for completed in ["worker_deployment_version=\"shop.2\"", "worker_version.build_id=\"3\"", ""] {
        history += &format!(
            "\n{} TimerStarted\n{} TimerFired\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted\n",
            id,
            id + 1,
            id + 2,
            id + 3
        );
        if !completed.is_empty() {
            history += &format!("{} WorkflowTaskCompleted {completed}", id + 4);
        }
        id += 5;
    }
    let mut options = RunOptions::new("default", crate::replay::text::TASK_QUEUE);
    options.deployment_version = Some(Arc::new(DeploymentVersion::new("shop", "4")));
    let mut run = run_of(versions);
    run.set_options(Arc::new(options));
    expect![[r#"CompleteWorkflowExecution result=["shop:1","shop:2",":3","shop:4"]"#]]
        .assert_eq(&commands(&mut run, &parse_history(&history).unwrap()));
}

#[test]
fn b008_a_run_that_ends_as_cancelled_can_say_more() {
    check(
        |ctx| async move {
            match ctx.timer(hours(1)).await {
                Ok(()) => Ok(()),
                Err(cancelled) => Err(cancelled.detail(&"3 of 10".to_string())?.detail(&7_u32)?.into()),
            }
        },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested cause=\"enough\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CancelWorkflowExecution details="3 of 10",7"#]],
    );
}

#[test]
fn b095_continue_as_new_keeps_what_is_not_said_and_leaves_behind_what_is_not_wanted() {
    const STARTED: &str = "
        1 WorkflowExecutionStarted type=wf memo.note=\"kept\" search_attributes.Team=\"blue\" retry.maximum_attempts=3 header.trace=\"old\"
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted";
    check(
        |ctx| async move { Err::<(), _>(ctx.continue_as_new(next, 1).into()) },
        STARTED,
        expect![[
            r#"ContinueAsNewWorkflowExecution type=next input=1 retry.maximum_attempts=3 memo.note="kept" search_attributes.Team="blue""#
        ]],
    );
    check(
        |ctx| async move {
            let run = ctx
                .continue_as_new(next, 1)
                .without_memo()
                .without_search_attributes()
                .memo("more", &1_u32)
                .header("trace", &"new".to_string())
                .task_queue("other")
                .run_timeout(hours(2))
                .task_timeout(secs(5))
                .start_delay(secs(3))
                .retry_policy(RetryPolicy::new().maximum_attempts(7))
                .initial_versioning_behavior(ContinueAsNewVersioningBehavior::AutoUpgrade);
            Err::<(), _>(run.into())
        },
        STARTED,
        expect![[
            r#"ContinueAsNewWorkflowExecution type=next queue=other input=1 workflow_run=2h workflow_task=5s backoff_start_interval=3s retry.maximum_attempts=7 header.trace="new" memo.more=1 initial_versioning_behavior=AutoUpgrade"#
        ]],
    );
}

#[workflow]
async fn next(_ctx: &WorkflowContext, _n: u32) -> Result<(), WorkflowError> {
    Ok(())
}

#[test]
fn a_run_knows_what_it_was_started_with() {
    check(
        |ctx| async move {
            let info = ctx.info();
            let parent = info.parent.as_ref().map(|parent| format!("{}/{}", parent.namespace, parent.workflow_id));
            let root = info.root().map(|root| root.workflow_id.clone());
            let priority = info.priority();
            Ok(vec![
                format!("{:?} {:?}", info.static_summary(), info.static_details()),
                format!("{:?} {:?}", info.header::<String>("trace")?, info.header::<u32>("none")?),
                format!("{:?} {:?} {:?}", priority.priority_key, priority.fairness_key, priority.fairness_weight),
                format!("{parent:?} {root:?}"),
                format!("{:?}", info.start_delay()),
                format!("{:?}", info.expiration_time().map(|time| time.duration_since(info.start_time).unwrap())),
            ])
        },
        "1 WorkflowExecutionStarted type=wf header.trace=\"abc\" priority.priority_key=2 priority.fairness_key=\"blue\" \
         priority.fairness_weight=1.5 parent_workflow_namespace=\"other\" parent_workflow_execution=p/r1 \
         root_workflow_execution=top/r0 first_workflow_task_backoff=3s \
         workflow_execution_expiration_time=2026-01-01T01:00:00Z summary=\"sum\"
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result=["Some(\"sum\") None","Some(\"abc\") None","Some(2) Some(\"blue\") Some(1.5)","Some(\"other/p\") Some(\"top\")","Some(3s)","Some(3600s)"]"#]],
    );
}

#[test]
fn a_run_that_was_started_plainly_has_none_of_it() {
    check(
        |ctx| async move {
            let info = ctx.info();
            assert_eq!((info.static_summary(), info.static_details(), info.priority()), (None, None, Priority::new()));
            assert_eq!(
                (info.root(), info.start_delay(), info.expiration_time()),
                (None, None, None::<std::time::SystemTime>)
            );
            assert!(info.parent.is_none() && info.header::<u32>("any")?.is_none());
            Ok(())
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=null"],
    );
}

/// Recorded as by older servers: empty messages, and times before the epoch.
#[test]
fn present_but_empty_messages_read_as_none() {
    check(
        |ctx| async move {
            let info = ctx.info();
            assert!(info.parent.is_none() && info.root().is_none() && info.retry_policy.is_none());
            assert!(info.last_failure().is_none() && info.expiration_time().is_none() && info.start_delay().is_none());
            Ok(())
        },
        "1 WorkflowExecutionStarted type=wf parent_workflow_execution.workflow_id=\"\" \
         root_workflow_execution.run_id=\"\" retry_policy.maximum_attempts=0 continued_failure.message=\"\" \
         workflow_execution_expiration_time=0001-01-01T00:00:00Z first_workflow_task_backoff=0s
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn an_empty_deployment_version_hides_no_other() {
    check(
        |ctx| async move { Ok(ctx.current_deployment_version().map(|version| version.to_string())) },
        &format!(
            "{FIRST_TASK}
             4 WorkflowTaskCompleted deployment_version.build_id=\"\" worker_version.build_id=\"3\"
             5 WorkflowExecutionCompleted result=\":3\""
        ),
        expect!["Idle"],
    );
}

#[test]
fn activities_carry_headers_and_priorities() {
    check_shown(
        |ctx| async move {
            ctx.activity(charge, 1)
                .start_to_close_timeout(secs(5))
                .cancellation_type(ActivityCancellationType::Abandon)
                .header("trace", &"abc".to_string())
                .priority(Priority::new().priority_key(1).fairness_key("blue").fairness_weight(2.0))
                .summary("charges a card")
                .await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"ScheduleActivityTask id=1 type=charge header.trace="abc" input=1 start_to_close=5s priority.priority_key=1 priority.fairness_key=blue priority.fairness_weight=2 summary="charges a card""#
        ]],
    );
}

#[test]
fn a_condition_with_a_timeout_has_a_summary_for_its_timer() {
    check_shown(
        |ctx| async move {
            let met = ctx.wait_until(|| false).timeout(Duration::from_secs(3)).summary("patience").await?;
            Ok(met)
        },
        FIRST_TASK,
        expect![[r#"StartTimer id=1 after=3s summary="patience""#]],
    );
}

#[test]
fn b021_a_uuid_is_made_as_the_official_rust_sdk_makes_it() {
    // With seed 42 the official SDK's crates give this one.
    check(
        |ctx| async move {
            ctx.shared.random.borrow_mut().reseed(42);
            Ok(ctx.uuid4())
        },
        FIRST_TASK,
        expect![[r#"CompleteWorkflowExecution result="2220622a-f23e-4e6f-92d6-e5d942f4ad9b""#]],
    );
}

#[test]
fn b021_a_reset_begins_random_numbers_anew() {
    check(
        |ctx| async move {
            let begins_anew = |ctx: &WorkflowContext| {
                let mut fresh = Pcg64Mcg::seed_from_u64(ctx.random_seed());
                fresh.next_u64() == ctx.random::<u64>() && fresh.next_u64() == ctx.random::<u64>()
            };
            let (first, first_of_stream) = (begins_anew(&ctx), ctx.random_stream("a").random::<u64>());
            ctx.timer(secs(1)).await?;
            let stream = ctx.random_stream("a").random::<u64>() != first_of_stream;
            Ok((first, begins_anew(&ctx), stream))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskFailed cause=ResetWorkflow new_run_id=98765432-89ab-4def-8123-456789abcdef
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[true,true,true]"],
    );
}
