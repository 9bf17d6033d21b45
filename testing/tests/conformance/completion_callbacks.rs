//! Completion callbacks, and starts that use an existing run.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::link::workflow_event::Reference;
use abide_protos::temporal::api::common::v1::{Callback, Link, callback, link};
use abide_protos::temporal::api::enums::v1::{CommandType, EventType, WorkflowIdConflictPolicy};
use abide_protos::temporal::api::history::v1::history_event;
use abide_protos::temporal::api::update::v1::{Input, Meta, Request};
use abide_protos::temporal::api::workflow::v1::OnConflictOptions;
use abide_protos::temporal::api::workflowservice::v1::{
    StartWorkflowExecutionRequest, StartWorkflowExecutionResponse, UpdateWorkflowExecutionRequest,
};
use expect_test::expect;
use tonic::Status;

use crate::arm::Outcome;
use crate::raw::{Raw, command, compare_answers, unique};

fn callback(url: &str) -> Callback {
    let nexus = callback::Nexus { url: url.into(), header: [("Some-Token".to_owned(), "t".to_owned())].into() };
    Callback { variant: Some(callback::Variant::Nexus(nexus)), links: Vec::new() }
}

fn joining(raw: &Raw, options: OnConflictOptions) -> StartWorkflowExecutionRequest {
    let mut request = raw.start_request("");
    request.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
    request.on_conflict_options = Some(options);
    request
}

/// Describes the answer to a start: whether it started a run, and the target of its link.
fn told(answer: Result<tonic::Response<StartWorkflowExecutionResponse>, Status>) -> Result<String, Status> {
    let response = answer?.into_inner();
    let reference = match response.link.as_ref().and_then(|link| link.variant.as_ref()) {
        Some(link::Variant::WorkflowEvent(event)) => event.reference.as_ref(),
        _ => None,
    };
    let link = match reference {
        Some(Reference::EventRef(event)) => format!("event {} {:?}", event.event_id, event.event_type()),
        Some(Reference::RequestIdRef(request)) => format!("request {:?}", request.event_type()),
        None => "nothing".into(),
    };
    Ok(format!("started {}, {:?}, link to {link}", response.started, response.status()))
}

