//! Memory follows the pending operations, and a run that is dropped leaves nothing behind.

use std::cell::RefCell;
use std::rc::Rc;

use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{HistoryPage, Input, Output, Until, WorkflowTask};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, run_of, task, text};
use crate::{ActivityError, activity};

#[activity]
async fn count(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

#[test]
fn ten_thousand_activities_later_nothing_is_kept() {
    let mut run = run_of(|ctx| async move {
        for n in 0..10_000 {
            ctx.activity(count, n).start_to_close_timeout(secs(5)).await?;
        }
        ctx.wait_until(|| false).await?;
        Ok(())
    });
    // Events of one activity, to be repeated with other ids.
    let template = parse_history(&after_first_task(
        "5 ActivityTaskScheduled type=count
         6 ActivityTaskStarted
         7 ActivityTaskCompleted result=1
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    ))
    .unwrap();
    let first = WorkflowTask { until: Until::End, ..task(&template[..3]) };
    let mut history = HistoryPage { next_page_token: b"more".to_vec(), ..first.history };
    let mut input = None;
    for n in 0..10_000 {
        let mut page = template[3..].to_vec();
        for event in &mut page {
            event.event_id += 6 * n;
            move_references(event, 6 * n, n + 1);
        }
        history.events.extend(page);
        if history.events.len() > 250 || n == 9_999 {
            if n == 9_999 {
                history.next_page_token.clear();
            }
            let page = std::mem::take(&mut history);
            history.next_page_token = b"more".to_vec();
            let output = match input.replace(()) {
                None => run.handle(Input::WorkflowTask(Box::new(WorkflowTask {
                    until: Until::End,
                    history: page,
                    ..WorkflowTask::default()
                }))),
                Some(()) => run.handle(Input::HistoryPage(page)),
            };
            match output {
                Output::NeedHistory { .. } if n < 9_999 => {}
                Output::Idle if n == 9_999 => {}
                other => panic!("after {n} activities: {}", text(&other)),
            }
        }
    }
    assert_eq!(run.last_processed_started_event_id(), 9 + 6 * 9_999);
    let mut core = run.shared().operation_state.borrow_mut();
    assert_eq!((core.machines.machines_alive(), core.operations.len()), (0, 0));
    assert!(core.machines.commands.front().is_none());
}

/// Shifts the ids to which an event refers.
fn move_references(event: &mut abide_protos::temporal::api::history::v1::HistoryEvent, by: i64, number: i64) {
    use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
    match event.attributes.as_mut().unwrap() {
        A::ActivityTaskScheduledEventAttributes(event) => event.activity_id = number.to_string(),
        A::ActivityTaskStartedEventAttributes(event) => event.scheduled_event_id += by,
        A::ActivityTaskCompletedEventAttributes(event) => {
            event.scheduled_event_id += by;
            event.started_event_id += by;
        }
        _ => {}
    }
}

/// Records its own end, and reads the workflow while it does so.
struct Noisy {
    ctx: crate::WorkflowContext,
    notes: Rc<RefCell<Vec<String>>>,
}

impl Drop for Noisy {
    fn drop(&mut self) {
        self.notes.borrow_mut().push(format!("dropped in {}", self.ctx.info().workflow_type));
    }
}

thread_local! {
    static NOTES: Rc<RefCell<Vec<String>>> = Rc::default();
}

#[test]
fn a_dropped_run_cancels_nothing_and_drops_what_its_code_holds() {
    let mut run = run_of(|ctx| async move {
        let _noisy = Noisy { ctx: ctx.clone(), notes: NOTES.with(Rc::clone) };
        let branch = ctx.clone();
        drop(ctx.spawn(async move { branch.timer(secs(60)).await }));
        let activity = ctx.activity(count, 1).start_to_close_timeout(secs(5)).start();
        let scope = ctx.cancellation_scope();
        let scoped = scope.run(ctx.timer(secs(60)));
        abide::select! {
            () = async { ctx.wait_until(|| false).timeout(secs(5)).await.map(drop).unwrap() } => {}
            _ = scoped => {}
            _ = activity => {}
        }
        Ok(())
    });
    let events = parse_history(FIRST_TASK).unwrap();
    let commands = text(&run.handle(Input::WorkflowTask(Box::new(task(&events)))));
    assert_eq!(commands.lines().count(), 4, "{commands}");
    drop(run);
    assert_eq!(NOTES.with(|notes| notes.borrow().clone()), ["dropped in wf"]);
}

#[test]
fn a_destructor_that_panics_does_not_get_out_of_a_dropped_run() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a destructor of the author's");
        }
    }
    let mut run = run_of(|ctx| async move {
        let _bomb = Bomb;
        ctx.timer(secs(60)).await?;
        Ok(())
    });
    let events = parse_history(FIRST_TASK).unwrap();
    let told = text(&run.handle(Input::WorkflowTask(Box::new(task(&events)))));
    assert_eq!(told, "StartTimer id=1 after=1m");
    drop(run);
}

#[test]
fn waiting_for_cancellation_in_a_loop_leaves_nothing_behind() {
    let mut run = run_of(|ctx| async move {
        for _ in 0..100 {
            // `FuturesUnordered` makes a new waker each time.
            let mut racers = futures_util::stream::FuturesUnordered::new();
            racers.push(futures_util::future::Either::Left(async { drop(ctx.cancelled().await) }));
            racers.push(futures_util::future::Either::Right(async {}));
            futures_util::StreamExt::next(&mut racers).await;
        }
        ctx.wait_until(|| false).await?;
        Ok(())
    });
    let events = parse_history(FIRST_TASK).unwrap();
    assert_eq!(text(&run.handle(Input::WorkflowTask(Box::new(task(&events))))), "");
    assert_eq!(run.shared().operation_state.borrow().cancel_waiters.len(), 0);
}
