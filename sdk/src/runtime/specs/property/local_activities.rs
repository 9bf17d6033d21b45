//! Local activities on a random worker: they end in any order and in any way, or the task is renewed first.

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure};

use super::server::Server;
use crate::converter::to_payload;
use crate::duration::{millis, secs};
use crate::replay::{Input, LocalActivityResolution, LocalActivityResult, Output};

/// A local activity that the worker runs.
#[derive(Debug)]
pub(super) struct LocalActivity {
    seq: u32,
    attempt: u32,
    cancelled: bool,
}

/// An input for a run whose task waits.
#[derive(Debug)]
pub(super) enum Told {
    Resolved(LocalActivityResolution),
    HeartbeatDue,
}

impl Told {
    pub(super) fn input(&self) -> Input {
        match self {
            Self::Resolved(resolution) => Input::LocalActivityResolved(Box::new(resolution.clone())),
            Self::HeartbeatDue => Input::HeartbeatDue,
        }
    }
}

impl Server {
    /// Continues the cached run's task until it is answered. Returns its inputs, so that other runs can get the same.
    pub(super) fn run_local_activities(&mut self, mut output: Output) -> (Output, Vec<Told>) {
        let mut told = Vec::new();
        while let Output::RunLocalActivities { start, cancel } = output {
            let begun =
                start.iter().map(|task| LocalActivity { seq: task.seq, attempt: task.attempt, cancelled: false });
            self.local_activities.extend(begun);
            for one in self.local_activities.iter_mut().filter(|one| cancel.contains(&one.seq)) {
                one.cancelled = true;
            }
            let next = self.next_of_local_activities();
            output = self.cached.handle(next.input());
            told.push(next);
        }
        (output, told)
    }

    fn next_of_local_activities(&mut self) -> Told {
        assert!(!self.local_activities.is_empty(), "a task waits for nothing:\n{}", self.history());
        if self.choose(6) == 5 {
            return Told::HeartbeatDue;
        }
        let index = self.choose(self.local_activities.len());
        let LocalActivity { seq, attempt, cancelled } = self.local_activities.remove(index);
        let failure = || Box::new(Failure { message: "broken".into(), ..Default::default() });
        let result = match self.choose(if cancelled { 4 } else { 3 }) {
            0 => LocalActivityResult::Completed(to_payload(&1_u32).expect("a number is JSON")),
            1 => LocalActivityResult::Failed(failure()),
            2 => LocalActivityResult::BackOff { failure: failure(), delay: secs(90) },
            _ => LocalActivityResult::Failed(Box::new(Failure {
                failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
                ..*failure()
            })),
        };
        Told::Resolved(LocalActivityResolution { seq, result, attempt, run_time: millis(100), wall_time: None })
    }
}
