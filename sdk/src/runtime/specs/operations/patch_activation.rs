//! Workers that decide which patches are active: who is asked, when, and what a replay sees.

use std::sync::{Arc, Mutex};

use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{Input, Output};
use crate::runtime::WorkflowRegistry;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, closure, new_run, task};
use crate::{WorkflowContext, WorkflowError};

/// Asks for the patch before and after a timer. The timer is longer on the new path.
async fn asks_twice(ctx: WorkflowContext) -> Result<(bool, bool), WorkflowError> {
    let first = ctx.patched("p");
    ctx.timer(secs(if first { 2 } else { 1 })).await?;
    Ok((first, ctx.patched("p")))
}

async fn deprecates(ctx: WorkflowContext) -> Result<(bool, bool), WorkflowError> {
    ctx.deprecate_patch("p");
    Ok((true, ctx.patched("p")))
}

/// Runs the last task of a history with patches that are not active. Returns the types of its commands, its result, and
/// what was asked.
fn inactive<Fut>(code: fn(WorkflowContext) -> Fut, history: &str) -> (Vec<String>, Vec<String>)
where
    Fut: Future<Output = Result<(bool, bool), WorkflowError>> + 'static,
{
    let (mut registry, asked) = (WorkflowRegistry::default(), Arc::new(Mutex::new(Vec::new())));
    let hears = Arc::clone(&asked);
    registry.add(closure(code));
    registry.set_patch_activation(move |info, id| {
        hears.lock().unwrap().push(format!("{id} in {}", info.workflow_id));
        false
    });
    let mut run = new_run(&Arc::new(registry), None);
    let events = parse_history(history).unwrap();
    let Output::Complete(completion) = run.handle(Input::WorkflowTask(Box::new(task(&events)))) else {
        panic!("it fits")
    };
    let commands = completion.commands.iter().map(|command| format!("{:?}", command.command_type())).collect();
    let asked = asked.lock().unwrap().clone();
    (commands, asked)
}

fn after_a_timer(before: &str, first: usize) -> String {
    let events = ["TimerStarted id=1 after=1s", "WorkflowTaskScheduled", "TimerFired id=1", "WorkflowTaskStarted"];
    let [started, scheduled, fired, task] = events;
    after_first_task(&format!(
        "{before}{first} {started}\n{} {fired} started={first}\n{} {scheduled}\n{} {task}",
        first + 1,
        first + 2,
        first + 3
    ))
}

#[test]
fn a_patch_that_is_not_active_leaves_no_trace_and_is_asked_for_once() {
    let (commands, asked) = inactive(asks_twice, FIRST_TASK);
    assert_eq!((commands, asked), (vec!["StartTimer".to_string()], vec!["p in wf-id".to_string()]));
}

#[test]
fn a_replay_asks_nobody_and_keeps_the_path_of_the_run() {
    let (commands, asked) = inactive(asks_twice, &after_a_timer("", 5));
    assert_eq!((commands, asked), (vec!["CompleteWorkflowExecution".to_string()], Vec::new()));
    let marked = "5 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}\n\
                  6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]\n";
    let (commands, asked) = inactive(asks_twice, &after_a_timer(marked, 7));
    assert_eq!((commands, asked), (vec!["CompleteWorkflowExecution".to_string()], Vec::new()));
}

#[test]
fn a_deprecated_patch_is_not_asked_for() {
    let (commands, asked) = inactive(deprecates, FIRST_TASK);
    let expected = ["RecordMarker", "UpsertWorkflowSearchAttributes", "CompleteWorkflowExecution"];
    assert_eq!((commands, asked), (expected.map(String::from).to_vec(), Vec::new()));
}
