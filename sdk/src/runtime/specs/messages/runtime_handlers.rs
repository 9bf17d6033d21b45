//! Handlers that are set and removed while the workflow runs.

use std::rc::Rc;

use expect_test::{Expect, expect};

use crate::by_name::{QueryType, SignalType, UpdateType};
use crate::duration::secs;
use crate::replay::text::parse_task;
use crate::replay::{Input, Output};
use crate::runtime::specs::harness::{
    after_first_task, ask_at_the_start, check, check_workflow, new_run, registry, run_of, task,
};
use crate::workflow::UnfinishedPolicy;
use crate::{ApplicationFailure, State, WorkflowContext, WorkflowError, workflow, workflow_methods};

const SAY: SignalType<fn(String)> = SignalType::new("say");
const OPEN: SignalType<fn()> = SignalType::new("open");
const ADD: UpdateType<fn(u32) -> u32> = UpdateType::new("add");
const TOTAL: QueryType<fn(u32) -> u32> = QueryType::new("total");

type Log = Rc<State<Vec<String>>>;

/// Sets a handler that writes what is said into the log.
fn hear(ctx: &WorkflowContext, log: &Log, prefix: &'static str) -> crate::workflow::RuntimeHandler {
    let log = log.clone();
    ctx.set_signal_handler(SAY, async move |_, text| {
        log.write().push(format!("{prefix}{text}"));
        Ok(())
    })
}

/// Hears nothing until it is opened, and ends when three things were said.
async fn late(ctx: WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let log = Log::default();
    let heard = log.clone();
    ctx.set_signal_handler(OPEN, async move |ctx, ()| {
        heard.write().push(format!("waiting: {}", ctx.unhandled_signals().join(", ")));
        hear(ctx, &heard, "");
        heard.write().push(format!("waiting: {}", ctx.unhandled_signals().join(", ")));
        Ok(())
    });
    ctx.wait_until(|| log.read().len() == 5).await?;
    Ok(log.take())
}

#[test]
fn kept_signals_reach_a_new_handler_in_their_order_and_before_those_of_the_task() {
    check(
        late,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=\"one\"
             6 WorkflowExecutionSignaled name=shout input=\"hey\"
             7 WorkflowExecutionSignaled name=say input=\"two\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 WorkflowExecutionSignaled name=open
             12 WorkflowExecutionSignaled name=say input=\"three\"
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["waiting: say, shout","waiting: shout","one","two","three"]"#]],
    );
}

#[test]
fn a_kept_signal_keeps_its_headers() {
    check(
        |ctx: WorkflowContext| async move {
            let log = Log::default();
            ctx.set_signal_handler(SAY, {
                let log = log.clone();
                async move |ctx, text| {
                    log.write().push(format!("{text} {:?}", ctx.message_header::<String>("trace")?));
                    Ok(())
                }
            });
            ctx.wait_until(|| log.read().len() == 1).await?;
            Ok(log.take())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionSignaled name=say input=\"hey\" header.trace=\"abc\"
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result=["hey Some(\"abc\")"]"#]],
    );
}

#[test]
fn signals_before_the_first_task_wait_for_the_main_routine_to_set_their_handler() {
    check(
        |ctx: WorkflowContext| async move {
            let log = Log::default();
            hear(&ctx, &log, "");
            log.write().push("main".into());
            ctx.wait_until(|| log.read().len() == 3).await?;
            Ok(log.take())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionSignaled name=say input=\"first\"
         3 WorkflowExecutionSignaled name=say input=\"second\"
         4 WorkflowTaskScheduled
         5 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result=["main","first","second"]"#]],
    );
}

#[test]
fn a_handler_may_wait_for_operations_and_fails_the_workflow_with_its_error() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.set_signal_handler(SAY, async |ctx, text| {
                ctx.timer(secs(1)).await?;
                Err(ApplicationFailure::new(text).error_type("Said").into())
            });
            ctx.cancelled().await;
            Ok(())
        },
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=\"no\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 TimerStarted
             10 TimerFired
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect!["FailWorkflowExecution message=no source=AbideSDK type=Said"],
    );
}

