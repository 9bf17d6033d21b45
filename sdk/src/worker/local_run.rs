//! A cached run with its local activities: what the run asks for is passed on, and ends when the run is forgotten.

use std::sync::Arc;

use super::lane::Ticket;
use super::lane_thread::Run;
use super::local_activities::{Lease, LocalActivities};
use crate::replay::{Input, Output};
use crate::runtime::{RunOptions, WorkflowRegistry, WorkflowRun};

/// What all runs of a worker are made from.
pub(super) struct RunFactory {
    pub(super) registry: Arc<WorkflowRegistry>,
    pub(super) options: Arc<RunOptions>,
    pub(super) local_activities: Arc<LocalActivities>,
}

/// A run, and its claim on local activities while some are under way.
///
/// Dropped, it cancels them: nobody could take in what they come to.
pub(super) struct LocalRun {
    run: WorkflowRun,
    local_activities: Arc<LocalActivities>,
    lease: Option<Lease>,
}

impl Run for LocalRun {
    type Factory = RunFactory;

    fn new(factory: &RunFactory, ticket: &Ticket) -> Self {
        let (registry, options) = (Arc::clone(&factory.registry), Arc::clone(&factory.options));
        let run = WorkflowRun::new(registry, options, ticket.workflow_id.clone(), ticket.run_id.clone());
        Self { run, local_activities: Arc::clone(&factory.local_activities), lease: None }
    }

    fn handle(&mut self, input: Input) -> Output {
        let mut output = self.run.handle(input);
        match &mut output {
            Output::RunLocalActivities { .. } => {
                if self.lease.is_none() {
                    self.lease = Some(LocalActivities::lease(&self.local_activities, self.run.run_id()));
                }
            }
            Output::Complete(completion) => {
                if let Some(lease) = self.lease.take() {
                    lease.cancel(&completion.cancel_local_activities);
                    completion.nonfirst_local_activity_attempts = lease.take_nonfirst_attempts();
                    if completion.force_create_new_workflow_task {
                        self.lease = Some(lease);
                    } else if !completion.closes_workflow {
                        lease.end();
                    }
                }
            }
            Output::Fail(_) => self.lease = None,
            // The run begins again, and asks for its local activities again, under the same numbers.
            Output::NeedHistory { next_page_token } if next_page_token.is_empty() => self.lease = None,
            Output::AnswerQuery(_) | Output::NeedHistory { .. } | Output::Idle => {}
        }
        output
    }

    fn last_processed_started_event_id(&self) -> i64 {
        self.run.last_processed_started_event_id()
    }

    fn take_back_task(&mut self, dropped: i64, last_started_event_id: i64) -> bool {
        self.run.take_back_task(dropped, last_started_event_id)
    }
}
