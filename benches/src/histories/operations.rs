//! Events of local activities, updates, children and patches.

#![expect(deprecated, reason = "servers still write the fields that came before worker deployments")]

use std::collections::HashMap;

use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{Payloads, SearchAttributes, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::{EventType, ParentClosePolicy, WorkflowIdReusePolicy};
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::history::v1::{
    ChildWorkflowExecutionCompletedEventAttributes, ChildWorkflowExecutionStartedEventAttributes,
    MarkerRecordedEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
    UpsertWorkflowSearchAttributesEventAttributes, WorkflowExecutionUpdateAcceptedEventAttributes,
    WorkflowExecutionUpdateCompletedEventAttributes,
};
use abide_protos::temporal::api::update::v1::{Input, Meta, Outcome, Request, outcome};

use super::values::{IDENTITY, NAMESPACE, json, payload, seconds, task_queue};
use super::writer::Writer;
use super::{child_id, patch_id, quoted_input};

impl Writer {
    /// Writes the marker of a successful local activity, which ended after this many activations of its task.
    pub(super) fn local_activity(&mut self, number: u32, activation_index: u64) {
        let time = |Timestamp { seconds, nanos }: Timestamp| format!(r#"{{"seconds":{seconds},"nanos":{nanos}}}"#);
        let scheduled = time(self.now());
        // Workflow code takes no workflow time, so the local activity ends at its task's start time, or later.
        let ended = time(self.now());
        let data = format!(
            r#"{{"seq":{number},"attempt":1,"activity_id":"{number}","activity_type":"echo","complete_time":{ended},"backoff":null,"original_schedule_time":{scheduled},"activation_index":{activation_index}}}"#
        );
        let result = quoted_input(number);
        self.marker("core_local_activity", [("data", json(&data)), ("result", json(&result))]);
    }

    fn marker<const N: usize>(&mut self, name: &str, details: [(&str, Option<Payloads>); N]) {
        let details = details.into_iter().map(|(key, value)| (key.to_string(), value.unwrap_or_default())).collect();
        let marker = MarkerRecordedEventAttributes {
            marker_name: name.into(),
            details,
            workflow_task_completed_event_id: self.completed,
            ..Default::default()
        };
        self.push(EventType::MarkerRecorded, Attributes::MarkerRecordedEventAttributes(marker));
    }

    /// Writes an update `add`, accepted and completed by the last task.
    pub(super) fn update(&mut self, number: u32) {
        let update_id = self.uuid();
        let meta = || Some(Meta { update_id: update_id.clone(), identity: IDENTITY.into() });
        let input = Input { header: None, name: "add".into(), args: json(&number.to_string()) };
        let accepted = WorkflowExecutionUpdateAcceptedEventAttributes {
            protocol_instance_id: update_id.clone(),
            accepted_request_message_id: format!("{update_id}/request"),
            accepted_request_sequencing_event_id: self.scheduled,
            accepted_request: Some(Request { meta: meta(), input: Some(input), ..Default::default() }),
        };
        let attributes = Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted);
        let accepted_event_id = self.push(EventType::WorkflowExecutionUpdateAccepted, attributes);
        let success = json(&number.to_string()).map(outcome::Value::Success);
        let completed = WorkflowExecutionUpdateCompletedEventAttributes {
            meta: meta(),
            accepted_event_id,
            outcome: Some(Outcome { value: success }),
        };
        let attributes = Attributes::WorkflowExecutionUpdateCompletedEventAttributes(completed);
        self.push(EventType::WorkflowExecutionUpdateCompleted, attributes);
    }

    /// Writes a child `Small`, initiated and started. Returns the ids of both events.
    pub(super) fn child_started(&mut self, number: u32) -> (i64, i64) {
        let initiated = StartChildWorkflowExecutionInitiatedEventAttributes {
            namespace: NAMESPACE.into(),
            namespace_id: self.namespace_id(),
            workflow_id: child_id(number),
            workflow_type: child_type(),
            task_queue: task_queue(),
            input: json("\"Temporal\""),
            workflow_run_timeout: seconds(0),
            workflow_task_timeout: seconds(10),
            parent_close_policy: ParentClosePolicy::Terminate.into(),
            workflow_task_completed_event_id: self.completed,
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
            inherit_build_id: true,
            ..Default::default()
        };
        let attributes = Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated);
        let initiated_event_id = self.push(EventType::StartChildWorkflowExecutionInitiated, attributes);
        let started = ChildWorkflowExecutionStartedEventAttributes {
            namespace: NAMESPACE.into(),
            namespace_id: self.namespace_id(),
            initiated_event_id,
            workflow_execution: self.child_execution(number),
            workflow_type: child_type(),
            header: None,
        };
        let attributes = Attributes::ChildWorkflowExecutionStartedEventAttributes(started);
        (initiated_event_id, self.push(EventType::ChildWorkflowExecutionStarted, attributes))
    }

    pub(super) fn child_completed(&mut self, number: u32, (initiated_event_id, started_event_id): (i64, i64)) {
        let completed = ChildWorkflowExecutionCompletedEventAttributes {
            result: json("\"Temporal\""),
            namespace: NAMESPACE.into(),
            namespace_id: self.namespace_id(),
            workflow_execution: self.child_execution(number),
            workflow_type: child_type(),
            initiated_event_id,
            started_event_id,
        };
        let attributes = Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed);
        self.push(EventType::ChildWorkflowExecutionCompleted, attributes);
    }

    fn namespace_id(&self) -> String {
        format!("{:08x}-de49-448b-8abc-637208eb2b90", self.seed() & 0xffff_ffff)
    }

    fn child_execution(&self, number: u32) -> Option<WorkflowExecution> {
        let run_id = format!("{:08x}-{:04x}-7199-b621-e153c3134dfb", self.seed() & 0xffff_ffff, number & 0xffff);
        Some(WorkflowExecution { workflow_id: child_id(number), run_id })
    }

    /// Writes the marker of a patch, and the list of all patches so far.
    pub(super) fn patch(&mut self, number: u32) {
        let data = format!(r#"{{"id":"{}","deprecated":false}}"#, patch_id(number));
        self.marker("core_patch", [("patch-data", json(&data))]);
        let ids: Vec<_> = (1..=number).map(|number| format!("\"{}\"", patch_id(number))).collect();
        let mut list = payload(&format!("[{}]", ids.join(",")));
        list.metadata.insert("type".into(), b"KeywordList".to_vec());
        let upserted = UpsertWorkflowSearchAttributesEventAttributes {
            workflow_task_completed_event_id: self.completed,
            search_attributes: Some(SearchAttributes {
                indexed_fields: HashMap::from([("TemporalChangeVersion".to_string(), list)]),
            }),
        };
        let attributes = Attributes::UpsertWorkflowSearchAttributesEventAttributes(upserted);
        self.push(EventType::UpsertWorkflowSearchAttributes, attributes);
    }
}

fn child_type() -> Option<WorkflowType> {
    Some(WorkflowType { name: "Small".into() })
}
