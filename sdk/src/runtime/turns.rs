//! Turns of a workflow task: jobs reach the code, and the code runs until nothing makes progress.

use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payload;

use super::failures::{TaskError, foreign_wake};
use super::order::{ConditionOrder, Grouping, HandlerScope, QueueOrder, RunOrder};
use super::routines::RoutineResult;
use super::workflow_run::WorkflowRun;
use crate::bounded_text::name as short;
use crate::replay::jobs::{HandlerMessage, Job, Jobs};
use crate::workflow::{RoutineFuture, WorkflowInstance};

impl WorkflowRun {
    /// Gives the code the jobs that the events produced, by rank, and runs it until nothing makes progress.
    pub(super) fn run_code(&mut self) -> Result<(), TaskError> {
        if self.ready().is_woken_from_elsewhere() {
            // The routine that was woken goes on before this is reported, and is at another place then.
            self.routines_mut().place_of_foreign_wake = Some(Box::new(self.place_of_foreign_wake()));
        }
        let jobs = std::mem::take(&mut self.shared().operation_state.borrow_mut().machines.jobs);
        let order = self.order();
        {
            let conditions = &mut self.shared().operation_state.borrow_mut().conditions;
            conditions.order = order.conditions;
            conditions.end_by_request = order.handlers == HandlerScope::OwnButEndsConditions;
        }
        self.routines_mut().set_handlers(order.handlers);
        self.shared().handlers.borrow_mut().updates_wait = true;
        let Jobs { start, random_seed, messages, others, local_activities, started: _ } = jobs;
        if let Some(seed) = random_seed {
            self.shared().random.borrow_mut().reseed(seed);
        }
        let main = start.map(|started| self.start(*started)).transpose()?;
        self.give_messages(messages, order)?;
        // Messages that came before the first task reach their handlers before the main routine begins.
        if let Some(main) = main {
            self.begin_main(main, order)?;
        }
        for job in self.settle(others, order) {
            self.give(job, order)?;
        }
        for job in local_activities {
            if let Some(operation) = job.operation {
                self.give(Job::Resolve { operation, outcome: job.outcome }, order)?;
            }
        }
        self.refuse_updates_without_handler(order.queue)?;
        self.drain(order.queue)?;
        self.warn_of_kept_signals();
        Ok(())
    }

    /// Runs the code that is woken, and hands the updates over again that still have no handler then.
    fn refuse_updates_without_handler(&mut self, order: QueueOrder) -> Result<(), TaskError> {
        let instance = self.begun()?;
        self.poll_ready(&instance, order)?;
        let updates = {
            let mut handlers = self.shared().handlers.borrow_mut();
            handlers.updates_wait = false;
            handlers.take_updates()
        };
        updates.into_iter().for_each(|update| self.routines_mut().add_message(update));
        Ok(())
    }

    fn warn_of_kept_signals(&self) {
        let (replaying, mut handlers) =
            (self.shared().operation_state.borrow().machines.replaying, self.shared().handlers.borrow_mut());
        let warned_up_to = handlers.warned_up_to;
        for message in &handlers.kept {
            if let HandlerMessage::Signal(signal) = message
                && signal.event_id > warned_up_to
                && !replaying
            {
                let (workflow_id, run_id) = self.ids();
                tracing::warn!(
                    workflow_id,
                    run_id,
                    signal = %short(&signal.name),
                    "the workflow has no handler for a signal; the signal is kept until the workflow sets a handler, or \
                     code with a handler runs the workflow: check the signal's name, or add a `#[signal]` method"
                );
            }
        }
        handlers.warned_up_to = handlers.kept.iter().map(|message| message.arrival().0).fold(warned_up_to, i64::max);
    }

    /// Queues messages for their handlers, or hands them over at once.
    fn give_messages(&mut self, messages: Vec<HandlerMessage>, order: RunOrder) -> Result<(), TaskError> {
        let (any, is_signal) =
            (!messages.is_empty(), |message: &HandlerMessage| matches!(message, HandlerMessage::Signal(_)));
        let comes_to_rest = match order.grouping {
            Grouping::ByRank => any,
            Grouping::ByRankIfSignalled => messages.iter().any(is_signal),
            Grouping::Batch | Grouping::MessagesAtOnce | Grouping::EachJob | Grouping::OutcomesAtOnce => false,
        };
        for message in messages {
            match order.grouping {
                Grouping::Batch | Grouping::ByRank | Grouping::OutcomesAtOnce => {
                    self.routines_mut().add_message(message);
                }
                Grouping::MessagesAtOnce | Grouping::ByRankIfSignalled => {
                    self.at_once(|run| run.routines_mut().add_message(message))?;
                    self.ask_conditions_at_once()?;
                }
                Grouping::EachJob => {
                    self.routines_mut().add_message(message);
                    self.drain(order.queue)?;
                }
            }
        }
        if comes_to_rest { self.drain(order.queue) } else { Ok(()) }
    }

    fn begin_main(&mut self, main: RoutineFuture<Payload>, order: RunOrder) -> Result<(), TaskError> {
        match order.grouping {
            Grouping::Batch | Grouping::ByRank | Grouping::OutcomesAtOnce => self.routines_mut().add_main(main),
            Grouping::MessagesAtOnce | Grouping::ByRankIfSignalled => {
                self.at_once(|run| run.routines_mut().add_main(main))?;
                self.ask_conditions_at_once()?;
            }
            Grouping::EachJob => {
                self.routines_mut().add_main(main);
                self.drain(order.queue)?;
            }
        }
        Ok(())
    }

