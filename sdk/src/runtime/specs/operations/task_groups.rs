//! Task groups: branches that end with their group at the latest.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::{Rc, Weak};
use std::task::Poll;

use abide_protos::temporal::api::query::v1::WorkflowQuery;
use expect_test::expect;

use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{Input, Output, WorkflowTask};
use crate::runtime::specs::harness::{
    FIRST_TASK, after_first_task, check, check_workflow, new_run, query_answer, registry, run_of, task, text,
};
use crate::workflow::TaskGroup;
use crate::{ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods};

#[activity]
async fn work(n: u32) -> Result<u32, crate::ActivityError> {
    Ok(n)
}

/// A history in which three timers were started in the first task and have fired in the reverse order.
const THREE_FIRED: &str = "
    5 TimerStarted
    6 TimerStarted
    7 TimerStarted
    8 TimerFired id=3
    9 TimerFired id=2
    10 TimerFired id=1
    11 WorkflowTaskScheduled
    12 WorkflowTaskStarted";

/// A history in which three timers were started in the first task and the second has fired.
const SECOND_FIRED: &str = "
    5 TimerStarted
    6 TimerStarted
    7 TimerStarted
    8 TimerFired id=2
    9 WorkflowTaskScheduled
    10 WorkflowTaskStarted";

/// Spawns a branch that waits `n` seconds and yields `n`.
fn wait(ctx: &WorkflowContext, group: &TaskGroup<u64>, n: u64) {
    let ctx = ctx.clone();
    group.spawn(async move {
        ctx.timer(secs(n)).await?;
        Ok(n)
    });
}

fn failure(text: &str) -> WorkflowError {
    ApplicationFailure::new(text).into()
}

/// Counts how often a future is polled.
fn counted<F: Future>(polls: &Rc<Cell<u64>>, future: F) -> impl Future<Output = F::Output> + use<F> {
    let (polls, mut future) = (polls.clone(), Box::pin(future));
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
}

#[test]
fn outputs_come_in_the_order_of_spawning() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            (1..=3).for_each(|n| wait(&ctx, &group, n));
            assert_eq!((group.len(), group.is_empty()), (3, false));
            let all = group.join_all().await?;
            assert_eq!((group.len(), group.is_empty()), (0, true));
            Ok(all)
        },
        &after_first_task(THREE_FIRED),
        expect!["CompleteWorkflowExecution result=[1,2,3]"],
    );
}

#[test]
fn join_next_yields_results_in_the_order_in_which_the_branches_ended() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            (1..=3).for_each(|n| wait(&ctx, &group, n));
            let mut ended = Vec::new();
            while let Some(n) = group.join_next().await {
                ended.push((n?, group.len()));
            }
            Ok(format!("{ended:?}"))
        },
        &after_first_task(THREE_FIRED),
        expect![[r#"CompleteWorkflowExecution result="[(3, 2), (2, 1), (1, 0)]""#]],
    );
}

