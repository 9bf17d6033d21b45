//! Nexus operations: endpoints, requests to handlers and their answers, retries, timeouts, cancellation, and workflows
//! that back operations.

use std::fmt::Write as _;

use expect_test::expect;

use super::super::api::failure::failure::FailureInfo;
use super::super::api::{common, failure, nexus, operator, service, taskqueue};
use super::super::errors::Error;
use super::super::waiters::Step;
use super::print;
use super::spec::{Arguments, QUEUE, Spec, check};

/// The request that a worker has taken.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) token: Vec<u8>,
    request: nexus::Request,
}

impl Spec {
    pub(super) fn about_nexus(&mut self, what: &str, arguments: &Arguments<'_>) -> Result<(), Error> {
        match what {
            "endpoint" => self.endpoint(arguments.0[0]),
            "ask" => self.ask(),
            "tell" => self.tell_nexus(arguments),
            "back" => self.back(arguments.0[0]),
            _ => {
                let reasons = self.engine.busy();
                let reasons = if reasons.is_empty() { "no".to_owned() } else { reasons.join("; ") };
                let _ = writeln!(self.out, "busy: {reasons}");
                Ok(())
            }
        }
    }

    fn endpoint(&mut self, name: &str) -> Result<(), Error> {
        let request = operator::CreateNexusEndpointRequest { spec: Some(spec(name)) };
        self.engine.at(self.now).create_nexus_endpoint(request).map(drop)
    }

    fn ask(&mut self) -> Result<(), Error> {
        let request = service::PollNexusTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(taskqueue::TaskQueue { name: QUEUE.to_owned(), ..Default::default() }),
            ..Default::default()
        };
        match self.engine.at(self.now).poll_nexus_task_queue(request)? {
            Step::Wait(waiter) => {
                self.engine.withdraw(waiter);
                let _ = writeln!(self.out, "ask: nothing");
            }
            Step::Done(response) => {
                let request = response.request.unwrap_or_default();
                let limit = request.header.get("request-timeout").cloned().unwrap_or_default();
                let trace = request.header.get("trace").cloned().unwrap_or_default();
                let what = match &request.variant {
                    Some(nexus::request::Variant::StartOperation(start)) => format!("start {}", start.operation),
                    Some(nexus::request::Variant::CancelOperation(cancel)) => {
                        format!("cancel {} {}", cancel.operation, cancel.operation_token)
                    }
                    None => "nothing".to_owned(),
                };
                let _ = writeln!(self.out, "ask: {what} within {limit}, trace {trace}");
                self.nexus = Asked { token: response.task_token, request };
            }
        }
        Ok(())
    }

    fn tell_nexus(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        use nexus::start_operation_response as start;
        let text = arguments.0.get(1).copied().unwrap_or_default().to_owned();
        let task_token = self.nexus.token.clone();
        let variant = match arguments.0[0] {
            "sync" => {
                let payload = print::text_payloads(&text).payloads.pop();
                start::Variant::SyncSuccess(start::Sync { payload, links: Vec::new() })
            }
            "async" => start::Variant::AsyncSuccess(start::Async { operation_token: text, ..Default::default() }),
            "fail" => {
                let info = failure::ApplicationFailureInfo { r#type: "Failure".to_owned(), ..Default::default() };
                start::Variant::Failure(failure_of("no", FailureInfo::ApplicationFailureInfo(info)))
            }
            "canceled" => {
                let info = failure::CanceledFailureInfo::default();
                start::Variant::Failure(failure_of("stopped", FailureInfo::CanceledFailureInfo(info)))
            }
            "handler" => {
                let retry_behavior = if arguments.has("final") { 2 } else { 0 };
                let info = failure::NexusHandlerFailureInfo { r#type: text, retry_behavior };
                let failure = Some(failure_of("not me", FailureInfo::NexusHandlerFailureInfo(info)));
                let request = service::RespondNexusTaskFailedRequest { task_token, failure, ..Default::default() };
                return self.engine.at(self.now).respond_nexus_task_failed(request).map(drop);
            }
            _ => {
                let variant = nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {});
                return self.respond_nexus(task_token, variant);
            }
        };
        let response = nexus::StartOperationResponse { variant: Some(variant) };
        self.respond_nexus(task_token, nexus::response::Variant::StartOperation(response))
    }

    fn respond_nexus(&mut self, task_token: Vec<u8>, variant: nexus::response::Variant) -> Result<(), Error> {
        let response = Some(nexus::Response { variant: Some(variant) });
        let request = service::RespondNexusTaskCompletedRequest { task_token, response, ..Default::default() };
        self.engine.at(self.now).respond_nexus_task_completed(request).map(drop)
    }

    /// Starts the workflow that backs the requested operation.
    fn back(&mut self, workflow_id: &str) -> Result<(), Error> {
        let Some(nexus::request::Variant::StartOperation(start)) = &self.nexus.request.variant else {
            panic!("nothing was asked for");
        };
        let mut header = start.callback_header.clone();
        header.insert("nexus-operation-token".to_owned(), workflow_id.to_owned());
        let callback = common::callback::Nexus { url: start.callback.clone(), header };
        let variant = Some(common::callback::Variant::Nexus(callback));
        let request = service::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(common::WorkflowType { name: "Backing".to_owned() }),
            task_queue: Some(taskqueue::TaskQueue { name: QUEUE.to_owned(), ..Default::default() }),
            request_id: start.request_id.clone(),
            completion_callbacks: vec![common::Callback { variant, ..Default::default() }],
            ..Default::default()
        };
        self.engine.at(self.now).start_workflow_execution(request).map(drop)
    }
}

