//! Updates that come with a live workflow task.

use abide_protos::temporal::api::query::v1::WorkflowQuery;
use expect_test::{Expect, expect};

use crate::converter::read_one;
use crate::duration::secs;
use crate::replay::text::parse_task;
use crate::replay::{Input, Output, WorkflowTask};
use crate::runtime::specs::harness::{
    FIRST_TASK, after_first_task, check_workflow, new_run, registry, task, text, with_statements,
};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

#[activity]
async fn check(amount: i64) -> Result<i64, ActivityError> {
    Ok(amount)
}

/// An account that an update closes.
#[workflow(name = "wf")]
#[derive(Default)]
pub(crate) struct Account {
    balance: State<i64>,
    log: State<Vec<String>>,
    closed: State<bool>,
}

#[workflow_methods]
impl Account {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        self.write("main");
        ctx.wait_until(|| self.closed.get()).await?;
        self.write("closed");
        Ok(self.log.get())
    }

    #[update]
    fn deposit(&self, ctx: &WorkflowContext, amount: i64) -> Result<i64, WorkflowError> {
        let update = ctx.current_update().map(|update| format!("{} {}", update.name, update.id)).unwrap_or_default();
        self.write(&format!("{update}: {amount}"));
        if amount == 13 {
            return Err(ApplicationFailure::new("unlucky").error_type("Unlucky").detail(&amount)?.into());
        }
        self.balance.update(|balance| *balance += amount);
        Ok(self.balance.get())
    }

    #[update_validator(deposit)]
    fn check_deposit(&self, ctx: &WorkflowContext, amount: &i64) -> Result<(), WorkflowError> {
        assert!(ctx.current_update().is_some() && !ctx.is_replaying());
        match *amount {
            0 => panic!("a validator with a bug"),
            1.. => Ok(()),
            _ => Err(ApplicationFailure::new("must be positive").error_type("Invalid").non_retryable().into()),
        }
    }

    /// Over two workflow tasks.
    #[update]
    async fn withdraw(&self, ctx: &WorkflowContext, amount: i64) -> Result<i64, WorkflowError> {
        self.write(&format!("withdraw begins: {amount}"));
        let amount = ctx.activity(check, amount).start_to_close_timeout(secs(5)).await?;
        self.balance.update(|balance| *balance -= amount);
        self.write("withdraw ends");
        Ok(self.balance.get())
    }

    #[update(name = "close-account")]
    fn close(&self) -> String {
        self.closed.set(true);
        "closing".into()
    }

    /// Ends after the main routine has.
    #[update]
    async fn close_and_wait(&self, ctx: &WorkflowContext) -> u32 {
        self.closed.set(true);
        for _ in 0..5 {
            ctx.spawn(async {}).await;
        }
        7
    }

    #[update]
    fn nothing(&self) {}

    #[update]
    async fn buggy(&self) -> u32 {
        panic!("an update with a bug");
    }

    #[update]
    fn meddling(&self) {}

    #[update_validator(meddling)]
    fn check_meddling(&self) -> Result<(), WorkflowError> {
        self.balance.set(1);
        Ok(())
    }

    #[update]
    fn starting(&self) {}

    #[update_validator(starting)]
    fn check_starting(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        drop(ctx.timer(secs(1)).start());
        Ok(())
    }

    #[update]
    async fn anew(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.continue_as_new(Account::run, ()).into()
    }

    #[signal]
    fn note(&self, text: String) {
        self.write(&text);
    }

    /// Waits for a signal.
    #[update]
    async fn until_noted(&self, ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.log.with(|log| log.contains(&text))).await?;
        self.write(&format!("update saw {text}"));
        Ok(text)
    }

    /// Tells which update it belongs to, in what it spawned too.
    #[update]
    async fn whose(&self, ctx: &WorkflowContext) -> String {
        let name = |ctx: &WorkflowContext| ctx.current_update().map(|update| update.id).unwrap_or_default();
        let before = name(ctx);
        let spawned = {
            let ctx = ctx.clone();
            ctx.clone().spawn(async move { name(&ctx) }).await
        };
        format!("{before} {spawned} {}", name(ctx))
    }

    fn write(&self, text: &str) {
        self.log.update(|log| log.push(text.to_string()));
    }
}

/// Checks the output when these updates come with the second workflow task.
#[track_caller]
fn check_updates(updates: &str, expected: Expect) {
    let history = after_first_task("5 WorkflowTaskScheduled\n6 WorkflowTaskStarted\n");
    check_workflow(Account::run, &(history + updates), None, expected);
}

#[test]
fn b113_accepted_and_completed_in_one_task() {
    check_updates(
        "update id=u1 name=deposit input=5",
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=deposit args=5
        u1/request/complete of u1: Response update=u1 meta.identity=caller result=5"#]],
    );
}