#[test]
fn a_later_handler_replaces_an_earlier_one_and_a_removed_one_leaves_signals_waiting() {
    check(
        |ctx: WorkflowContext| async move {
            let log = Log::default();
            let first = hear(&ctx, &log, "first: ");
            let second = hear(&ctx, &log, "second: ");
            first.remove();
            ctx.wait_until(|| log.read().len() == 1).await?;
            second.remove();
            ctx.timer(secs(1)).await?;
            log.write().push(format!("waiting: {}", ctx.unhandled_signals().join(", ")));
            hear(&ctx, &log, "third: ");
            ctx.wait_until(|| log.read().len() == 3).await?;
            Ok(log.take())
        },
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=\"a\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 TimerStarted
             10 WorkflowExecutionSignaled name=say input=\"b\"
             11 TimerFired
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["second: a","waiting: say","third: b"]"#]],
    );
}

/// Adds up, after it has set a timer.
async fn adder(ctx: WorkflowContext) -> Result<u32, WorkflowError> {
    let total = Rc::new(State::new(0));
    let (added, shown) = (total.clone(), total.clone());
    ctx.set_update_handler(ADD, async move |ctx, amount| {
        ctx.timer(secs(1)).await?;
        added.update(|total| *total += amount);
        Ok(added.get())
    })
    .validator(|_, amount| match amount {
        0 => Err(ApplicationFailure::new("nothing to add").into()),
        _ => Ok(()),
    })
    .description("Adds up.");
    ctx.set_query_handler(TOTAL, move |_, plus| Ok(shown.get() + plus));
    ctx.wait_until(|| total.get() > 100 && ctx.all_handlers_finished()).await?;
    Ok(total.get())
}

#[test]
fn an_update_with_the_first_task_waits_for_its_handler_and_is_validated() {
    check(
        adder,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         update id=u1 name=add input=101
         update id=u2 name=add input=0
         update id=u3 name=subtract input=1",
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            StartTimer id=1 after=1s
            u1/request/accept of u1: Acceptance request=u1/request sequencing=2 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=add args=101
            u2/request/reject of u2: Rejection rejected_request_message_id=u2/request rejected_request_sequencing=2 rejected_request.meta.update_id=u2 rejected_request.meta.identity=caller rejected_request.input.name=add rejected_request.input.args=0 message="nothing to add" source=AbideSDK
            u3/request/reject of u3: Rejection rejected_request_message_id=u3/request rejected_request_sequencing=2 rejected_request.meta.update_id=u3 rejected_request.meta.identity=caller rejected_request.input.name=subtract rejected_request.input.args=1 message="unknown update `subtract`; this workflow's updates: add" source=AbideSDK type=UnknownUpdate"#]],
    );
}

#[test]
fn an_accepted_update_is_replayed() {
    check(
        adder,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 WorkflowExecutionUpdateAccepted update=u1 name=add args=101
         6 TimerStarted
         7 TimerFired
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect![[r#"
            ProtocolMessage message_id=u1/request/complete
            CompleteWorkflowExecution result=101
            u1/request/complete of u1: Response update=u1 result=101"#]],
    );
}

#[test]
fn an_update_that_came_before_its_handler_was_set_is_refused_with_the_known_names() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.set_update_handler(ADD, async |_, amount| Ok(amount)).remove();
            ctx.set_update_handler(UpdateType::<fn()>::new("other"), async |_, ()| Ok(()));
            Ok(ctx.timer(secs(1)).await?)
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         update id=u1 name=add input=101",
        expect![[r#"
            StartTimer id=1 after=1s
            u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=2 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=add rejected_request.input.args=101 message="unknown update `add`; this workflow's updates: other" source=AbideSDK type=UnknownUpdate"#]],
    );
}

/// Handles `say` itself, and sets further handlers.
#[workflow(name = "wf")]
#[derive(Default)]
struct Host {
    said: State<Vec<String>>,
}

#[workflow_methods]
impl Host {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, what: Option<String>) -> Result<Vec<String>, WorkflowError> {
        match what.as_deref().unwrap_or_default() {
            "twice" => drop(ctx.set_signal_handler(SAY, async |_, _| Ok(()))),
            "reserved" => drop(ctx.set_query_handler(QueryType::<fn()>::new("__temporal_x"), |_, ()| Ok(()))),
            _ => {}
        }
        ctx.set_signal_handler(OPEN, async |ctx, ()| {
            let this = ctx.workflow_struct::<Self>();
            this.said.write().push("opened".into());
            Ok(ctx.timer(secs(1)).await?)
        })
        .unfinished_policy(UnfinishedPolicy::Abandon)
        .description("Opens.");
        ctx.wait_until(|| self.said.read().len() == 2).await?;
        Ok(self.said.take())
    }

    #[signal]
    fn say(&self, text: String) {
        self.said.write().push(text);
    }

    #[query]
    fn set(&self, ctx: &WorkflowContext) -> bool {
        drop(ctx.set_signal_handler(OPEN, async |_, ()| Ok(())));
        true
    }
}

#[track_caller]
fn check_host(what: &str, expected: Expect) {
    let history = format!(
        "1 WorkflowExecutionStarted type=wf input=\"{what}\"
         2 WorkflowExecutionSignaled name=open
         3 WorkflowExecutionSignaled name=say input=\"hey\"
         4 WorkflowTaskScheduled
         5 WorkflowTaskStarted"
    );
    check_workflow(Host::run, &history, None, expected);
}

#[test]
fn a_struct_has_its_own_handlers_and_those_that_were_set() {
    check_host(
        "",
        expect![[r#"
        StartTimer id=1 after=1s
        CompleteWorkflowExecution result=["hey","opened"]"#]],
    );
}

#[test]
fn a_handler_of_the_struct_cannot_be_set_and_neither_can_a_reserved_name() {
    check_host(
        "twice",
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at runtime_handlers.rs `"twice" => drop(ctx.set_signal_handler(SAY, async |_, _| Ok(()))),`: the handler of signal `say` cannot be set: the workflow's struct has one (runtime_handlers.rs `fn say(&self, text: String) {`); remove the attribute of that one, or choose another name"#
        ]],
    );
    check_host(
        "reserved",
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at runtime_handlers.rs `"reserved" => drop(ctx.set_query_handler(QueryType::<fn()>::new("__temporal_x"), |_, ()| Ok(()))),`: the handler of query `__temporal_x` cannot be set: Temporal reserves the name"#
        ]],
    );
}

