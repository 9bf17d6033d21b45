//! Interceptors around the handlers of signals, updates and queries.

use abide_protos::temporal::api::common::v1::{Header, Payloads};
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use async_trait::async_trait;
use expect_test::expect;

use super::{Notes, one};
use crate::by_name::SignalType;
use crate::converter::{RawPayload, to_payload};
use crate::duration::secs;
use crate::interceptor::{
    HandleQueryInput, HandleSignalInput, HandleUpdateInput, StartTimerInput, ValidateUpdateInput, WorkflowInterceptor,
    WorkflowNext,
};
use crate::replay::text::parse_task;
use crate::replay::{Input, Output, WorkflowTask};
use crate::runtime::specs::harness::{
    FIRST_TASK, after_first_task, check_with, closure, new_run, query_answer, registry, task, text, with_interceptors,
};
use crate::runtime::specs::log::Log;
use crate::{ApplicationFailure, State, WorkflowContext, WorkflowError, workflow, workflow_methods};

/// Keeps what its handlers say, until there are two lines.
#[workflow(name = "wf")]
#[derive(Default)]
struct Board {
    lines: State<Vec<String>>,
}

#[workflow_methods]
impl Board {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.lines.with(|lines| lines.len() >= 2)).await?;
        ctx.wait_until(|| ctx.all_handlers_finished()).await?;
        Ok(self.lines.take())
    }

    #[signal]
    fn say(&self, ctx: &WorkflowContext, text: String) {
        self.note(ctx, "say", &text);
    }

    #[signal]
    async fn say_slowly(&self, ctx: &WorkflowContext, text: String) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.note(ctx, "say_slowly", &text);
        Ok(())
    }

    #[update]
    fn add(&self, ctx: &WorkflowContext, text: String) -> usize {
        self.note(ctx, "add", &text);
        self.lines.with(Vec::len)
    }

    #[update_validator(add)]
    fn may_add(&self, ctx: &WorkflowContext, text: &str) -> Result<(), WorkflowError> {
        let from = ctx.message_header::<String>("from")?.unwrap_or_default();
        match text.is_empty() || from == "mallory" {
            true => Err(ApplicationFailure::new(format!("the validator refuses {text:?} from {from:?}")).into()),
            false => Ok(()),
        }
    }

    #[query]
    fn count(&self, ctx: &WorkflowContext, plus: usize) -> Result<String, WorkflowError> {
        let from = ctx.message_header::<String>("from")?.unwrap_or_default();
        Ok(format!("{} for {from:?}", self.lines.with(Vec::len) + plus))
    }

    fn note(&self, ctx: &WorkflowContext, what: &str, text: &str) {
        let from = ctx.message_header::<String>("from").unwrap().unwrap_or_default();
        let tag = ctx.value::<Tag>().map(|tag| tag.0.clone()).unwrap_or_default();
        let others = if ctx.all_handlers_finished() { "" } else { ", others run" };
        self.lines.update(|lines| lines.push(format!("{what} {text:?} from {from:?}{tag}{others}")));
    }
}

/// A value for handlers.
struct Tag(String);

/// Changes arguments and headers, sets a value, and refuses what begins with `no`.
struct Edits;

impl Edits {
    fn edit(
        arguments: &mut crate::converter::RawArguments,
        headers: &mut crate::Headers,
    ) -> Result<bool, WorkflowError> {
        let text: String = arguments.get(0)?;
        arguments.set(0, &text.to_uppercase())?;
        if let Some(from) = headers.get::<String>("from")? {
            headers.set("from", &format!("Mr. {from}"))?;
        }
        Ok(!text.starts_with("no"))
    }
}