#[test]
fn b113_completed_in_a_later_task() {
    let accepted = "5 WorkflowTaskScheduled\n6 WorkflowTaskStarted\nupdate id=u1 name=withdraw input=5";
    check_workflow(
        Account::run,
        &after_first_task(accepted),
        None,
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ScheduleActivityTask id=1 type=check input=5 start_to_close=5s
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=withdraw args=5"#]],
    );
    check_workflow(
        Account::run,
        &after_first_task(
            "5 WorkflowTaskScheduled
             6 WorkflowTaskStarted
             7 WorkflowTaskCompleted
             8 WorkflowExecutionUpdateAccepted update=u1 name=withdraw args=5
             9 ActivityTaskScheduled type=check
             10 ActivityTaskStarted
             11 ActivityTaskCompleted result=5
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        None,
        expect![[r#"
            ProtocolMessage message_id=u1/request/complete
            u1/request/complete of u1: Response update=u1 result=-5"#]],
    );
}

#[test]
fn b113_rejected_by_the_validator() {
    check_updates(
        "update id=u1 name=deposit input=-5",
        expect![[
            r#"u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=5 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=deposit rejected_request.input.args=-5 message="must be positive" source=AbideSDK type=Invalid non_retryable=true"#
        ]],
    );
}

#[test]
fn b113_failed_by_the_handler_with_all_that_the_failure_says() {
    check_updates(
        "update id=u1 name=deposit input=13",
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=deposit args=13
        u1/request/complete of u1: Response update=u1 meta.identity=caller message=unlucky source=AbideSDK type=Unlucky details=13"#]],
    );
}

#[test]
fn b113_an_unknown_name_is_rejected_with_the_known_ones() {
    check_updates(
        "update id=u1 name=borrow input=5",
        expect![[
            r#"u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=5 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=borrow rejected_request.input.args=5 message="unknown update `borrow`; this workflow's updates: deposit, withdraw, close-account, close_and_wait, nothing, buggy, meddling, starting, anew, until_noted, whose" source=AbideSDK type=UnknownUpdate"#
        ]],
    );
}

#[test]
fn b113_arguments_that_do_not_fit_are_rejected() {
    check_updates(
        "update id=u1 name=deposit input=\"much\"\nupdate id=u2 name=deposit",
        expect![[r#"
        u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=5 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=deposit rejected_request.input.args="much" message="the arguments of update `deposit` do not fit its handler: argument 1: expected `i64`, found JSON: a string of 4 characters" source=AbideSDK type=PayloadError
        u2/request/reject of u2: Rejection rejected_request_message_id=u2/request rejected_request_sequencing=5 rejected_request.meta.update_id=u2 rejected_request.meta.identity=caller rejected_request.input.name=deposit message="the arguments of update `deposit` do not fit its handler: argument 1 is missing: expected `i64`, found 0 arguments" source=AbideSDK type=PayloadError"#]],
    );
}

#[test]
fn an_update_without_arguments_and_result() {
    check_updates(
        "update id=u1 name=nothing",
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=nothing
        u1/request/complete of u1: Response update=u1 meta.identity=caller result=null"#]],
    );
}

#[test]
fn b114_a_panic_in_the_validator_or_the_handler_fails_the_task() {
    check_updates(
        "update id=u1 name=deposit input=0",
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at updates.rs `0 => panic!("a validator with a bug"),`: a validator with a bug"#
        ]],
    );
    check_updates(
        "update id=u1 name=buggy",
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at updates.rs `panic!("an update with a bug");`: an update with a bug"#
        ]],
    );
}

#[test]
fn b114_a_validator_must_not_change_anything() {
    check_updates(
        "update id=u1 name=meddling",
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at updates.rs `self.balance.set(1);`: \
             State<i64> is changed at updates.rs `self.balance.set(1);` by an update validator: a validator only \
             accepts or rejects; change the state in the update's handler"
        ],
    );
    check_updates(
        "update id=u1 name=starting",
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at updates.rs `drop(ctx.timer(secs(1)).start());`: a timer in an update validator: a validator only accepts or rejects; do that in the update's handler"#
        ]],
    );
}

#[test]
fn an_update_cannot_continue_as_new() {
    check_updates(
        "update id=u1 name=anew",
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the handler of update `anew` cannot continue as new: change the state, and continue as new in the main routine"
        ],
    );
}

