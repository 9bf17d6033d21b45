//! One workflow run of the server: its history, and what it waits for.

use std::time::Instant;

use abide_benches::histories::values::seconds;
use abide_benches::histories::writer::Writer;
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::history::v1::HistoryEvent;

/// A run that has started and not ended.
///
/// It keeps no events that the worker has: the worker must keep the run in its cache.
pub(crate) struct Run {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    history: Writer,
    task: Task,
    /// News that came while a task was started: they follow its completion.
    buffered: Vec<News>,
    /// Id of the last WorkflowTaskStarted event, 0 at first.
    last_started: i64,
    /// Activities that are scheduled and not completed.
    pub(crate) activities: Vec<Activity>,
    /// Number of signals sent so far.
    pub(crate) signals: u32,
    /// Times of the run's start and of its last task's scheduling and start.
    pub(crate) began: Instant,
    pub(crate) scheduled: Instant,
    pub(crate) started: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Task {
    None,
    Scheduled,
    Started,
}

/// An event from outside that a workflow task follows.
pub(crate) enum News {
    Signal(u32),
    ActivityCompleted { scheduled_event_id: i64, result: Option<Payloads> },
}

/// A scheduled activity, as a poll returns it.
#[derive(Clone)]
pub(crate) struct Activity {
    pub(crate) scheduled_event_id: i64,
    pub(crate) activity_id: String,
    pub(crate) activity_type: String,
    pub(crate) input: Option<Payloads>,
}

/// A task for the worker.
pub(crate) struct StartedTask {
    /// The events since the task before.
    pub(crate) events: Vec<HistoryEvent>,
    /// Ids of the WorkflowTaskStarted events of this task and of the one before, 0 if there is none.
    pub(crate) started: i64,
    pub(crate) previous_started: i64,
}

/// The effect of a completed task.
pub(crate) enum Answered {
    /// The workflow has ended.
    Ended,
    /// The run goes on: ids of the new activities, and whether it has a new workflow task.
    Open { activities: Vec<i64>, task: bool },
}

impl Run {
    /// Starts a run; its first task is scheduled.
    pub(crate) fn start(number: usize, workflow_type: &str, input: &str, now: Instant) -> Self {
        let workflow_id = format!("bench-wf-{number:08}");
        let mut history = Writer::begin(number as u64, workflow_type, &workflow_id, input);
        history.task_scheduled();
        Self {
            workflow_id,
            run_id: history.run_id(),
            history,
            task: Task::Scheduled,
            buffered: Vec::new(),
            last_started: 0,
            activities: Vec::new(),
            signals: 0,
            began: now,
            scheduled: now,
            started: now,
        }
    }

    /// Starts the scheduled task.
    pub(crate) fn start_task(&mut self, now: Instant) -> StartedTask {
        (self.task, self.started) = (Task::Started, now);
        let started = self.history.task_started();
        let previous_started = std::mem::replace(&mut self.last_started, started);
        StartedTask { events: self.history.take_events(), started, previous_started }
    }

    /// Adds news. Returns true if they schedule a workflow task.
    pub(crate) fn add(&mut self, news: News, now: Instant) -> bool {
        match self.task {
            Task::Started => {
                self.buffered.push(news);
                false
            }
            Task::None | Task::Scheduled => {
                self.write(news);
                self.schedule_task(now)
            }
        }
    }

    fn write(&mut self, news: News) {
        match news {
            News::Signal(number) => self.history.signal(number),
            News::ActivityCompleted { scheduled_event_id, result } => {
                self.activities.retain(|activity| activity.scheduled_event_id != scheduled_event_id);
                self.history.activity_completed(scheduled_event_id, result);
            }
        }
    }

    /// Returns true if a task was scheduled now, false if one already was.
    fn schedule_task(&mut self, now: Instant) -> bool {
        if self.task != Task::None {
            return false;
        }
        self.history.task_scheduled();
        (self.task, self.scheduled) = (Task::Scheduled, now);
        true
    }

    /// Completes the started task and carries out its commands. A timer fires at once.
    ///
    /// # Errors
    /// Returns an error if no task is started, or for a command that the bench workflows do not have.
    pub(crate) fn complete_task(&mut self, commands: Vec<Command>, now: Instant) -> Result<Answered, String> {
        if self.task != Task::Started {
            return Err(format!("the worker completed a task of {}, which has no started task", self.workflow_id));
        }
        self.history.task_completed();
        self.task = Task::None;
        let (mut activities, mut task) = (Vec::new(), false);
        for command in commands {
            let command_type = command.command_type();
            match command.attributes {
                Some(Attributes::ScheduleActivityTaskCommandAttributes(command)) => {
                    let activity_type = command.activity_type.map(|activity_type| activity_type.name);
                    let activity_type = activity_type.unwrap_or_default();
                    let (id, input) = (command.activity_id, command.input);
                    let scheduled_event_id = self.history.activity_scheduled(&id, &activity_type, input.clone());
                    self.activities.push(Activity { scheduled_event_id, activity_id: id, activity_type, input });
                    activities.push(scheduled_event_id);
                }
                Some(Attributes::StartTimerCommandAttributes(timer)) => {
                    self.history.timer(&timer.timer_id, timer.start_to_fire_timeout.or(seconds(0)));
                    task |= self.schedule_task(now);
                }
                Some(Attributes::CompleteWorkflowExecutionCommandAttributes(_)) => return Ok(Answered::Ended),
                _ => {
                    return Err(format!(
                        "a workflow task has the command {command_type:?}, which this server does not support"
                    ));
                }
            }
        }
        for news in std::mem::take(&mut self.buffered) {
            self.write(news);
            task |= self.schedule_task(now);
        }
        Ok(Answered::Open { activities, task })
    }
}