#[tokio::test]
async fn callbacks_that_would_never_be_called_are_refused() -> Outcome {
    let expected = expect![[r#"
        temporal://system: started
        temporal://system/x: InvalidArgument: invalid url: unknown scheme: temporal://system/x
        http://127.0.0.1:1/done: InvalidArgument: invalid url: url does not match any configured callback address: http://127.0.0.1:1/done
        ftp://nobody: InvalidArgument: invalid url: unknown scheme: ftp://nobody
        http://: InvalidArgument: invalid url: missing host
        nobody: InvalidArgument: invalid url: unknown scheme: nobody
        http://xxxxxxxxxxxxxxxxxxxxxxx: InvalidArgument: invalid url: url length longer than max length allowed of 1000
        33 callbacks: started
        an empty callback: Unimplemented: unknown callback variant: <nil>
    "#]];
    compare_answers("callbacks", expected, |mut raw| async move {
        let long = format!("http://{}", "x".repeat(1000));
        for url in [
            "temporal://system",
            "temporal://system/x",
            "http://127.0.0.1:1/done",
            "ftp://nobody",
            "http://",
            "nobody",
            &long,
        ] {
            let mut request = raw.start_request(&unique());
            request.completion_callbacks = vec![callback(url)];
            let answer = raw.service.start_workflow_execution(request).await.map(|_| "started");
            raw.note(&url.chars().take(30).collect::<String>(), &answer);
        }
        let mut request = raw.start_request(&unique());
        request.completion_callbacks = vec![callback("temporal://system"); 33];
        let answer = raw.service.start_workflow_execution(request).await.map(|_| "started");
        raw.note("33 callbacks", &answer);
        let mut request = raw.start_request(&unique());
        request.completion_callbacks = vec![Callback::default()];
        let answer = raw.service.start_workflow_execution(request).await.map(|_| "started");
        raw.note("an empty callback", &answer);
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_start_attaches_itself_to_the_run_that_is_there() -> Outcome {
    let expected = expect![[r#"
        without options: started false, Running, link to event 1 WorkflowExecutionStarted
        callbacks without the request: InvalidArgument: attaching request ID is required for attaching completion callbacks
        options that attach nothing: started false, Running, link to event 1 WorkflowExecutionStarted
        all of it: started false, Running, link to request WorkflowExecutionOptionsUpdated
        the same request again: started false, Running, link to request WorkflowExecutionOptionsUpdated
        while a task is in hand: started false, Running, link to request WorkflowExecutionOptionsUpdated
        continue as new: InvalidArgument: UnhandledCommand
        events: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_OPTIONS_UPDATED, WORKFLOW_EXECUTION_OPTIONS_UPDATED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_FAILED (UnhandledCommand), WORKFLOW_EXECUTION_OPTIONS_UPDATED, WORKFLOW_TASK_SCHEDULED
        attached: 0 callbacks, id false, 0 links, ignorable true
        attached: 1 callbacks, id true, 1 links, ignorable true
        attached: 0 callbacks, id true, 0 links, ignorable true
    "#]];
    compare_answers("on-conflict", expected, |mut raw| async move {
        raw.start("").await?;
        let mut request = raw.start_request("");
        request.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
        let answer = told(raw.service.start_workflow_execution(request).await);
        raw.note("without options", &answer);
        let options = OnConflictOptions { attach_completion_callbacks: true, ..Default::default() };
        let request = joining(&raw, options);
        let answer = told(raw.service.start_workflow_execution(request).await);
        raw.note("callbacks without the request", &answer);
        let answer = told({
            let request = joining(&raw, OnConflictOptions::default());
            raw.service.start_workflow_execution(request).await
        });
        raw.note("options that attach nothing", &answer);
        let options =
            OnConflictOptions { attach_request_id: true, attach_completion_callbacks: true, attach_links: true };
        let mut request = joining(&raw, options);
        request.completion_callbacks = vec![callback("temporal://system")];
        request.links = vec![Link {
            variant: Some(link::Variant::WorkflowEvent(link::WorkflowEvent {
                namespace: "default".into(),
                workflow_id: "another".into(),
                run_id: "0190e9e5-0000-7000-8000-000000000000".into(),
                reference: None,
            })),
        }];
        let again = request.clone();
        let answer = told(raw.service.start_workflow_execution(request).await);
        raw.note("all of it", &answer);
        let answer = told(raw.service.start_workflow_execution(again).await);
        raw.note("the same request again", &answer);
        raw.poll().await?;
        let options = OnConflictOptions { attach_request_id: true, ..Default::default() };
        let request = joining(&raw, options);
        let answer = told(raw.service.start_workflow_execution(request).await);
        raw.note("while a task is in hand", &answer);
        let attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
        let next = Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes);
        let answer = raw.complete(vec![command(CommandType::ContinueAsNewWorkflowExecution, next.clone())]).await;
        raw.note("continue as new", &answer);
        raw.note_events("").await?;
        for event in raw.events("").await? {
            let Some(history_event::Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(a)) = event.attributes
            else {
                continue;
            };
            let (callbacks, id) = (a.attached_completion_callbacks.len(), !a.attached_request_id.is_empty());
            let links = event.links.len();
            let may_ignore = event.worker_may_ignore;
            raw.note("attached", &Ok(format!("{callbacks} callbacks, id {id}, {links} links, ignorable {may_ignore}")));
        }
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn the_next_run_has_the_callbacks_that_were_attached() -> Outcome {
    let expected = expect![[r#"
        callbacks of the next run: 2
        complete: done
    "#]];
    compare_answers("callbacks-next-run", expected, |mut raw| async move {
        let mut request = raw.start_request("");
        request.completion_callbacks = vec![callback("temporal://system")];
        raw.service.start_workflow_execution(request).await?;
        let options =
            OnConflictOptions { attach_request_id: true, attach_completion_callbacks: true, attach_links: false };
        let mut request = joining(&raw, options);
        request.completion_callbacks = vec![callback("temporal://system")];
        raw.service.start_workflow_execution(request).await?;
        raw.poll().await?;
        let attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
        let next = Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes);
        raw.complete(vec![command(CommandType::ContinueAsNewWorkflowExecution, next)]).await?;
        let first =
            raw.events("").await?.into_iter().find(|event| event.event_type() == EventType::WorkflowExecutionStarted);
        let callbacks = match first.and_then(|event| event.attributes) {
            Some(history_event::Attributes::WorkflowExecutionStartedEventAttributes(a)) => a.completion_callbacks.len(),
            _ => 0,
        };
        raw.note("callbacks of the next run", &Ok(callbacks.to_string()));
        raw.poll().await?;
        let attributes = CompleteWorkflowExecutionCommandAttributes::default();
        let end = Attributes::CompleteWorkflowExecutionCommandAttributes(attributes);
        let answer = raw.complete(vec![command(CommandType::CompleteWorkflowExecution, end)]).await;
        raw.note("complete", &answer);
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn callbacks_of_updates_need_a_request_id() -> Outcome {
    let expected = expect![[r#"
        an update with a callback and without a request id: InvalidArgument: invalid *update.Request: request_id is required when completion_callbacks are set
    "#]];
    compare_answers("update-callbacks", expected, |mut raw| async move {
        raw.start("").await?;
        let request = UpdateWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_execution: Some(raw.execution_of("")),
            request: Some(Request {
                meta: Some(Meta { update_id: "u".into(), identity: "raw".into() }),
                input: Some(Input { name: "change".into(), ..Default::default() }),
                completion_callbacks: vec![callback("temporal://system")],
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = raw.service.update_workflow_execution(request).await.map(|_| "taken");
        raw.note("an update with a callback and without a request id", &answer);
        Ok(raw)
    })
    .await
}