fn failure_of(message: &str, info: FailureInfo) -> failure::Failure {
    failure::Failure { message: message.to_owned(), failure_info: Some(info), ..Default::default() }
}

fn spec(name: &str) -> nexus::EndpointSpec {
    let worker = nexus::endpoint_target::Worker { namespace: "default".to_owned(), task_queue: QUEUE.to_owned() };
    let target = nexus::EndpointTarget { variant: Some(nexus::endpoint_target::Variant::Worker(worker)) };
    nexus::EndpointSpec { name: name.to_owned(), target: Some(target), ..Default::default() }
}

#[test]
fn endpoints_are_made_changed_and_deleted() {
    let mut server = Spec::new();
    let engine = server.engine.at(server.now);
    let create = |name: &str| operator::CreateNexusEndpointRequest { spec: Some(spec(name)) };
    let made = engine.create_nexus_endpoint(create("shop")).unwrap().endpoint.unwrap();
    let mut said = Vec::new();
    for name in ["shop", "1shop", "", "sh_op"] {
        said.push(engine.create_nexus_endpoint(create(name)).unwrap_err().message);
    }
    let update =
        |version| operator::UpdateNexusEndpointRequest { id: made.id.clone(), version, spec: Some(spec("store")) };
    said.push(engine.update_nexus_endpoint(update(2)).unwrap_err().message);
    let changed = engine.update_nexus_endpoint(update(1)).unwrap().endpoint.unwrap();
    assert_eq!((changed.version, changed.spec.unwrap().name.as_str()), (2, "store"));
    let list = |name: &str| operator::ListNexusEndpointsRequest { name: name.to_owned(), ..Default::default() };
    assert_eq!(engine.list_nexus_endpoints(&list("store")).endpoints.len(), 1);
    assert_eq!(engine.list_nexus_endpoints(&list("shop")).endpoints.len(), 0);
    let delete = || operator::DeleteNexusEndpointRequest { id: made.id.clone(), version: 2 };
    engine.delete_nexus_endpoint(delete()).unwrap();
    said.push(engine.delete_nexus_endpoint(delete()).unwrap_err().message.replace(&made.id, "ID"));
    let get = operator::GetNexusEndpointRequest { id: made.id.clone() };
    said.push(engine.get_nexus_endpoint(get).unwrap_err().message.replace(&made.id, "ID"));
    expect![[r#"
        error creating Nexus endpoint. Endpoint with name shop already registered
        endpoint name must match the regex: "^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$"
        endpoint name not set
        endpoint name must match the regex: "^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$"
        nexus endpoint version mismatch. received: 2 expected 1
        error deleting nexus endpoint with ID: ID
        Nexus endpoint with ID `ID` not found"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn a_synchronous_answer_of_the_handler_ends_the_operation() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a s2c=30s; nexus b; nexus c; nexus d
            ask
            tell sync done
            ask
            tell fail
            ask
            tell canceled
            ask
            tell handler BAD_REQUEST
            tell handler BAD_REQUEST
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            ask: start b within 8000ms, trace x
            ask: start c within 8000ms, trace x
            ask: start d within 8000ms, trace x
            tell: NotFound Nexus task not found or already expired
            history:
              5 NexusOperationScheduled a s2c=30s
              6 NexusOperationScheduled b
              7 NexusOperationScheduled c
              8 NexusOperationScheduled d
              9 NexusOperationCompleted of 5: done
              10 WorkflowTaskScheduled on tq, attempt 1
              11 NexusOperationFailed of 6: "no"
              12 NexusOperationCanceled of 7: "stopped"
              13 NexusOperationFailed of 8: "not me" (BAD_REQUEST)
        "#]],
    );
}

#[test]
fn an_endpoint_that_is_not_there_fails_the_workflow_task() {
    check(
        "start\npoll\nrespond: nexus a endpoint=nowhere\nhistory",
        &expect![[r#"
        start: first run, started true
        poll: task, attempt 1, events 1-3
        respond: InvalidArgument BadScheduleNexusOperationAttributes: endpoint "nowhere" not found
        history:
          1 WorkflowExecutionStarted attempt 1
          2 WorkflowTaskScheduled on tq, attempt 1
          3 WorkflowTaskStarted of 2
          4 WorkflowTaskFailed of 2, 3: BadScheduleNexusOperationAttributes, BadScheduleNexusOperationAttributes: endpoint "nowhere" not found
    "#]],
    );
}

#[test]
fn errors_that_may_pass_are_tried_again() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            tell handler INTERNAL
            busy
            ask
            wait 1s
            ask
            tell handler UNAVAILABLE
            wait 1s
            ask
            wait 1s
            ask
            busy
            tell handler INTERNAL final
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            busy: no
            ask: nothing
            ask: start a within 8000ms, trace x
            ask: nothing
            ask: start a within 8000ms, trace x
            busy: the Nexus operation of event 5 of workflow wf has no answer from its handler yet
            history:
              5 NexusOperationScheduled a
              6 NexusOperationFailed of 5: "not me" (INTERNAL)
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_request_that_nobody_answers_is_made_again() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            wait 8s
            tell sync late
            ask
            wait 1s
            ask
            tell sync done
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            tell: NotFound Nexus task not found or already expired
            ask: nothing
            ask: start a within 8000ms, trace x
            history:
              5 NexusOperationScheduled a
              6 NexusOperationCompleted of 5: done
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn operations_time_out() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus unasked s2c=3s; nexus unstarted s2s=2s s2c=60s; nexus unended stc=2s; nexus both s2c=5s s2s=9s
            ask
            ask
            ask
            tell async token
            wait 1s
            wait 1s
            wait 1s
            wait 2s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start unasked within 1000ms, trace x
            ask: start unstarted within 0ms, trace x
            ask: start unended within 8000ms, trace x
            history:
              5 NexusOperationScheduled unasked s2c=3s
              6 NexusOperationScheduled unstarted s2c=60s s2s=2s
              7 NexusOperationScheduled unended stc=2s
              8 NexusOperationScheduled both s2c=5s s2s=5s
              9 NexusOperationStarted of 7: token
              10 WorkflowTaskScheduled on tq, attempt 1
              11 NexusOperationTimedOut of 6: "operation timed out" (ScheduleToStart)
              12 NexusOperationTimedOut of 7: "operation timed out" (StartToClose)
              13 NexusOperationTimedOut of 5: "operation timed out" (ScheduleToClose)
              14 NexusOperationTimedOut of 8: "operation timed out" (ScheduleToStart)
        "#]],
    );
}

#[test]
fn no_operation_outlasts_its_run() {
    check(
        "endpoint endpoint\nstart run_timeout=7s\npoll\nrespond: nexus a; nexus b s2c=3s stc=5s s2s=9s; nexus c s2c=1m\nhistory",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 NexusOperationScheduled a s2c=7s
              6 NexusOperationScheduled b s2c=3s s2s=3s stc=3s
              7 NexusOperationScheduled c s2c=7s
        "#]],
    );
}

#[test]
fn a_started_operation_is_asked_to_stop() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            tell async token
            busy
            poll
            respond: cancel-nexus 5
            ask
            tell handler INTERNAL
            wait 1s
            ask
            tell ok
            tell ok
            poll
            respond: cancel-nexus 5
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            busy: a workflow task of workflow wf is scheduled on task queue tq; the Nexus operation of event 5 of workflow wf runs outside this server
            poll: task, attempt 1, events 1-8
            ask: cancel a token within 8000ms, trace x
            ask: cancel a token within 8000ms, trace x
            tell: NotFound Nexus task not found or already expired
            poll: task, attempt 1, events 1-13
            respond: InvalidArgument BadRequestCancelNexusOperationAttributes: cancelation was already requested for an operation with scheduled event ID 5
            history:
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: token
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 NexusOperationCancelRequested of 5
              11 NexusOperationCancelRequestCompleted of 5, requested by 10
              12 WorkflowTaskScheduled on tq, attempt 1
              13 WorkflowTaskStarted of 12
              14 WorkflowTaskFailed of 12, 13: BadRequestCancelNexusOperationAttributes, BadRequestCancelNexusOperationAttributes: cancelation was already requested for an operation with scheduled event ID 5
        "#]],
    );
}