#[async_trait(?Send)]
impl WorkflowInterceptor for Edits {
    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        if !Self::edit(&mut input.arguments, &mut input.headers)? {
            return Ok(());
        }
        let tag = Tag(format!(" (event {}, {})", input.event_id, input.name));
        ctx.with_value(tag, next.run(ctx, input)).await
    }

    fn validate_update(
        &self,
        ctx: &WorkflowContext,
        mut input: ValidateUpdateInput,
        next: WorkflowNext<ValidateUpdateInput>,
    ) -> Result<(), WorkflowError> {
        let text: String = input.arguments.get(0)?;
        match text.as_str() {
            "unchecked" => Ok(()),
            "refused" => Err(ApplicationFailure::new(format!("the interceptor refuses {}", input.id)).into()),
            "blank" => {
                input.arguments.set(0, &"")?;
                next.run(ctx, input)
            }
            _ => next.run(ctx, input),
        }
    }

    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        Self::edit(&mut input.arguments, &mut input.headers)?;
        let tag = Tag(format!(" ({} {})", input.name, input.id));
        let count: usize = ctx.with_value(tag, next.run(ctx, input)).await?.to_value()?;
        Ok(RawPayload::from_value(&(count * 10))?)
    }

    fn handle_query(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleQueryInput,
        next: WorkflowNext<HandleQueryInput>,
    ) -> Result<RawPayload, WorkflowError> {
        match input.arguments.get::<usize>(0)? {
            1 => return Err(ApplicationFailure::new(format!("no answer to {}", input.name)).into()),
            2 => drop(ctx.timer(secs(1)).start()),
            plus => input.arguments.set(0, &(plus + 100))?,
        }
        input.headers.set("from", &"the interceptor")?;
        let answer: String = next.run(ctx, input)?.to_value()?;
        Ok(RawPayload::from_value(&format!("{answer}!"))?)
    }
}

