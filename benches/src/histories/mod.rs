//! Histories of the bench workflows in the form that a server writes: with every field that Temporal 1.32 sets in
//! recorded histories of such workflows. The same arguments give the same bytes.

mod operations;
pub mod values;
pub mod writer;

use abide_protos::temporal::api::history::v1::History;

use values::{json, seconds};
use writer::Writer;

/// `SeqActivities(n)`: each task schedules one activity.
pub fn seq_activities(n: u32) -> History {
    let mut history = begin("SeqActivities", n);
    for number in 1..=n {
        let scheduled = activity(&mut history, number);
        history.activity_completed(scheduled, json(&quoted_input(number)));
        history.task();
    }
    history.end(&n.to_string())
}

/// `SeqTimers(n)`: each task starts one timer.
pub fn seq_timers(n: u32) -> History {
    let mut history = begin("SeqTimers", n);
    for number in 1..=n {
        timer(&mut history, number);
        history.task();
    }
    history.end(&n.to_string())
}

/// `FanOut(n)`: the first task schedules all activities; all have completed when the second task starts.
pub fn fan_out(n: u32) -> History {
    let mut history = begin("FanOut", n);
    let scheduled: Vec<_> = (1..=n).map(|number| activity(&mut history, number)).collect();
    for (number, scheduled) in (1..=n).zip(scheduled) {
        history.activity_completed(scheduled, json(&quoted_input(number)));
        if number == 1 {
            history.task_scheduled();
        }
    }
    history.task_started_and_completed();
    history.end(&n.to_string())
}

/// `SignalCount(n)`: each signal arrives before a task of its own.
pub fn signals(n: u32) -> History {
    let mut history = begin("SignalCount", n);
    for number in 1..=n {
        history.signal(number);
        history.task();
    }
    history.end(&n.to_string())
}

/// `SignalCount(n)`: the first signal schedules a task, and all signals have arrived when it starts.
pub fn signals_in_one_task(n: u32) -> History {
    let mut history = begin("SignalCount", n);
    for number in 1..=n {
        history.signal(number);
        if number == 1 {
            history.task_scheduled();
        }
    }
    history.task_started_and_completed();
    history.end(&n.to_string())
}

/// `Small("Temporal")`: one activity.
pub fn small() -> History {
    let name = "\"Temporal\"";
    let mut history = Writer::begin(1, "Small", "Small-1", name);
    history.task();
    let scheduled = history.activity_scheduled("1", "echo", json(name));
    history.activity_completed(scheduled, json(name));
    history.task();
    history.end(name)
}

/// `LocalActivities(n)`: each task records one local activity and starts the timer that triggers the next.
pub fn local_activities(n: u32) -> History {
    let mut history = begin("LocalActivities", n);
    for number in 1..=n {
        history.local_activity(number, 1);
        timer(&mut history, number);
        history.task();
    }
    history.end(&n.to_string())
}

/// `LocalActivitiesInOneTask(n)`: all of them, one after another, before the first task is completed.
pub fn local_activities_in_one_task(n: u32) -> History {
    let mut history = begin("LocalActivitiesInOneTask", n);
    for number in 1..=n {
        history.local_activity(number, u64::from(number));
    }
    history.end(&n.to_string())
}

/// `UpdateCount(n)`: each task accepts and completes one update.
pub fn updates(n: u32) -> History {
    let mut history = begin("UpdateCount", n);
    for number in 1..=n {
        history.task();
        history.update(number);
    }
    history.end(&n.to_string())
}

/// `Children(n)`: one child after another; its start and its end are a task each.
pub fn children(n: u32) -> History {
    let mut history = begin("Children", n);
    for number in 1..=n {
        let child = history.child_started(number);
        history.task();
        history.child_completed(number, child);
        history.task();
    }
    history.end(&n.to_string())
}

/// `Patches(n)`: each task asks for one more patch and starts the timer that triggers the next.
///
/// The list of a run's patches is limited to 2,048 bytes, which is 157 of these.
pub fn patches(n: u32) -> History {
    let mut history = begin("Patches", n);
    for number in 1..=n {
        history.patch(number);
        timer(&mut history, number);
        history.task();
    }
    history.end(&n.to_string())
}

/// Returns the id of the patch with this number.
pub fn patch_id(number: u32) -> String {
    format!("change-{number:03}")
}

/// Returns the workflow id of the child with this number.
pub fn child_id(number: u32) -> String {
    format!("child-{number:06}")
}

/// Returns the argument of the activity with this number, which is also its result.
pub fn activity_input(number: u32) -> String {
    format!("input-{number:06}")
}

/// Returns the same as JSON.
fn quoted_input(number: u32) -> String {
    format!("\"{}\"", activity_input(number))
}

/// Writes a workflow's start and its first task.
fn begin(workflow_type: &str, n: u32) -> Writer {
    let seed = workflow_type.bytes().fold(u64::from(n), |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    let mut history = Writer::begin(seed, workflow_type, &format!("{workflow_type}-{n}"), &n.to_string());
    history.task();
    history
}

fn activity(history: &mut Writer, number: u32) -> i64 {
    history.activity_scheduled(&number.to_string(), "echo", json(&quoted_input(number)))
}

/// Writes a timer of one second.
fn timer(history: &mut Writer, number: u32) {
    history.timer(&number.to_string(), seconds(1));
}