#[test]
fn a_handler_that_need_not_finish_causes_no_warning() {
    let (events, _) = parse_task(
        "1 WorkflowExecutionStarted type=wf input=\"\"
         2 WorkflowExecutionSignaled name=open
         3 WorkflowExecutionSignaled name=say input=\"hey\"
         4 WorkflowTaskScheduled
         5 WorkflowTaskStarted",
    )
    .unwrap();
    let mut run = new_run(&registry(Host::run), None);
    let output = run.handle(Input::WorkflowTask(Box::new(task(&events))));
    let Output::Complete(completion) = output else { panic!("{output:?}") };
    assert!(completion.closes_workflow);
    assert_eq!(run.unfinished_handlers(), None);
}

#[test]
fn queries_are_answered_by_handlers_that_were_set() {
    let answers = ask_at_the_start(run_of(adder), &[("total", Some(7)), ("total", None), ("nosuch", None)]);
    expect![[r#"
        7
        failed: the arguments of query `total` do not fit its handler: argument 1 is missing: expected `u32`, found 0 arguments
        failed: unknown query `nosuch`; this workflow's queries: total"#]]
    .assert_eq(&answers);
}

#[test]
fn a_query_cannot_set_a_handler() {
    let answers = ask_at_the_start(new_run(&registry(Host::run), None), &[("set", None)]);
    expect!["failed: the query handler panicked at runtime_handlers.rs `drop(ctx.set_signal_handler(OPEN, async |_, ()| Ok(())));`: a new message handler in a query handler: a query must not change the workflow; use a signal or an update for that"].assert_eq(&answers);
}

#[test]
fn the_metadata_query_tells_of_handlers_that_were_set() {
    expect![[r#"{"definition":{"queryDefinitions":[{"description":"What the workflow waits for, as data.","name":"__enhanced_stack_trace"},{"description":"What the workflow waits for.","name":"__stack_trace"},{"description":"The workflow's type, its handlers and its current details.","name":"__temporal_workflow_metadata"},{"name":"total"}],"signalDefinitions":[],"type":"wf","updateDefinitions":[{"description":"Adds up.","name":"add"}]}}"#]].assert_eq(&ask_at_the_start(run_of(adder), &[("__temporal_workflow_metadata", None)]));
    expect![[r#"{"definition":{"queryDefinitions":[{"description":"What the workflow waits for, as data.","name":"__enhanced_stack_trace"},{"description":"What the workflow waits for.","name":"__stack_trace"},{"description":"The workflow's type, its handlers and its current details.","name":"__temporal_workflow_metadata"},{"name":"set"}],"signalDefinitions":[{"description":"Opens.","name":"open"},{"name":"say"}],"type":"wf"}}"#]].assert_eq(&ask_at_the_start(new_run(&registry(Host::run), None), &[("__temporal_workflow_metadata", None)]));
}