#[test]
fn an_operation_is_asked_to_stop_once_it_has_started() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a; timer t 1s
            ask
            wait 1s
            poll
            respond: cancel-nexus 5
            ask
            tell async token
            ask
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            poll: task, attempt 1, events 1-9
            ask: nothing
            ask: cancel a token within 8000ms, trace x
        "#]],
    );
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            tell async token
            poll
            respond: cancel-nexus 5
            ask
            tell handler NOT_FOUND
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            poll: task, attempt 1, events 1-8
            ask: cancel a token within 8000ms, trace x
            history:
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: token
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 NexusOperationCancelRequested of 5
              11 NexusOperationCancelRequestFailed of 5, requested by 10: "not me" (NOT_FOUND)
              12 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn an_operation_that_ends_before_its_cancellation_request_gets_no_request() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a; timer t 1s
            ask
            wait 1s
            poll
            tell sync done
            respond: cancel-nexus 5
            ask
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            poll: task, attempt 1, events 1-9
            ask: nothing
            history:
              5 NexusOperationScheduled a
              6 TimerStarted t
              7 TimerFired t of 6
              8 WorkflowTaskScheduled on tq, attempt 1
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 NexusOperationCancelRequested of 5
              12 NexusOperationCompleted of 5: done
              13 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

/// Ends the workflow that backs the operation in this way. The transcript is the caller's history.
fn check_backed(end: &str, expected: &expect_test::Expect) {
    let script = format!(
        "
        endpoint endpoint
        start
        poll
        respond: nexus a
        ask
        back backing
        tell async backing
        busy
        poll
        respond: {end}
        history
        "
    );
    check(&script, expected);
}