#[test]
fn an_empty_group_is_joined_at_once() {
    check(
        |ctx| async move {
            let group: TaskGroup<u64> = ctx.task_group();
            assert!(group.join_next().await.is_none());
            group.join_all().await
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=[]"],
    );
}

#[test]
fn branches_of_groups_and_others_begin_in_the_order_of_spawning() {
    check(
        |ctx| async move {
            let (group, begun) = (ctx.task_group::<(), WorkflowError>(), Rc::new(RefCell::new(Vec::new())));
            for n in 0..4_u64 {
                let begun = begun.clone();
                let branch = async move {
                    begun.borrow_mut().push(n);
                    Ok(())
                };
                match n % 2 {
                    0 => group.spawn(branch),
                    _ => ctx.spawn(branch).detach(),
                }
            }
            assert!(begun.borrow().is_empty());
            group.join_all().await?;
            let begun = begun.borrow().clone();
            Ok(begun)
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=[0,1,2,3]"],
    );
}

/// One of three branches fails; another cleans up, which takes a second; then the error is returned.
async fn first_error(ctx: WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
    let group = ctx.task_group();
    wait(&ctx, &group, 60);
    let failing = ctx.clone();
    group.spawn(async move {
        failing.timer(secs(1)).await?;
        Err(failure("no stock"))
    });
    let tidy = ctx.clone();
    group.spawn(async move {
        let cancelled = tidy.timer(secs(60)).await.unwrap_err();
        assert_eq!(cancelled.reason(), "another branch of the task group failed");
        tidy.shielded(tidy.timer(secs(5))).await?;
        Ok(0)
    });
    let all = group.join_all().await;
    assert!(group.is_empty());
    all
}

#[test]
fn the_first_error_cancels_the_others_which_may_clean_up() {
    check(
        first_error,
        &after_first_task(SECOND_FIRED),
        expect![[r#"
            CancelTimer id=1
            CancelTimer id=3
            StartTimer id=4 after=5s"#]],
    );
}

#[test]
fn the_first_error_is_returned_when_all_have_ended() {
    check(
        first_error,
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=2
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerCanceled id=1
             13 TimerCanceled id=3
             14 TimerStarted
             15 TimerFired id=4
             16 WorkflowTaskScheduled
             17 WorkflowTaskStarted",
        ),
        expect![[r#"FailWorkflowExecution message="no stock" source=AbideSDK"#]],
    );
}

#[test]
fn join_next_leaves_the_others_alone_until_the_group_is_dropped() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            wait(&ctx, &group, 60);
            let failing = ctx.clone();
            group.spawn(async move {
                failing.timer(secs(1)).await?;
                Err(failure("no stock"))
            });
            wait(&ctx, &group, 70);
            let error = group.join_next().await.unwrap().unwrap_err();
            ctx.timer(secs(2)).await?;
            drop(group);
            Ok(error.to_string())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=2
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerStarted id=4
             13 TimerFired id=4
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CancelTimer id=3
            CompleteWorkflowExecution result="no stock""#]],
    );
}

#[test]
fn a_request_to_cancel_the_workflow_reaches_the_branches() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            (1..=3).for_each(|n| wait(&ctx, &group, n));
            group.join_all().await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 WorkflowExecutionCancelRequested
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CancelTimer id=2
            CancelTimer id=3
            CancelWorkflowExecution"#]],
    );
}

#[test]
fn a_cancelled_group_tells_the_reason_and_stays_cancelled() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            wait(&ctx, &group, 60);
            ctx.timer(secs(1)).await?;
            group.cancel_with_reason("closing time");
            let first = group.join_next().await.unwrap().unwrap_err();
            wait(&ctx, &group, 70);
            let second = group.join_next().await.unwrap().unwrap_err();
            // The scope around the group was not cancelled.
            ctx.timer(secs(3)).await?;
            Ok(format!("{first}, {second}"))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=1
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerCanceled id=2
             12 TimerStarted id=4
             13 TimerFired id=4
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="Cancelled: closing time, Cancelled: closing time""#]],
    );
}

#[test]
fn a_group_belongs_to_the_scope_in_which_it_was_made() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let group = scope.run(async { ctx.task_group() }).await;
            wait(&ctx, &group, 60);
            ctx.timer(secs(1)).await?;
            scope.cancel_with_reason("enough");
            Ok(group.join_all().await.unwrap_err().to_string())
        },
        &after_first_task(
            "5 TimerStarted\n6 TimerStarted\n7 TimerFired id=1\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=2
            CompleteWorkflowExecution result="Cancelled: enough""#]],
    );
}

/// Notes that it was dropped.
struct Noted(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn dropping_a_group_drops_its_branches_at_once_in_the_order_of_spawning() {
    check(
        |ctx| async move {
            let (group, notes) = (ctx.task_group(), Rc::new(RefCell::new(Vec::new())));
            for name in ["first", "second", "never begun"] {
                if name == "never begun" {
                    ctx.timer(secs(1)).await?;
                }
                let (ctx, noted) = (ctx.clone(), Noted(name, notes.clone()));
                group.spawn(async move {
                    ctx.activity(work, 1).start_to_close_timeout(secs(5)).await?;
                    drop(noted);
                    Ok::<_, WorkflowError>(())
                });
            }
            drop(group);
            let dropped = notes.borrow().join(", ");
            // The routines of the branches have ended too, so nothing is polled again.
            ctx.timer(secs(2)).await?;
            Ok(dropped)
        },
        &after_first_task(
            "5 TimerStarted
             6 ActivityTaskScheduled type=work
             7 ActivityTaskScheduled type=work
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 ActivityTaskCancelRequested scheduled=6
             13 ActivityTaskCancelRequested scheduled=7
             14 TimerStarted
             15 TimerFired id=2
             16 WorkflowTaskScheduled
             17 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="first, second, never begun""#]],
    );
}

#[test]
fn a_select_that_drops_join_all_loses_no_result() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            (1..=2).for_each(|n| wait(&ctx, &group, n));
            abide::select! {
                joined = group.join_all() => { joined?; }
                slept = ctx.timer(secs(3)) => slept?,
            }
            group.join_all().await
        },
        &after_first_task(
            "5 TimerStarted after=3s
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=2
             9 TimerFired id=1
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted
             12 WorkflowTaskCompleted
             13 TimerFired id=3
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[1,2]"],
    );
}