#[test]
fn arguments_headers_and_values_of_signals_can_be_changed_and_signals_refused() {
    let signals = "5 WorkflowExecutionSignaled name=say input=\"one\" header.from=\"ann\"
                   6 WorkflowExecutionSignaled name=say input=\"no\"
                   7 WorkflowExecutionSignaled name=say_slowly input=\"two\"
                   8 WorkflowTaskScheduled
                   9 WorkflowTaskStarted";
    check_with(&one(Edits), Board::run, &after_first_task(signals), expect![[r#"StartTimer id=1 after=1s"#]]);
    check_with(
        &one(Edits),
        Board::run,
        &after_first_task(&format!(
            "{signals}
             10 WorkflowTaskCompleted
             11 TimerStarted
             12 TimerFired
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted"
        )),
        expect![[
            r#"CompleteWorkflowExecution result=["say \"ONE\" from \"Mr. ann\" (event 5, say)","say_slowly \"TWO\" from \"\" (event 7, say_slowly), others run"]"#
        ]],
    );
}

#[test]
fn the_log_says_that_a_signal_was_refused() {
    let registry = with_interceptors(&registry(Board::run), one(Edits));
    let refused = "5 WorkflowExecutionSignaled name=say input=\"no\"
                   6 WorkflowExecutionSignaled name=say_slowly input=\"yes\"
                   7 WorkflowTaskScheduled
                   8 WorkflowTaskStarted";
    let (events, _) = parse_task(&after_first_task(refused)).unwrap();
    let log = Log::default();
    let run = &mut new_run(&registry, None);
    log.of(|| run.handle(Input::WorkflowTask(Box::new(task(&events)))));
    let lines = log.take();
    assert!(
        lines.len() == 1 && lines[0].ends_with("an interceptor did not pass a signal on, so it is dropped"),
        "{lines:?}"
    );
    // A replay is silent.
    let more = format!(
        "{refused}\n9 WorkflowTaskCompleted\n10 TimerStarted\n11 WorkflowTaskScheduled\n12 WorkflowTaskStarted"
    );
    let (events, _) = parse_task(&after_first_task(&more)).unwrap();
    log.of(|| new_run(&registry, None).handle(Input::WorkflowTask(Box::new(task(&events)))));
    assert_eq!(log.take(), Vec::<String>::new());
}

#[test]
fn arguments_that_do_not_fit_drop_a_signal_and_reject_an_update_as_without_interceptors() {
    struct PassesOn(Notes);
    #[async_trait(?Send)]
    impl WorkflowInterceptor for PassesOn {
        async fn handle_signal(
            &self,
            ctx: &WorkflowContext,
            input: HandleSignalInput,
            next: WorkflowNext<HandleSignalInput>,
        ) -> Result<(), WorkflowError> {
            self.0.add(input.name.clone());
            next.run(ctx, input).await
        }
    }
    let notes = Notes::default();
    check_with(
        &one(PassesOn(notes.clone())),
        Board::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=7
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             update id=u1 name=add input=7
             update id=u2 name=missing",
        ),
        expect![[r#"
            u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=6 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=add rejected_request.input.args=7 message="the arguments of update `add` do not fit its handler: argument 1: expected `String`, found JSON: an integer" source=AbideSDK type=PayloadError
            u2/request/reject of u2: Rejection rejected_request_message_id=u2/request rejected_request_sequencing=6 rejected_request.meta.update_id=u2 rejected_request.meta.identity=caller rejected_request.input.name=missing message="unknown update `missing`; this workflow's updates: add" source=AbideSDK type=UnknownUpdate"#]],
    );
    assert!(notes.take().iter().all(|name| name == "say"));
}

#[test]
fn updates_are_validated_and_handled_with_what_interceptors_pass_on() {
    check_with(
        &one(Edits),
        Board::run,
        &after_first_task(
            "5 WorkflowTaskScheduled
             6 WorkflowTaskStarted
             update id=u1 name=add input=\"one\" header.from=\"ann\"
             update id=u2 name=add input=\"refused\"
             update id=u3 name=add input=\"blank\"
             update id=u4 name=add input=\"bad\" header.from=\"mallory\"
             update id=u5 name=add input=\"unchecked\" header.from=\"mallory\"",
        ),
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            ProtocolMessage message_id=u5/request/accept
            ProtocolMessage message_id=u5/request/complete
            CompleteWorkflowExecution result=["add \"ONE\" from \"Mr. ann\" (add u1), others run","add \"UNCHECKED\" from \"Mr. mallory\" (add u5), others run"]
            u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller accepted_request.input.header.from="ann" name=add args="one"
            u1/request/complete of u1: Response update=u1 meta.identity=caller result=10
            u2/request/reject of u2: Rejection rejected_request_message_id=u2/request rejected_request_sequencing=5 rejected_request.meta.update_id=u2 rejected_request.meta.identity=caller rejected_request.input.name=add rejected_request.input.args="refused" message="the interceptor refuses u2" source=AbideSDK
            u3/request/reject of u3: Rejection rejected_request_message_id=u3/request rejected_request_sequencing=5 rejected_request.meta.update_id=u3 rejected_request.meta.identity=caller rejected_request.input.name=add rejected_request.input.args="blank" message="the validator refuses \"\" from \"\"" source=AbideSDK
            u4/request/reject of u4: Rejection rejected_request_message_id=u4/request rejected_request_sequencing=5 rejected_request.meta.update_id=u4 rejected_request.meta.identity=caller rejected_request.input.header.from="mallory" rejected_request.input.name=add rejected_request.input.args="bad" message="the validator refuses \"bad\" from \"mallory\"" source=AbideSDK
            u5/request/accept of u5: Acceptance request=u5/request sequencing=5 accepted_request.meta.update_id=u5 accepted_request.meta.identity=caller accepted_request.input.header.from="mallory" name=add args="unchecked"
            u5/request/complete of u5: Response update=u5 meta.identity=caller result=20"#]],
    );
}

#[test]
fn validation_is_not_repeated_on_replay() {
    struct Counts(Notes);
    #[async_trait(?Send)]
    impl WorkflowInterceptor for Counts {
        fn validate_update(
            &self,
            ctx: &WorkflowContext,
            input: ValidateUpdateInput,
            next: WorkflowNext<ValidateUpdateInput>,
        ) -> Result<(), WorkflowError> {
            self.0.add(format!("validates {}", input.id));
            next.run(ctx, input)
        }

        async fn handle_update(
            &self,
            ctx: &WorkflowContext,
            input: HandleUpdateInput,
            next: WorkflowNext<HandleUpdateInput>,
        ) -> Result<RawPayload, WorkflowError> {
            self.0.add(format!("handles {}", input.id));
            next.run(ctx, input).await
        }
    }
    let notes = Notes::default();
    let registry = with_interceptors(&registry(Board::run), one(Counts(notes.clone())));
    let history = after_first_task(
        "5 WorkflowTaskScheduled
         6 WorkflowTaskStarted
         7 WorkflowTaskCompleted
         8 WorkflowExecutionUpdateAccepted update=u1 name=add args=\"one\"
         9 WorkflowExecutionUpdateCompleted update=u1 result=1
         10 WorkflowTaskScheduled
         11 WorkflowTaskStarted
         update id=u2 name=add input=\"two\"",
    );
    let (events, messages) = parse_task(&history).unwrap();
    let task = WorkflowTask { messages, ..task(&events) };
    let output = text(&new_run(&registry, None).handle(Input::WorkflowTask(Box::new(task))));
    assert!(output.contains("CompleteWorkflowExecution"), "{output}");
    assert_eq!(notes.take(), ["handles u1", "validates u2", "handles u2"]);
}

#[test]
fn a_kept_signal_reaches_interceptors_when_there_is_a_handler() {
    const LATE: SignalType<fn(String)> = SignalType::new("late");
    let workflow = closure(|ctx| async move {
        ctx.timer(secs(1)).await?;
        let heard = std::rc::Rc::new(State::new(String::new()));
        let hears = heard.clone();
        ctx.set_signal_handler(LATE, async move |ctx, text| {
            let from: Option<String> = ctx.message_header("from")?;
            hears.set(format!("{text} from {from:?}"));
            Ok(())
        });
        ctx.wait_until(|| !heard.with(String::is_empty)).await?;
        Ok(heard.take())
    });
    check_with(
        &one(Edits),
        workflow,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionSignaled name=late input=\"kept\" header.from=\"ann\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerFired id=1
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="KEPT from Some(\"Mr. ann\")""#]],
    );
}

/// Passes messages on under another name.
struct Renames;

#[async_trait(?Send)]
impl WorkflowInterceptor for Renames {
    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        if input.name == "say" {
            let text: String = input.arguments.get(0)?;
            input.name = text;
        }
        next.run(ctx, input).await
    }

    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        input.name = "nosuch".into();
        next.run(ctx, input).await
    }
}

#[test]
fn a_message_goes_to_the_handler_of_the_name_that_is_passed_on() {
    check_with(
        &one(Renames),
        Board::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=\"say_slowly\"
             6 WorkflowExecutionSignaled name=say input=\"nosuch\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             update id=u1 name=add input=\"one\"",
        ),
        expect![[r#"
            StartTimer id=1 after=1s
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            u1/request/accept of u1: Acceptance request=u1/request sequencing=7 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=add args="one"
            u1/request/complete of u1: Response update=u1 meta.identity=caller message="unknown update `nosuch`; this workflow's updates: add" source=AbideSDK type=UnknownUpdate"#]],
    );
}

#[test]
fn arguments_that_fit_no_longer_fail_the_task_of_an_accepted_update() {
    struct Spoils;
    #[async_trait(?Send)]
    impl WorkflowInterceptor for Spoils {
        async fn handle_update(
            &self,
            ctx: &WorkflowContext,
            mut input: HandleUpdateInput,
            next: WorkflowNext<HandleUpdateInput>,
        ) -> Result<RawPayload, WorkflowError> {
            input.arguments.set(0, &7)?;
            next.run(ctx, input).await
        }
    }
    check_with(
        &one(Spoils),
        Board::run,
        &after_first_task("5 WorkflowTaskScheduled\n6 WorkflowTaskStarted\nupdate id=u1 name=add input=\"one\""),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the arguments of update `add` do not fit its handler: argument 1: expected `String`, found JSON: an integer"
        ],
    );
}

#[test]
fn queries_are_answered_through_interceptors_which_must_change_nothing() {
    let registry = with_interceptors(&registry(Board::run), one(Edits));
    let (events, _) = parse_task(FIRST_TASK).unwrap();
    let run = &mut new_run(&registry, None);
    run.handle(Input::WorkflowTask(Box::new(task(&events))));
    let mut answers = Vec::new();
    for (name, plus) in [("count", 0), ("count", 1), ("count", 2), ("nosuch", 0)] {
        let header = Header { fields: [("from".to_string(), to_payload(&"ann").unwrap())].into() };
        let query = WorkflowQuery {
            query_type: name.into(),
            query_args: Some(Payloads { payloads: vec![to_payload(&plus).unwrap()] }),
            header: Some(header),
        };
        let asks = WorkflowTask { query: Some(query), ..WorkflowTask::default() };
        match run.handle(Input::WorkflowTask(Box::new(asks))) {
            Output::AnswerQuery(answer) => answers.push(format!("{name} {plus}: {}", query_answer(&answer))),
            other => answers.push(text(&other)),
        }
    }
    expect![[r#"
        count 0: answer "100 for \"the interceptor\"!"
        count 1: failed: no answer to count
        count 2: failed: the query handler panicked at messages.rs `2 => drop(ctx.timer(secs(1)).start()),`: a timer in a query handler: a query must not change the workflow; use a signal or an update for that
        nosuch 0: failed: unknown query `nosuch`; this workflow's queries: count"#]].assert_eq(&answers.join("\n"));
}

/// Begins a timer around each message, and panics where it is told to.
struct Slow(&'static str);

#[async_trait(?Send)]
impl WorkflowInterceptor for Slow {
    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        assert_ne!(self.0, "signal");
        ctx.timer(secs(7)).await?;
        next.run(ctx, input).await
    }

    fn validate_update(
        &self,
        ctx: &WorkflowContext,
        input: ValidateUpdateInput,
        next: WorkflowNext<ValidateUpdateInput>,
    ) -> Result<(), WorkflowError> {
        assert_ne!(self.0, "validate");
        next.run(ctx, input)
    }

    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        assert_ne!(self.0, "update");
        ctx.timer(secs(8)).await?;
        next.run(ctx, input).await
    }

    fn start_timer(&self, ctx: &WorkflowContext, input: &mut StartTimerInput) {
        input.summary = ctx.current_update().map(|update| update.id);
    }
}

const BOTH: &str = "5 WorkflowExecutionSignaled name=say input=\"one\"
    6 WorkflowTaskScheduled
    7 WorkflowTaskStarted
    update id=u1 name=add input=\"two\"";

#[test]
fn a_message_whose_interceptor_waits_counts_as_being_handled() {
    check_with(
        &one(Slow("")),
        Board::run,
        &after_first_task(BOTH),
        expect![[r#"
        StartTimer id=1 after=7s
        ProtocolMessage message_id=u1/request/accept
        StartTimer id=2 after=8s
        u1/request/accept of u1: Acceptance request=u1/request sequencing=6 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=add args="two""#]],
    );
    check_with(
        &one(Slow("")),
        Board::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=\"one\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 TimerStarted id=1
             10 WorkflowExecutionUpdateAccepted update=u1 name=add args=\"two\"
             11 TimerStarted id=2
             12 TimerFired id=2
             13 TimerFired id=1
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"
            ProtocolMessage message_id=u1/request/complete
            CompleteWorkflowExecution result=["add \"two\" from \"\", others run","say \"one\" from \"\""]
            u1/request/complete of u1: Response update=u1 result=1"#]],
    );
}

#[test]
fn panics_in_interceptors_of_messages_fail_the_task() {
    for place in ["signal", "validate", "update"] {
        let registry = with_interceptors(&registry(Board::run), one(Slow(place)));
        let (events, messages) = parse_task(&after_first_task(BOTH)).unwrap();
        let task = WorkflowTask { messages, ..task(&events) };
        let told = text(&new_run(&registry, None).handle(Input::WorkflowTask(Box::new(task))));
        assert!(told.starts_with("Fail WorkflowWorkerUnhandledFailure: workflow code panicked at"), "{told}");
    }
}