#[test]
fn a_workflow_ends_the_operation_that_it_backs() {
    check_backed(
        "complete done",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            busy: a workflow task of workflow wf is scheduled on task queue tq; a workflow task of workflow backing is scheduled on task queue tq
            poll: task, attempt 1 of backing, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: backing
              7 WorkflowTaskScheduled on tq, attempt 1
              8 NexusOperationCompleted of 5: done
        "#]],
    );
    check_backed(
        "fail",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            busy: a workflow task of workflow wf is scheduled on task queue tq; a workflow task of workflow backing is scheduled on task queue tq
            poll: task, attempt 1 of backing, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: backing
              7 WorkflowTaskScheduled on tq, attempt 1
              8 NexusOperationFailed of 5: "no"
        "#]],
    );
    check_backed(
        "cancelled",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            busy: a workflow task of workflow wf is scheduled on task queue tq; a workflow task of workflow backing is scheduled on task queue tq
            poll: task, attempt 1 of backing, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: backing
              7 WorkflowTaskScheduled on tq, attempt 1
              8 NexusOperationCanceled of 5: "operation canceled"
        "#]],
    );
}

#[test]
fn an_outcome_that_overtakes_the_answer_starts_the_operation_as_well() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            back backing
            poll
            respond: complete done
            tell async backing
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            poll: task, attempt 1 of backing, events 1-3
            tell: NotFound Nexus task not found or already expired
            history:
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: backing
              7 WorkflowTaskScheduled on tq, attempt 1
              8 NexusOperationCompleted of 5: done
        "#]],
    );
}

#[test]
fn only_the_last_run_of_a_chain_ends_the_operation() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            back backing
            tell async backing
            poll
            respond: continue-as-new
            wait 1s
            poll
            respond
            history from=5
            poll
            respond: complete done
            history from=10
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            poll: task, attempt 1 of backing, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 NexusOperationScheduled a
              6 NexusOperationStarted of 5: backing
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
            poll: task, attempt 1 of backing, events 1-3
            history:
              10 NexusOperationCompleted of 5: done
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_reset_run_goes_on_with_its_operations() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a; nexus b s2c=1m
            ask
            back backing
            tell async backing
            ask
            poll
            respond: timer t 1m
            poll
            respond: complete
            reset 9
            ask
            tell sync again
            poll
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            ask: start b within 8000ms, trace x
            poll: task, attempt 1 of backing, events 1-3
            poll: task, attempt 1, events 1-9
            ask: start b within 8000ms, trace x
            poll: task, attempt 1, events 1-13
            history:
              5 NexusOperationScheduled a
              6 NexusOperationScheduled b s2c=60s
              7 NexusOperationStarted of 5: backing
              8 WorkflowTaskScheduled on tq, attempt 1
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskFailed of 8, 9: ResetWorkflow, because
              11 WorkflowTaskScheduled on tq, attempt 1
              12 NexusOperationCompleted of 6: again
              13 WorkflowTaskStarted of 11
        "#]],
    );
}

#[test]
fn nothing_is_asked_for_a_workflow_that_has_closed() {
    check(
        "
            endpoint endpoint
            start
            poll
            respond: nexus a
            ask
            terminate
            tell sync done
            wait 1m
            ask
            busy
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            ask: start a within 8000ms, trace x
            tell: NotFound Nexus task not found or already expired
            ask: nothing
            busy: no
            history:
              5 NexusOperationScheduled a
              6 WorkflowExecutionTerminated terminated by user via frontend
        "#]],
    );
}
