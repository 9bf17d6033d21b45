//! Signals and queries.

use abide::prelude::*;
use abide::workflow::TimerHandle;
use expect_test::expect;

use crate::harness::{Cached, after_first_task, check};

#[activity]
async fn work(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// Collects words, returns their number, and ends when told.
#[workflow(name = "wf")]
#[derive(Default)]
struct Collector {
    words: State<Vec<String>>,
    nap: State<Option<TimerHandle>>,
    ended: State<bool>,
}

#[workflow_methods]
impl Collector {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        self.add("main".into());
        self.nap.set(Some(ctx.timer(secs(60)).start()));
        ctx.wait_until(|| self.ended.get()).await?;
        Ok(self.words.get())
    }

    #[signal]
    fn add(&self, word: String) {
        self.words.update(|words| words.push(word));
    }

    #[signal]
    async fn add_slowly(&self, ctx: &WorkflowContext, word: String) -> Result<(), WorkflowError> {
        let word = ctx.activity(work, word).start_to_close_timeout(secs(5)).await?;
        self.add(word);
        Ok(())
    }

    #[signal]
    fn end(&self) {
        self.ended.set(true);
    }

    #[query]
    fn words(&self) -> Vec<String> {
        self.words.get()
    }

    #[query]
    fn refuse(&self) -> Result<u32, WorkflowError> {
        Err(ApplicationFailure::new("not for you").error_type("Private").into())
    }

    #[query]
    fn start_a_timer(&self, ctx: &WorkflowContext) -> bool {
        ctx.timer(secs(1)).start().cancel();
        true
    }

    #[query]
    fn change(&self) -> bool {
        self.ended.set(true);
        true
    }
}

#[test]
fn b106_signals_reach_their_handlers_in_order_before_the_code_goes_on() {
    check(
        Collector::run,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionSignaled name=add input=\"before\"
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted
         5 WorkflowTaskCompleted
         6 TimerStarted
         7 WorkflowExecutionSignaled name=add input=\"one\"
         8 WorkflowExecutionSignaled name=end
         9 WorkflowExecutionSignaled name=add input=\"two\"
         10 WorkflowTaskScheduled
         11 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result=["before","main","one","two"]"#]],
    );
}

#[test]
fn b107_a_signal_without_handler_does_not_keep_the_workflow_from_completing() {
    check(
        Collector::run,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionSignaled name=unknown input=1,2,3
             7 WorkflowExecutionSignaled name=end
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["main"]"#]],
    );
}

const STARTED: &str = "5 TimerStarted";
const SIGNALED: &str = "5 TimerStarted
    6 WorkflowExecutionSignaled name=add input=\"one\"
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted";

#[test]
fn b108_a_query_alone_is_answered_open_closed_and_after_a_replay() {
    let mut cached = Cached::new(Collector::run, &after_first_task(STARTED));
    cached.task(3);
    assert_eq!(cached.query(5, "words"), r#"answer ["main"]"#);
    assert_eq!(cached.query(5, "words"), r#"answer ["main"]"#);
    let mut replayed = Cached::new(Collector::run, &after_first_task(STARTED));
    assert_eq!(replayed.query(5, "words"), r#"answer ["main"]"#);
    let closed = after_first_task(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=end
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 WorkflowExecutionCompleted",
    );
    assert_eq!(Cached::new(Collector::run, &closed).query(10, "words"), r#"answer ["main"]"#);
    assert_eq!(Cached::new(Collector::run, &closed).query(10, "refuse"), "failed: not for you");
}

#[test]
fn b108_a_query_together_with_a_timers_firing_sees_what_follows_from_it() {
    #[workflow(name = "wf")]
    #[derive(Default)]
    struct Sleeper {
        awake: State<bool>,
    }

    #[workflow_methods]
    impl Sleeper {
        #[run]
        async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
            ctx.timer(secs(1)).await?;
            self.awake.set(true);
            ctx.timer(secs(2)).await?;
            Ok(())
        }

        #[query]
        fn is_awake(&self) -> bool {
            self.awake.get()
        }
    }
    let mut run = Cached::new(
        Sleeper::run,
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
    );
    assert_eq!(run.task_with_queries(3, &["is_awake"]), "StartTimer id=1 after=1s\nis_awake: answer false");
    assert_eq!(run.task_with_queries(8, &["is_awake"]), "StartTimer id=2 after=2s\nis_awake: answer true");
}

#[test]
fn b109_several_queries_of_one_task_see_the_state_after_it_and_change_nothing() {
    let mut run = Cached::new(Collector::run, &after_first_task(SIGNALED));
    run.task(3);
    let told = run.task_with_queries(8, &["change", "refuse", "start_a_timer", "unknown", "words"]);
    expect![[r#"

        change: failed: the query handler panicked at sdk/tests/behaviours/messages.rs State<bool> is changed at sdk/tests/behaviours/messages.rs by a query handler: a query must not change the workflow; use a signal or an update for that
        refuse: failed: not for you
        start_a_timer: failed: the query handler panicked at sdk/tests/behaviours/messages.rs a timer in a query handler: a query must not change the workflow; use a signal or an update for that
        unknown: failed: unknown query `unknown`; this workflow's queries: words, refuse, start_a_timer, change
        words: answer ["main","one"]"#]].assert_eq(&told);
    assert_eq!(run.query(8, "words"), r#"answer ["main","one"]"#);
}

#[test]
fn b110_a_query_that_meets_nondeterminism_is_answered_with_it() {
    let history = after_first_task("5 ActivityTaskScheduled type=work");
    let mut run = Cached::new(Collector::run, &history);
    let answer = run.query(5, "words");
    assert!(answer.starts_with("failed: [TMPRL1100]"), "{answer}");
    // Whatever comes next, it is replayed from the beginning.
    assert_eq!(run.query(5, "words"), r#"NeedHistory """#);
}

#[test]
fn b111_a_task_that_fails_answers_no_query() {
    #[workflow(name = "wf")]
    #[derive(Default)]
    struct Broken;

    #[workflow_methods]
    impl Broken {
        #[run]
        async fn run(&self, _ctx: &WorkflowContext) -> Result<(), WorkflowError> {
            panic!("out of beans");
        }

        #[query]
        fn is_well(&self) -> bool {
            true
        }
    }
    let mut run = Cached::new(Broken::run, crate::harness::FIRST_TASK);
    let told = run.task_with_queries(3, &["is_well"]);
    assert!(told.starts_with("Fail") && !told.contains("is_well"), "{told}");
}
