//! Dynamic workflows, and handlers of messages whose names are not known in advance.

use std::rc::Rc;
use std::sync::Arc;

use expect_test::expect;

use crate::by_name::{ActivityType, SignalType};
use crate::converter::{RawArguments, RawPayload};
use crate::duration::secs;
use crate::replay::Input;
use crate::replay::text::parse_task;
use crate::runtime::WorkflowRegistry;
use crate::runtime::specs::harness::{
    after_first_task, ask_at_the_start, check, check_workflow, new_run, registry, task, text,
};
use crate::{ApplicationFailure, State, WorkflowContext, WorkflowError, workflow, workflow_methods};

/// Writes down every message.
#[workflow(name = "wf")]
#[derive(Default)]
struct Ledger {
    lines: State<Vec<String>>,
}

#[workflow_methods]
impl Ledger {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, _first: Option<u32>) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.lines.read().iter().any(|line| line.starts_with("end"))).await?;
        Ok(self.lines.take())
    }

    #[signal]
    fn known(&self, text: String) {
        self.write("known", &text);
    }

    /// Takes all other signals.
    #[signal(dynamic)]
    async fn any_signal(&self, ctx: &WorkflowContext, name: String, args: RawArguments) -> Result<(), WorkflowError> {
        if name == "slow" {
            ctx.timer(secs(1)).await?;
        }
        let first: Option<String> = args.get(0)?;
        self.write(&name, &format!("{} {first:?}", args.len()));
        Ok(())
    }

    #[query]
    fn lines(&self) -> usize {
        self.lines.read().len()
    }

    #[query(dynamic)]
    fn any_query(&self, name: String, args: RawArguments) -> Result<String, WorkflowError> {
        Ok(format!("{name}: {}", args.get::<u32>(0)?))
    }

    #[update]
    fn known_update(&self) {}

    #[update(dynamic, unfinished_policy = abandon)]
    fn any_update(&self, name: String, args: RawArguments) -> Result<RawPayload, WorkflowError> {
        self.write(&name, "updated");
        Ok(args.get(0)?)
    }

    #[update_validator(any_update)]
    fn check_update(&self, name: &str, args: &RawArguments) -> Result<(), WorkflowError> {
        match args.is_empty() {
            true => Err(ApplicationFailure::new(format!("{name} has no argument")).into()),
            false => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str) {
        self.lines.write().push(format!("{name} {text}"));
    }
}

#[test]
fn the_dynamic_handlers_of_a_struct_take_what_no_other_handler_takes() {
    check_workflow(
        Ledger::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=known input=\"a\"
             6 WorkflowExecutionSignaled name=other input=\"b\",2
             7 WorkflowExecutionSignaled name=slow
             8 WorkflowExecutionSignaled name=__temporal_reserved
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerStarted
             13 TimerFired
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted
             update id=u1 name=known_update
             update id=u2 name=set input=7
             update id=u3 name=clear
             update id=u4 name=__temporal_update input=1
             update id=u5 name=end input=\"last\"",
        ),
        None,
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            ProtocolMessage message_id=u2/request/accept
            ProtocolMessage message_id=u2/request/complete
            ProtocolMessage message_id=u5/request/accept
            ProtocolMessage message_id=u5/request/complete
            CompleteWorkflowExecution result=["known a","other 2 Some(\"b\")","set updated","end updated","slow 0 None"]
            u1/request/accept of u1: Acceptance request=u1/request sequencing=14 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=known_update
            u1/request/complete of u1: Response update=u1 meta.identity=caller result=null
            u2/request/accept of u2: Acceptance request=u2/request sequencing=14 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=set args=7
            u2/request/complete of u2: Response update=u2 meta.identity=caller result=7
            u3/request/reject of u3: Rejection rejected_request_message_id=u3/request rejected_request_sequencing=14 rejected_request.meta.update_id=u3 rejected_request.meta.identity=caller rejected_request.input.name=clear message="clear has no argument" source=AbideSDK
            u5/request/accept of u5: Acceptance request=u5/request sequencing=14 accepted_request.meta.update_id=u5 accepted_request.meta.identity=caller name=end args="last"
            u5/request/complete of u5: Response update=u5 meta.identity=caller result="last"
            u4/request/reject of u4: Rejection rejected_request_message_id=u4/request rejected_request_sequencing=14 rejected_request.meta.update_id=u4 rejected_request.meta.identity=caller rejected_request.input.name=__temporal_update rejected_request.input.args=1 message="unknown update `__temporal_update`; this workflow's updates: known_update" source=AbideSDK type=UnknownUpdate"#]],
    );
}

#[test]
fn an_error_of_a_dynamic_signal_handler_fails_the_workflow() {
    check_workflow(
        Ledger::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=other input=7
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted",
        ),
        None,
        expect![[
            r#"FailWorkflowExecution message="argument 1: expected `Option<String>`, found JSON: an integer" source=AbideSDK type=PayloadError"#
        ]],
    );
}

