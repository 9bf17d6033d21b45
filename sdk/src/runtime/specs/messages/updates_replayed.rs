//! Updates on replay: read from the events that accepted them, without another validation.

use abide_protos::temporal::api::history::v1::HistoryEvent;
use expect_test::{Expect, expect};

use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::runtime::specs::harness::{after_first_task, check_workflow, check_workflow_recorded};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

/// Records what happens.
#[workflow(name = "wf")]
#[derive(Default)]
struct Diary {
    pages: State<Vec<String>>,
    ended: State<bool>,
}

#[workflow_methods]
impl Diary {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        self.write("main");
        let timer = ctx.timer(secs(1)).start();
        let fired = timer.await;
        self.write(&format!("timer {}", fired.is_ok()));
        ctx.wait_until(|| self.ended.get()).await?;
        Ok(self.pages.get())
    }

    #[update]
    fn say(&self, text: String) -> usize {
        self.write(&text);
        self.pages.with(Vec::len)
    }

    /// Would refuse what the history has accepted.
    #[update_validator(say)]
    fn check_say(&self, text: &str) -> Result<(), WorkflowError> {
        assert_ne!(text, "replayed", "a validator is not run on replay");
        Ok(())
    }

    #[update]
    async fn slowly(&self, ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
        self.write(&format!("begin {text}"));
        ctx.timer(secs(2)).await?;
        self.write(&format!("end {text}"));
        Ok(text)
    }

    #[signal]
    fn note(&self, text: String) {
        self.write(&text);
    }

    #[update]
    fn end(&self) {
        self.ended.set(true);
    }

    fn write(&self, text: &str) {
        self.pages.update(|pages| pages.push(text.to_string()));
    }
}

#[track_caller]
fn check_diary(history: &str, expected: Expect) {
    check_workflow(Diary::run, history, None, expected);
}

