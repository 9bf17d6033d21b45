//! The reset points of a run: one for each build of its worker, passed on from run to run.

use std::fmt::Write as _;

use expect_test::expect;

use super::super::api::{common, service};
use super::super::errors::Error;
use super::super::time::Time;
use super::spec::{Spec, check};

impl Spec {
    /// Returns the points in a description of the run.
    pub(super) fn points(&mut self) -> Result<(), Error> {
        let request = service::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: Some(common::WorkflowExecution { workflow_id: "wf".to_owned(), run_id: String::new() }),
        };
        let described = self.engine.at(self.now).describe_workflow_execution(&request)?;
        let info = described.workflow_execution_info.unwrap_or_default();
        let current = info.execution.unwrap_or_default().run_id;
        self.out.push_str("points:\n");
        for point in info.auto_reset_points.unwrap_or_default().points {
            let run = match point.run_id {
                id if id == current => "this run",
                id if id == self.first_run => "the first run",
                _ => "a run between",
            };
            let _ = write!(self.out, "  {} at {} of {run}", point.build_id, point.first_workflow_task_completed_id);
            if let (Some(expires), Some(created)) = (point.expire_time, point.create_time) {
                let lives = Time::from_proto(&expires).since(Time::from_proto(&created));
                let _ = write!(self.out, ", for {} s", lives.as_secs());
            }
            self.out.push_str(if point.resettable { "\n" } else { ", not resettable\n" });
        }
        Ok(())
    }
}

#[test]
fn each_build_that_answers_has_a_point_which_the_next_run_knows() {
    check(
        "
            start
            poll
            respond build=one: timer t 5s
            signal next
            poll
            respond build=one
            signal next
            poll
            respond build=two: continue-as-new
            wait 2s
            points
            poll
            respond build=three: continue-as-new
            wait 2s
            poll
            respond build=one
            points
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1, events 1-12
            points:
              one at 4 of the first run, for 86400 s
              two at 13 of the first run, for 86400 s
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-3
            points:
              one at 4 of the first run, for 86400 s
              two at 13 of the first run, for 86400 s
              three at 4 of a run between, for 86400 s
        "#]],
    );
}

#[test]
fn a_run_cannot_be_reset_to_where_a_child_of_it_runs() {
    check(
        "
            start
            poll
            respond build=one: child c
            signal next
            poll
            respond build=two
            points
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-9
            points:
              one at 4 of this run
              two at 10 of this run, not resettable
        "#]],
    );
}

#[test]
fn a_reset_run_has_the_points_of_the_events_that_it_keeps() {
    check(
        "
            start
            poll
            respond build=one
            signal next
            poll
            respond build=two
            signal next
            poll
            respond build=three
            reset 8
            points
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            poll: task, attempt 1, events 1-11
            points:
              one at 4 of this run
        "#]],
    );
}

#[test]
fn the_last_twenty_are_kept() {
    let builds: String = (1..=22).map(|build| format!("signal next\npoll\nrespond build={build}\n")).collect();
    let transcript = super::spec::transcript(&format!("start\n{builds}points"));
    let points: Vec<_> = transcript.lines().skip_while(|line| *line != "points:").skip(1).collect();
    assert_eq!(points.len(), 20);
    assert!(points[0].starts_with("  3 at ") && points[19].starts_with("  22 at "), "{points:?}");
}