#[test]
fn dynamic_queries_are_answered_and_the_metadata_query_shows_handlers_without_names() {
    let answers = ask_at_the_start(
        new_run(&registry(Ledger::run), None),
        &[
            ("lines", None),
            ("any", Some(7)),
            ("any", None),
            ("__temporal_other", None),
            ("__temporal_workflow_metadata", None),
        ],
    );
    expect![[r#"
        0
        "any: 7"
        failed: argument 1 is missing: expected `u32`, found 0 arguments
        failed: unknown query `__temporal_other`; this workflow's queries: lines
        {"definition":{"queryDefinitions":[{},{"description":"What the workflow waits for, as data.","name":"__enhanced_stack_trace"},{"description":"What the workflow waits for.","name":"__stack_trace"},{"description":"The workflow's type, its handlers and its current details.","name":"__temporal_workflow_metadata"},{"name":"lines"}],"signalDefinitions":[{"description":"Takes all other signals."},{"name":"known"}],"type":"wf","updateDefinitions":[{},{"name":"known_update"}]}}"#]].assert_eq(&answers);
}

/// Sets dynamic handlers while it runs.
async fn dynamic(ctx: WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let lines = Rc::new(State::new(Vec::new()));
    let (signals, updates) = (lines.clone(), lines.clone());
    ctx.set_signal_handler(SignalType::<fn()>::new("known"), {
        let lines = lines.clone();
        async move |_, ()| {
            lines.write().push("known".to_string());
            Ok(())
        }
    });
    ctx.timer(secs(1)).await?;
    let any = ctx.set_dynamic_signal_handler(async move |_, name, args| {
        signals.write().push(format!("{name} {}", args.len()));
        Ok(())
    });
    ctx.set_dynamic_query_handler(|_, name, args| Ok(format!("{name} {}", args.len())));
    ctx.set_dynamic_update_handler(async move |_, name, args| {
        updates.write().push(format!("{name} {}", args.len()));
        Ok(args.len())
    })
    .validator(|_, (name, _)| match name.as_str() {
        "refused" => Err(ApplicationFailure::new("no").into()),
        _ => Ok(()),
    });
    ctx.wait_until(|| lines.read().len() >= 3).await?;
    any.remove();
    ctx.timer(secs(1)).await?;
    lines.write().push(ctx.unhandled_signals().join(", "));
    Ok(lines.take())
}

#[test]
fn a_dynamic_handler_that_is_set_gets_all_signals_that_wait() {
    check(
        dynamic,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionSignaled name=one input=1
             7 WorkflowExecutionSignaled name=known
             8 WorkflowExecutionSignaled name=two
             9 TimerFired
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted
             12 WorkflowTaskCompleted
             13 TimerStarted id=2
             14 WorkflowExecutionSignaled name=three
             15 TimerFired id=2
             16 WorkflowTaskScheduled
             17 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["known","one 1","two 0","three"]"#]],
    );
}

#[test]
fn a_dynamic_update_handler_that_is_set_validates_and_answers() {
    check(
        dynamic,
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             update id=u1 name=refused
             update id=u2 name=done input=1,2",
        ),
        expect![[r#"
            ProtocolMessage message_id=u2/request/accept
            ProtocolMessage message_id=u2/request/complete
            u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=7 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=refused message=no source=AbideSDK
            u2/request/accept of u2: Acceptance request=u2/request sequencing=7 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=done args=1,2
            u2/request/complete of u2: Response update=u2 meta.identity=caller result=2"#]],
    );
}

/// Runs workflows of all types: an activity of the workflow's name, with the workflow's arguments.
#[workflow(dynamic)]
async fn any_workflow(ctx: &WorkflowContext, args: RawArguments) -> Result<RawPayload, WorkflowError> {
    let activity = ActivityType::<fn(RawArguments) -> RawPayload>::named(ctx.info().workflow_type.clone());
    Ok(ctx.activity(activity, args).start_to_close_timeout(secs(5)).await?)
}

#[workflow]
async fn plain(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.timer(secs(1)).await?)
}

#[test]
fn a_dynamic_workflow_runs_every_type_that_no_other_workflow_has() {
    let mut workflows = WorkflowRegistry::default();
    workflows.add(any_workflow);
    workflows.add(plain);
    assert_eq!(workflows.names().collect::<Vec<_>>(), ["plain"]);
    assert_eq!(workflows.dynamic(), Some(("any_workflow", None)));
    assert!(workflows.has("anything"));
    let workflows = Arc::new(workflows);
    let first = |name: &str| {
        let history = format!(
            "1 WorkflowExecutionStarted type={name} input=\"a\",2\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted"
        );
        let (events, _) = parse_task(&history).unwrap();
        text(&new_run(&workflows, None).handle(Input::WorkflowTask(Box::new(task(&events)))))
    };
    expect!["StartTimer id=1 after=1s"].assert_eq(&first("plain"));
    expect![[r#"ScheduleActivityTask id=1 type=translate input="a",2 start_to_close=5s"#]]
        .assert_eq(&first("translate"));
}

#[test]
fn a_second_dynamic_workflow_is_a_duplicate() {
    let mut workflows = WorkflowRegistry::default();
    workflows.add(any_workflow);
    workflows.add(any_workflow);
    assert_eq!(workflows.duplicates().collect::<Vec<_>>(), ["any_workflow (dynamic)"]);
}