#[test]
fn several_updates_run_in_their_order_and_their_commands_stay_together() {
    check_updates(
        "update id=u1 name=deposit input=5
         update id=u2 name=deposit input=-1
         update id=u3 name=withdraw input=2
         update id=u4 name=deposit input=1",
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            ProtocolMessage message_id=u3/request/accept
            ScheduleActivityTask id=1 type=check input=2 start_to_close=5s
            ProtocolMessage message_id=u4/request/accept
            ProtocolMessage message_id=u4/request/complete
            u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=deposit args=5
            u1/request/complete of u1: Response update=u1 meta.identity=caller result=5
            u2/request/reject of u2: Rejection rejected_request_message_id=u2/request rejected_request_sequencing=5 rejected_request.meta.update_id=u2 rejected_request.meta.identity=caller rejected_request.input.name=deposit rejected_request.input.args=-1 message="must be positive" source=AbideSDK type=Invalid non_retryable=true
            u3/request/accept of u3: Acceptance request=u3/request sequencing=5 accepted_request.meta.update_id=u3 accepted_request.meta.identity=caller name=withdraw args=2
            u4/request/accept of u4: Acceptance request=u4/request sequencing=5 accepted_request.meta.update_id=u4 accepted_request.meta.identity=caller name=deposit args=1
            u4/request/complete of u4: Response update=u4 meta.identity=caller result=6"#]],
    );
}

#[test]
fn b118_an_update_with_the_first_task_runs_before_the_main_routine() {
    let history = format!("{FIRST_TASK}\nupdate id=u1 name=deposit input=5\nupdate id=u2 name=close-account");
    check_workflow(
        Account::run,
        &history,
        None,
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        ProtocolMessage message_id=u2/request/accept
        ProtocolMessage message_id=u2/request/complete
        CompleteWorkflowExecution result=["deposit u1: 5","main","closed"]
        u1/request/accept of u1: Acceptance request=u1/request sequencing=2 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=deposit args=5
        u1/request/complete of u1: Response update=u1 meta.identity=caller result=5
        u2/request/accept of u2: Acceptance request=u2/request sequencing=2 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=close-account
        u2/request/complete of u2: Response update=u2 meta.identity=caller result="closing""#]],
    );
}

#[test]
fn an_update_that_ends_the_workflow_completes_before_it() {
    check_updates(
        "update id=u1 name=close-account",
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        CompleteWorkflowExecution result=["main","closed"]
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=close-account
        u1/request/complete of u1: Response update=u1 meta.identity=caller result="closing""#]],
    );
    // The handler ends after the main routine, but its response still comes first.
    check_updates(
        "update id=u1 name=close_and_wait",
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        CompleteWorkflowExecution result=["main","closed"]
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=close_and_wait
        u1/request/complete of u1: Response update=u1 meta.identity=caller result=7"#]],
    );
}

#[test]
fn b117_an_update_and_a_signal_of_one_task_unblock_each_other_in_their_order() {
    // The signal's event comes after the update, and before it.
    let history = |signal: &str, update: &str| {
        after_first_task(&format!(
            "5 WorkflowExecutionSignaled name=note input=\"one\"
             6 WorkflowTaskScheduled
             7 WorkflowExecutionSignaled name=note input={signal}
             8 WorkflowTaskStarted
             {update}
             update id=u9 name=close-account"
        ))
    };
    check_workflow(
        Account::run,
        &history("\"two\"", "update id=u1 name=until_noted input=\"two\" sequencing=6"),
        None,
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u9/request/accept
            ProtocolMessage message_id=u9/request/complete
            ProtocolMessage message_id=u1/request/complete
            CompleteWorkflowExecution result=["main","one","two","closed"]
            u1/request/accept of u1: Acceptance request=u1/request sequencing=6 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=until_noted args="two"
            u9/request/accept of u9: Acceptance request=u9/request sequencing=7 accepted_request.meta.update_id=u9 accepted_request.meta.identity=caller name=close-account
            u9/request/complete of u9: Response update=u9 meta.identity=caller result="closing"
            u1/request/complete of u1: Response update=u1 meta.identity=caller result="two""#]],
    );
    check_workflow(
        Account::run,
        &history("\"two\"", "update id=u1 name=until_noted input=\"two\""),
        None,
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        ProtocolMessage message_id=u9/request/accept
        ProtocolMessage message_id=u9/request/complete
        CompleteWorkflowExecution result=["main","one","two","update saw two","closed"]
        u1/request/accept of u1: Acceptance request=u1/request sequencing=7 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=until_noted args="two"
        u1/request/complete of u1: Response update=u1 meta.identity=caller result="two"
        u9/request/accept of u9: Acceptance request=u9/request sequencing=7 accepted_request.meta.update_id=u9 accepted_request.meta.identity=caller name=close-account
        u9/request/complete of u9: Response update=u9 meta.identity=caller result="closing""#]],
    );
}