#[test]
fn b114_the_validator_is_not_run_on_replay() {
    // Given task by task, the validator would run: this history is of a version that had none.
    check_workflow_recorded(
        Diary::run,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 WorkflowExecutionUpdateAccepted update=u1 name=say args=\"replayed\"
             10 WorkflowExecutionUpdateCompleted update=u1 result=2
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted
             update id=u2 name=end",
        ),
        expect![[r#"
            ProtocolMessage message_id=u2/request/accept
            ProtocolMessage message_id=u2/request/complete
            u2/request/accept of u2: Acceptance request=u2/request sequencing=11 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=end
            u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
}

#[test]
fn an_update_that_was_accepted_twice_is_refused() {
    check_workflow_recorded(
        Diary::run,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 WorkflowExecutionUpdateAccepted update=u1 name=slowly args=\"a\"
             10 WorkflowExecutionUpdateAccepted update=u1 name=slowly args=\"a\"
             11 TimerStarted
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 10 WorkflowExecutionUpdateAccepted: update=u1 name=slowly
              code now: StartTimer id=2
              at:       updates_replayed.rs `ctx.timer(secs(2)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn accepted_and_completed_over_three_tasks_between_a_signal_and_a_timer() {
    check_diary(
        &after_first_task(
            "5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowExecutionSignaled name=note input=\"signal\"
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 WorkflowExecutionUpdateAccepted update=u1 name=slowly args=\"u1\" sequencing=7
             11 TimerStarted
             12 WorkflowExecutionUpdateAccepted update=u2 name=say args=\"u2\" sequencing=7
             13 WorkflowExecutionUpdateCompleted update=u2 result=4
             14 TimerFired started=5
             15 WorkflowTaskScheduled
             16 WorkflowTaskStarted
             17 WorkflowTaskCompleted
             18 TimerFired started=11
             19 WorkflowTaskScheduled
             20 WorkflowTaskStarted
             21 WorkflowTaskCompleted
             22 WorkflowExecutionUpdateCompleted update=u1 result=\"u1\"
             23 WorkflowTaskScheduled
             24 WorkflowTaskStarted
             update id=u3 name=end",
        ),
        expect![[r#"
            ProtocolMessage message_id=u3/request/accept
            ProtocolMessage message_id=u3/request/complete
            CompleteWorkflowExecution result=["main","signal","begin u1","u2","timer true","end u1"]
            u3/request/accept of u3: Acceptance request=u3/request sequencing=23 accepted_request.meta.update_id=u3 accepted_request.meta.identity=caller name=end
            u3/request/complete of u3: Response update=u3 meta.identity=caller result=null"#]],
    );
}

#[test]
fn b117_on_replay_a_signal_comes_before_or_after_an_update_as_it_was() {
    let history = |sequencing: u32| {
        after_first_task(&format!(
            "5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowExecutionSignaled name=note input=\"signal\"
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 WorkflowExecutionUpdateAccepted update=u1 name=say args=\"update\" sequencing={sequencing}
             11 WorkflowExecutionUpdateCompleted update=u1 result=1
             12 TimerFired started=5
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted
             update id=u2 name=end"
        ))
    };
    check_diary(
        &history(7),
        expect![[r#"
        ProtocolMessage message_id=u2/request/accept
        ProtocolMessage message_id=u2/request/complete
        CompleteWorkflowExecution result=["main","signal","update","timer true"]
        u2/request/accept of u2: Acceptance request=u2/request sequencing=13 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=end
        u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
    check_diary(
        &history(6),
        expect![[r#"
        ProtocolMessage message_id=u2/request/accept
        ProtocolMessage message_id=u2/request/complete
        CompleteWorkflowExecution result=["main","update","signal","timer true"]
        u2/request/accept of u2: Acceptance request=u2/request sequencing=13 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=end
        u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
}

#[test]
fn b116_after_a_reset_an_admitted_update_is_taken_from_its_event() {
    let reset = "5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskFailed cause=ResetWorkflow
         10 WorkflowExecutionSignaled name=note input=\"signal\"
         11 WorkflowExecutionUpdateAdmitted update=u1 name=say args=\"admitted\"
         12 WorkflowTaskScheduled
         13 WorkflowExecutionSignaled name=note input=\"later signal\"
         14 WorkflowTaskStarted";
    // Live, it is validated and accepted. The fired timer comes after the messages.
    check_diary(
        &after_first_task(reset),
        expect![[r#"
        ProtocolMessage message_id=u1/request/accept
        ProtocolMessage message_id=u1/request/complete
        u1/request/accept of u1: Acceptance request=u1/request sequencing=11 accepted_request.meta.update_id=u1 name=say args="admitted"
        u1/request/complete of u1: Response update=u1 result=3"#]],
    );
    // A server may send the request too, which changes nothing.
    check_diary(
        &after_first_task(&format!("{reset}\nupdate id=u1 name=say input=\"admitted\" sequencing=11")),
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            u1/request/accept of u1: Acceptance request=u1/request sequencing=11 accepted_request.meta.update_id=u1 name=say args="admitted"
            u1/request/complete of u1: Response update=u1 result=3"#]],
    );
    let accepted = "
         15 WorkflowTaskCompleted
         16 WorkflowExecutionUpdateAccepted update=u1
         17 WorkflowExecutionUpdateCompleted update=u1 result=3
         18 WorkflowTaskScheduled
         19 WorkflowTaskStarted
         update id=u2 name=end";
    check_diary(
        &after_first_task(&(reset.to_string() + accepted)),
        expect![[r#"
        ProtocolMessage message_id=u2/request/accept
        ProtocolMessage message_id=u2/request/complete
        CompleteWorkflowExecution result=["main","signal","admitted","later signal","timer true"]
        u2/request/accept of u2: Acceptance request=u2/request sequencing=18 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=end
        u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
}

#[test]
fn b116_an_admitted_update_that_was_rejected_leaves_no_trace_on_replay() {
    check_workflow_recorded(
        Diary::run,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionUpdateAdmitted update=u1 name=say args=\"refused then\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerFired
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted
             update id=u2 name=end",
        ),
        expect![[r#"
            ProtocolMessage message_id=u2/request/accept
            ProtocolMessage message_id=u2/request/complete
            CompleteWorkflowExecution result=["main","timer true"]
            u2/request/accept of u2: Acceptance request=u2/request sequencing=11 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=end
            u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
}

#[test]
fn b116_an_update_after_a_heartbeat_of_the_task_belongs_to_the_second_task() {
    check_diary(
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted
             12 WorkflowTaskCompleted
             13 WorkflowExecutionUpdateAccepted update=u1 name=say args=\"update\"
             14 WorkflowExecutionUpdateCompleted update=u1 result=3
             15 WorkflowTaskScheduled
             16 WorkflowTaskStarted
             update id=u2 name=end",
        ),
        expect![[r#"
            ProtocolMessage message_id=u2/request/accept
            ProtocolMessage message_id=u2/request/complete
            CompleteWorkflowExecution result=["main","timer true","update"]
            u2/request/accept of u2: Acceptance request=u2/request sequencing=15 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller name=end
            u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
}

#[test]
fn update_events_must_fit_the_code() {
    let check = |accepted: &str, expected: Expect| {
        let history = "5 TimerStarted\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted\n8 WorkflowTaskCompleted\n";
        let end = "\n20 WorkflowTaskScheduled\n21 WorkflowTaskStarted";
        let mut next = 8;
        let numbered = accepted.lines().map(|line| {
            next += 1;
            format!("{next} {}\n", line.trim())
        });
        let numbered: String = numbered.collect();
        let end = end.replace("20", &(next + 1).to_string()).replace("21", &(next + 2).to_string());
        check_workflow_recorded(Diary::run, &after_first_task(&format!("{history}{numbered}{end}")), expected);
    };
    check(
        "WorkflowExecutionUpdateAccepted update=u1 name=whisper args=\"x\"",
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 9 WorkflowExecutionUpdateAccepted: update=u1 name=whisper
              code now: rejected the update: unknown update `whisper`; this workflow's updates: say, slowly, end; it waits for timer id=1
              at:       updates_replayed.rs `let timer = ctx.timer(secs(1)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check(
        "WorkflowExecutionUpdateAccepted update=u1 name=say args=7",
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 9 WorkflowExecutionUpdateAccepted: update=u1 name=say
              code now: rejected the update: the arguments of update `say` do not fit its handler: argument 1: expected `String`, found JSON: an integer
              at:       updates_replayed.rs `fn say(&self, text: String) -> usize {`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check(
        "WorkflowExecutionUpdateCompleted update=u1 result=1",
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 9 WorkflowExecutionUpdateCompleted: update=u1
              code now: produced no command here; it waits for timer id=1
              at:       updates_replayed.rs `let timer = ctx.timer(secs(1)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check(
        "WorkflowExecutionUpdateAccepted update=u1 name=say args=\"x\"
         WorkflowExecutionUpdateCompleted update=u2 result=1",
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 10 WorkflowExecutionUpdateCompleted: update=u2
              code now: completed update=u1 name=say
              at:       updates_replayed.rs `fn say(&self, text: String) -> usize {`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // The code completes at once, and the history has another command in its place.
    check(
        "WorkflowExecutionUpdateAccepted update=u1 name=say args=\"x\"\nTimerStarted",
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 10 TimerStarted: id=2
              code now: completed update=u1 name=say
              at:       updates_replayed.rs `fn say(&self, text: String) -> usize {`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn b018_without_flag_3_what_follows_the_closing_command_is_dropped() {
    // As in TypeScript before 1.11.8, the update's response came after the closing command and was lost.
    let history = |flags: &str, response: &str, closing: u32| {
        format!(
            "1 WorkflowExecutionStarted type=wf
             2 WorkflowTaskScheduled
             3 WorkflowTaskStarted
             4 WorkflowTaskCompleted flags={flags}
             5 WorkflowExecutionUpdateAccepted update=u1 name=close_and_wait
             {response}
             {closing} WorkflowExecutionCompleted"
        )
    };
    let run = super::updates::Account::run;
    check_workflow_recorded(run, &history("1,2", "", 6), expect!["Idle"]);
    let response = "6 WorkflowExecutionUpdateCompleted update=u1 result=7";
    check_workflow_recorded(run, &history("1,2,3", response, 7), expect!["Idle"]);
}

#[test]
fn an_update_is_written_as_text_and_read_back() {
    let text = "1 WorkflowExecutionUpdateAdmitted update=u1 name=say args=1";
    let events: Vec<HistoryEvent> = parse_history(text).unwrap();
    assert_eq!(crate::replay::text::event_line(&events[0]), text);
}