#[test]
fn a_branch_that_drops_its_own_group_ends_at_its_next_await() {
    check(
        |ctx| async move {
            let (slot, seen) = (Rc::new(RefCell::new(None)), Rc::new(State::new(0)));
            let group: TaskGroup<u64> = ctx.task_group();
            wait(&ctx, &group, 60);
            let (own, own_seen, own_ctx) = (slot.clone(), seen.clone(), ctx.clone());
            group.spawn(async move {
                own_ctx.timer(secs(1)).await?;
                own.take();
                own_seen.set(1);
                own_ctx.timer(secs(9)).await?;
                own_seen.set(2);
                Ok(0)
            });
            slot.replace(Some(group));
            ctx.wait_until(|| seen.get() > 0).await?;
            ctx.timer(secs(2)).await?;
            Ok(seen.get())
        },
        &after_first_task(
            "5 TimerStarted\n6 TimerStarted\n7 TimerFired id=2\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted",
        ),
        // Timer 3 was started and cancelled within the task.
        expect![[r#"
            CancelTimer id=1
            StartTimer id=4 after=2s"#]],
    );
}

#[test]
fn the_result_of_a_branch_that_dropped_its_own_group_is_dropped() {
    check(
        |ctx| async move {
            let slot = Rc::new(RefCell::new(None));
            let group: TaskGroup<u64> = ctx.task_group();
            let own = slot.clone();
            group.spawn(async move {
                own.take();
                Ok(7)
            });
            slot.replace(Some(group));
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_group_within_a_branch_ends_with_the_outer_group() {
    check(
        |ctx| async move {
            let outer = ctx.task_group();
            let inside = ctx.clone();
            outer.spawn(async move {
                let inner = inside.task_group();
                (61..=62).for_each(|n| wait(&inside, &inner, n));
                let all = inner.join_all().await?;
                Ok::<u64, WorkflowError>(all.iter().sum())
            });
            ctx.timer(secs(1)).await?;
            drop(outer);
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(SECOND_FIRED.replace("id=2", "id=1").as_str()),
        expect![[r#"
            CancelTimer id=2
            CancelTimer id=3
            StartTimer id=4 after=2s"#]],
    );
}

#[test]
fn an_error_in_a_nested_group_cancels_the_outer_one() {
    check(
        |ctx| async move {
            let outer = ctx.task_group();
            let inside = ctx.clone();
            outer.spawn(async move {
                let inner = inside.task_group();
                wait(&inside, &inner, 60);
                let failing = inside.clone();
                inner.spawn(async move {
                    failing.timer(secs(1)).await?;
                    Err(failure("inner"))
                });
                Ok::<u64, WorkflowError>(inner.join_all().await?.len() as u64)
            });
            wait(&ctx, &outer, 70);
            outer.join_all().await?;
            Ok(())
        },
        &after_first_task(SECOND_FIRED.replace("id=2", "id=3").as_str()),
        expect![[r#"
            CancelTimer id=2
            CancelTimer id=1
            FailWorkflowExecution message=inner source=AbideSDK"#]],
    );
}

#[test]
fn a_branch_that_panics_fails_the_task() {
    check(
        |ctx| async move {
            let group = ctx.task_group::<(), WorkflowError>();
            group.spawn(async { panic!("a bug") });
            group.join_all().await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at task_groups.rs `group.spawn(async { panic!("a bug") });`: a bug"#
        ]],
    );
}

/// Collects the parcels that signals add, each in a branch of one group.
#[workflow(name = "wf")]
struct Depot {
    group: TaskGroup<u64>,
    closed: State<bool>,
}

#[workflow_methods]
impl Depot {
    #[init]
    fn new(ctx: &WorkflowContext) -> Self {
        Self { group: ctx.task_group(), closed: State::new(false) }
    }

    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
        ctx.wait_until(|| self.closed.get()).await?;
        self.group.join_all().await
    }

    #[signal]
    fn add(&self, _ctx: &WorkflowContext, n: u64) {
        self.group.spawn_method(async move |this: &Self, ctx| this.carry(ctx, n).await);
    }

    #[signal]
    fn close(&self) {
        self.closed.set(true);
    }

    async fn carry(&self, ctx: &WorkflowContext, n: u64) -> Result<u64, WorkflowError> {
        ctx.timer(secs(n)).await?;
        Ok(n)
    }
}

#[test]
fn handlers_spawn_into_the_group_of_the_workflows_struct() {
    check_workflow(
        Depot::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=add input=2
             6 WorkflowExecutionSignaled name=add input=1
             7 WorkflowExecutionSignaled name=close
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerStarted
             12 TimerStarted
             13 TimerFired id=2
             14 TimerFired id=1
             15 WorkflowTaskScheduled
             16 WorkflowTaskStarted",
        ),
        None,
        expect!["CompleteWorkflowExecution result=[2,1]"],
    );
}

thread_local! {
    static HELD: RefCell<Weak<()>> = const { RefCell::new(Weak::new()) };
}

#[test]
fn a_dropped_run_frees_branches_that_hold_their_own_group() {
    let mut run = run_of(|ctx| async move {
        let group: Rc<TaskGroup<u64>> = Rc::new(ctx.task_group());
        let (own, own_ctx, held) = (group.clone(), ctx.clone(), Rc::new(()));
        HELD.replace(Rc::downgrade(&held));
        group.spawn(async move {
            own_ctx.timer(secs(60)).await?;
            drop(held);
            Ok(own.len() as u64)
        });
        group.join_all().await?;
        Ok(())
    });
    let events = parse_history(FIRST_TASK).unwrap();
    assert_eq!(text(&run.handle(Input::WorkflowTask(Box::new(task(&events))))), "StartTimer id=1 after=1m");
    assert!(HELD.with_borrow(|held| held.upgrade().is_some()));
    drop(run);
    assert!(HELD.with_borrow(|held| held.upgrade().is_none()));
}

/// Each branch is polled twice, and the main routine only at the beginning and at the end.
#[test]
fn ten_thousand_branches_take_a_number_of_polls_that_grows_with_their_number() {
    async fn body(ctx: WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
        let (group, main, branches) = (ctx.task_group(), Rc::default(), Rc::default());
        for n in 0..10_000_u64 {
            let mut yielded = false;
            let branch = poll_fn(move |cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(Ok::<u64, WorkflowError>(n));
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            group.spawn(counted(&branches, branch));
        }
        let all = counted(&main, group.join_all()).await?;
        Ok(vec![all.iter().sum(), branches.get(), main.get()])
    }
    check(body, FIRST_TASK, expect!["CompleteWorkflowExecution result=[49995000,20000,2]"]);
}

#[test]
fn ten_thousand_branches_are_dropped_with_their_group() {
    check(
        |ctx| async move {
            let (group, branches) = (ctx.task_group::<(), WorkflowError>(), Rc::default());
            for _ in 0..10_000 {
                group.spawn(counted(&branches, std::future::pending()));
            }
            ctx.timer(secs(1)).await?;
            drop(group);
            ctx.timer(secs(1)).await?;
            Ok(branches.get())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerStarted
             11 TimerFired
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=10000"],
    );
}

#[test]
fn one_error_cancels_ten_thousand_branches() {
    check(
        |ctx| async move {
            let group = ctx.task_group();
            (1..=10_000).for_each(|n| wait(&ctx, &group, n));
            group.spawn(async { Err(failure("the last")) });
            group.join_all().await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"FailWorkflowExecution message="the last" source=AbideSDK"#]],
    );
}

/// A query drops its group.
#[workflow(name = "wf")]
#[derive(Default)]
struct Careless {
    group: RefCell<Option<TaskGroup<u64>>>,
    done: State<bool>,
}

#[workflow_methods]
impl Careless {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let group = ctx.task_group();
        group.spawn_method(async |this: &Self, ctx| {
            ctx.timer(secs(1)).await?;
            this.done.set(true);
            Ok(0)
        });
        self.group.replace(Some(group));
        Ok(ctx.wait_until(|| self.done.get()).await?)
    }

    #[query]
    fn lose(&self) -> u32 {
        self.group.take().map_or(0, |_| 1)
    }
}

#[test]
fn a_query_that_drops_a_group_leaves_the_branches_running() {
    let mut run = new_run(&registry(Careless::run), None);
    let events = parse_history(&after_first_task(
        "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted",
    ));
    let events = events.unwrap();
    let lose = WorkflowQuery { query_type: "lose".into(), ..WorkflowQuery::default() };
    let first = WorkflowTask { queries: [("0".to_string(), lose)].into(), ..task(&events[..3]) };
    let Output::Complete(completion) = run.handle(Input::WorkflowTask(Box::new(first))) else { panic!("completed") };
    assert_eq!(query_answer(&completion.query_results["0"]), "answer 1");
    assert_eq!(
        text(&run.handle(Input::WorkflowTask(Box::new(task(&events[3..]))))),
        "CompleteWorkflowExecution result=null"
    );
}