#[test]
fn code_knows_whose_handler_it_is() {
    check_updates(
        "update id=u1 name=whose\nupdate id=u2 name=whose",
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u2/request/accept
        ProtocolMessage message_id=u1/request/complete
        ProtocolMessage message_id=u2/request/complete
        u1/request/accept of u1: Acceptance request=u1/request sequencing=5 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=whose
        u2/request/accept of u2: Acceptance request=u2/request sequencing=5 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=whose
        u1/request/complete of u1: Response update=u1 meta.identity=caller result="u1 u1 u1"
        u2/request/complete of u2: Response update=u2 meta.identity=caller result="u2 u2 u2""#]],
    );
}

#[test]
fn a_message_of_another_kind_fails_the_task() {
    let (events, mut messages) = parse_task(&format!("{FIRST_TASK}\nupdate name=nothing")).unwrap();
    messages[0].body.as_mut().unwrap().type_url = "type.googleapis.com/temporal.api.update.v2.Request".into();
    let mut run = new_run(&registry(Account::run), None);
    let task = WorkflowTask { messages, ..task(&events) };
    expect!["Fail WorkflowWorkerUnhandledFailure: protocol message `update-1/request` is a `type.googleapis.com/temporal.api.update.v2.Request`; expected a `type.googleapis.com/temporal.api.update.v1.Request`, the only kind this version of Abide knows"].assert_eq(&text(&run.handle(Input::WorkflowTask(Box::new(task)))));
}

#[test]
fn b115_the_run_goes_on_after_a_task_that_the_server_forgot() {
    let history = "
        1 WorkflowExecutionStarted type=wf
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled
        6 WorkflowTaskStarted
        update id=u1 name=deposit input=-5";
    let (events, messages) = parse_task(history).unwrap();
    let mut run = new_run(&registry(Account::run), None);
    run.handle(Input::WorkflowTask(Box::new(task(&events[..3]))));
    let rejected = WorkflowTask { messages, ..task(&events[3..]) };
    expect![[r#"u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=5 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=deposit rejected_request.input.args=-5 message="must be positive" source=AbideSDK type=Invalid non_retryable=true"#]].assert_eq(&text(&run.handle(Input::WorkflowTask(Box::new(rejected)))));

    assert!(!run.take_back_task(3, 0), "the first task is not the last one");
    assert!(run.take_back_task(6, 3));
    assert_eq!(run.last_processed_started_event_id(), 3);
    // The ids 5 and 6 come again, for other events. Event 4 was seen before.
    let history = "
        1 WorkflowExecutionStarted type=wf
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled name=note input=\"noted\"
        6 WorkflowTaskScheduled
        7 WorkflowTaskStarted
        update id=u2 name=close-account";
    let (events, messages) = parse_task(history).unwrap();
    let next = || WorkflowTask { messages: messages.clone(), ..task(&events[3..]) };
    let cached = text(&run.handle(Input::WorkflowTask(Box::new(next()))));
    let mut fresh = new_run(&registry(Account::run), None);
    let whole = WorkflowTask { messages: messages.clone(), ..task(&events) };
    assert_eq!(cached, text(&fresh.handle(Input::WorkflowTask(Box::new(whole)))));
    expect![[r#"
        ProtocolMessage message_id=u2/request/accept
        ProtocolMessage message_id=u2/request/complete
        CompleteWorkflowExecution result=["main","noted","closed"]
        u2/request/accept of u2: Acceptance request=u2/request sequencing=6 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=close-account
        u2/request/complete of u2: Response update=u2 meta.identity=caller result="closing""#]].assert_eq(&cached);
}

#[test]
fn the_stack_trace_tells_the_main_routines_condition_from_a_handlers() {
    let history = after_first_task(
        "5 WorkflowExecutionUpdateAccepted update=u1 name=until_noted args=\"paid\"
         6 WorkflowExecutionUpdateAccepted update=u2 name=withdraw args=5
         7 ActivityTaskScheduled type=check
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    );
    let query = WorkflowQuery { query_type: "__stack_trace".into(), ..Default::default() };
    let events = parse_task(&history).unwrap().0;
    let task = WorkflowTask { queries: vec![("q".into(), query)], ..task(&events) };
    let output = new_run(&registry(Account::run), None).handle(Input::WorkflowTask(Box::new(task)));
    let Output::Complete(completion) = output else { panic!("{output:?}") };
    let stack: String =
        read_one(completion.query_results["q"].answer.as_ref().and_then(|answer| answer.payloads.first())).unwrap();
    expect![[r#"
        activity type=check id=1 in the handler of update `withdraw` (id u2)
            at updates.rs `let amount = ctx.activity(check, amount).start_to_close_timeout(secs(5)).await?;`
        condition in the handler of update `until_noted` (id u1)
            at updates.rs `ctx.wait_until(|| self.log.with(|log| log.contains(&text))).await?;`
        condition
            at updates.rs `ctx.wait_until(|| self.closed.get()).await?;`
    "#]]
    .assert_eq(&with_statements(&stack));
}