    /// Applies one job of the last ranks.
    fn give(&mut self, job: Job, order: RunOrder) -> Result<(), TaskError> {
        let apply = |run: &mut Self| match job {
            Job::Resolve { operation, outcome } => {
                run.shared().operation_state.borrow_mut().resolve_operation(operation, outcome);
            }
            Job::CancelWorkflow { reason } => run.cancel_workflow(&reason, order.starts),
        };
        match order.grouping {
            Grouping::Batch | Grouping::ByRank | Grouping::ByRankIfSignalled | Grouping::MessagesAtOnce => apply(self),
            Grouping::EachJob => {
                apply(self);
                self.drain(order.queue)?;
            }
            Grouping::OutcomesAtOnce => self.at_once(apply)?,
        }
        Ok(())
    }

    /// Polls the routines that `wake` wakes, once, before all that were woken earlier.
    fn at_once<T>(&mut self, wake: impl FnOnce(&mut Self) -> T) -> Result<(), TaskError> {
        let instance = self.begun()?;
        let aside = self.ready().take();
        wake(self);
        for _ in 0..self.ready().len() {
            self.poll_next(&instance, QueueOrder::FirstInFirstOut)?;
        }
        self.ready().put_back(aside);
        Ok(())
    }

    /// Asks the conditions of routines that are not woken anyway. A routine whose condition is true goes on in its
    /// turn.
    fn ask_conditions_at_once(&mut self) -> Result<(), TaskError> {
        self.at_once(|run| run.shared().operation_state.borrow_mut().conditions.ask_apart())?;
        self.shared().operation_state.borrow_mut().conditions.go_on();
        Ok(())
    }

    /// Polls routines until nothing is ready and no condition has become true.
    fn drain(&mut self, order: QueueOrder) -> Result<(), TaskError> {
        let instance = self.begun()?;
        loop {
            self.poll_ready(&instance, order)?;
            if self.shared().operation_state.borrow().machines.has_only_rejected_updates() {
                // A replay has no job here and runs no code, so no condition may be asked here either.
                break;
            }
            // Asked at least once, because a cancellation or a later time makes conditions true without any polling.
            if !self.ask_conditions(&instance, order)? {
                break;
            }
        }
        if self.ready().take_foreign() {
            let found = self.routines_mut().place_of_foreign_wake.take();
            let place = found.map_or_else(|| self.place_of_foreign_wake(), |place| *place);
            let direct_call = self.routines().direct_call;
            return Err(foreign_wake(self.last_processed_started_event_id(), place, direct_call));
        }
        Ok(())
    }

    /// Returns true if a routine has gone on or is about to.
    fn ask_conditions(&mut self, instance: &Rc<dyn WorkflowInstance>, order: QueueOrder) -> Result<bool, TaskError> {
        let in_turn = self.shared().operation_state.borrow().conditions.order == ConditionOrder::InTurn;
        let mut core = self.shared().operation_state.borrow_mut();
        if in_turn {
            core.conditions.ask_again()
        } else {
            core.conditions.ask_apart()
        }
        drop(core);
        self.poll_ready(instance, order)?;
        let conditions = &mut self.shared().operation_state.borrow_mut().conditions;
        Ok(if in_turn { conditions.any_met() } else { conditions.go_on() })
    }

    fn poll_ready(&mut self, instance: &Rc<dyn WorkflowInstance>, order: QueueOrder) -> Result<(), TaskError> {
        while self.poll_next(instance, order)? {}
        Ok(())
    }

    /// Polls the routine whose turn it is. Returns false if none is woken.
    fn poll_next(&mut self, instance: &Rc<dyn WorkflowInstance>, order: QueueOrder) -> Result<bool, TaskError> {
        let Some(polled) = self.poll_routine(instance, order)? else { return Ok(false) };
        self.after_poll(polled)?;
        Ok(true)
    }

    fn after_poll(&mut self, polled: RoutineResult) -> Result<(), TaskError> {
        if let Some(message) = self.shared().operation_state.borrow_mut().task_failure.take() {
            return Err(TaskError::WorkerFailure(message));
        }
        match polled {
            RoutineResult::Pending | RoutineResult::Ended => Ok(()),
            RoutineResult::Main(result) => self.close(result.map(Some)),
            RoutineResult::HandlerFailed(error) => self.close(Err(error)),
            RoutineResult::Update { machine, message, result } => self.complete_update(machine, &message.name, result),
            RoutineResult::NoHandler(message) => {
                self.shared().handlers.borrow_mut().keep(message);
                Ok(())
            }
        }
    }

    /// Returns the order for the current task. A live task is recorded here, so its order is ours, whoever recorded the
    /// tasks before it.
    fn order(&self) -> RunOrder {
        let machines = &self.shared().operation_state.borrow().machines;
        let recorded = || if machines.replaying { RunOrder::of(&machines.flags) } else { RunOrder::OURS };
        self.options().order.unwrap_or_else(recorded)
    }
}
