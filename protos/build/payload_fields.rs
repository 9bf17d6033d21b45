//! Generates `PayloadFields` for all messages that can contain a payload, so that no field of any message is forgotten,
//! even when a new version of the API adds one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// The messages in which payloads end up. Their implementations are written by hand.
const LEAVES: [&str; 4] = [
    ".temporal.api.common.v1.Payload",
    ".temporal.api.common.v1.Header",
    ".temporal.api.failure.v1.Failure",
    ".temporal.api.protocol.v1.Message",
];
/// Values of search attributes. The server reads them, so they must not be encoded.
const READ_BY_THE_SERVER: [&str; 2] = [".SearchAttributes", ".AggregationGroup"];
/// Messages whose `details` are a map with entries of Core.
const MARKERS: [&str; 2] = [
    ".temporal.api.command.v1.RecordMarkerCommandAttributes",
    ".temporal.api.history.v1.MarkerRecordedEventAttributes",
];
/// Messages that name the owner of their payloads: see `src/payload_owners.rs`.
const OWNERS: [&str; 31] = [
    ".temporal.api.command.v1.Command",
    ".temporal.api.history.v1.HistoryEvent",
    ".temporal.api.workflow.v1.NewWorkflowExecutionInfo",
    ".temporal.api.workflow.v1.PendingActivityInfo",
    ".temporal.api.workflow.v1.PendingNexusOperationInfo",
    ".temporal.api.workflow.v1.WorkflowExecutionInfo",
    ".temporal.api.workflowservice.v1.DescribeActivityExecutionRequest",
    ".temporal.api.workflowservice.v1.DescribeNexusOperationExecutionRequest",
    ".temporal.api.workflowservice.v1.DescribeWorkflowExecutionRequest",
    ".temporal.api.workflowservice.v1.ExecuteMultiOperationRequest",
    ".temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryRequest",
    ".temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryReverseRequest",
    ".temporal.api.workflowservice.v1.PollActivityExecutionRequest",
    ".temporal.api.workflowservice.v1.PollActivityTaskQueueResponse",
    ".temporal.api.workflowservice.v1.PollNexusOperationExecutionRequest",
    ".temporal.api.workflowservice.v1.PollNexusTaskQueueResponse",
    ".temporal.api.workflowservice.v1.PollWorkflowExecutionUpdateRequest",
    ".temporal.api.workflowservice.v1.PollWorkflowTaskQueueResponse",
    ".temporal.api.workflowservice.v1.QueryWorkflowRequest",
    ".temporal.api.workflowservice.v1.RecordActivityTaskHeartbeatByIdRequest",
    ".temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest",
    ".temporal.api.workflowservice.v1.RespondActivityTaskCanceledByIdRequest",
    ".temporal.api.workflowservice.v1.RespondActivityTaskCompletedByIdRequest",
    ".temporal.api.workflowservice.v1.RespondActivityTaskFailedByIdRequest",
    ".temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest",
    ".temporal.api.workflowservice.v1.SignalWorkflowExecutionRequest",
    ".temporal.api.workflowservice.v1.StartActivityExecutionRequest",
    ".temporal.api.workflowservice.v1.StartNexusOperationExecutionRequest",
    ".temporal.api.workflowservice.v1.StartWorkflowExecutionRequest",
    ".temporal.api.workflowservice.v1.TerminateWorkflowExecutionRequest",
    ".temporal.api.workflowservice.v1.UpdateWorkflowExecutionRequest",
];
/// Further messages to cover, in addition to all requests and responses of the workflow service.
const ROOTS: [&str; 6] = [
    ".temporal.api.errordetails.v1.QueryFailedFailure",
    ".temporal.api.update.v1.Acceptance",
    ".temporal.api.update.v1.Rejection",
    ".temporal.api.update.v1.Request",
    ".temporal.api.update.v1.Response",
    ".temporal.api.history.v1.History",
];

struct Message<'a> {
    /// Path of the Rust type.
    rust: String,
    /// Path of the module with the nested types.
    module: String,
    proto: &'a DescriptorProto,
}

/// Returns the Rust code of all implementations.
pub(crate) fn generate(all: &FileDescriptorSet) -> String {
    let messages = all_messages(all);
    let calls = calls(&messages);
    let known: BTreeSet<String> = reachable(&messages, calls.iter().cloned().chain(ROOTS.map(String::from)));
    let with_payloads = leading_to(&LEAVES, &messages, &known);
    let mut code = String::new();
    for name in known.iter().filter(|name| with_payloads.contains(*name) || calls.contains(name)) {
        if !LEAVES.contains(&name.as_str()) && !messages[name].proto.options.as_ref().is_some_and(|o| o.map_entry()) {
            implementation(name, &messages, &with_payloads, &mut code);
        }
    }
    // The generated half of failures and protocol messages, which the hand-written implementation calls.
    let failure = ".temporal.api.failure.v1.Failure";
    let _ = writeln!(code, "impl crate::payload_fields::FailureFields for {} {{", messages[failure].rust);
    let _ = writeln!(code, "fn inner_fields<'a>(&'a mut self, to: &mut crate::payload_fields::Fields<'a>) {{");
    fields(failure, &messages, &with_payloads, &mut code);
    code.push_str("} }\n");
    code
}

/// Returns the fields that lead to failures as a table: for each message, their numbers and types.
pub(crate) fn failure_ways(all: &FileDescriptorSet) -> String {
    let messages = all_messages(all);
    let known = reachable(&messages, calls(&messages).into_iter().chain(ROOTS.map(String::from)));
    let with_failures = leading_to(&[".temporal.api.failure.v1.Failure"], &messages, &known);
    let mut code = String::from("pub(super) static WAYS: &[(&str, &[(u32, &str)])] = &[\n");
    for name in known.iter().filter(|name| with_failures.contains(*name)) {
        let fields = messages[name].proto.field.iter().filter(|field| with_failures.contains(field.type_name()));
        let fields = fields.map(|field| format!("({}, {:?})", field.number(), &field.type_name()[1..]));
        let _ = writeln!(code, "({:?}, &[{}]),", &name[1..], fields.collect::<Vec<String>>().join(", "));
    }
    code.push_str("];\n");
    code
}

fn all_messages(all: &FileDescriptorSet) -> BTreeMap<String, Message<'_>> {
    let mut messages = BTreeMap::new();
    for file in &all.file {
        let module = format!("::temporal_sdk_core_protos::{}", file.package().replace('.', "::"));
        for proto in &file.message_type {
            collect(&format!(".{}", file.package()), &module, proto, &mut messages);
        }
    }
    messages
}

/// Returns the requests and responses of the services that clients call.
fn calls(messages: &BTreeMap<String, Message<'_>>) -> Vec<String> {
    let services = [".temporal.api.workflowservice.v1.", ".temporal.api.operatorservice.v1.", ".grpc.health.v1."];
    let is_call = |name: &str| name.ends_with("Request") || name.ends_with("Response");
    let is_of_service = |name: &str| services.iter().any(|service| name.starts_with(service));
    messages.keys().filter(|name| is_of_service(name) && is_call(name)).cloned().collect()
}

fn collect<'a>(scope: &str, module: &str, proto: &'a DescriptorProto, messages: &mut BTreeMap<String, Message<'a>>) {
    let name = format!("{scope}.{}", proto.name());
    let nested = format!("{module}::{}", snake(proto.name()));
    for inner in &proto.nested_type {
        collect(&name, &nested, inner, messages);
    }
    messages.insert(name, Message { rust: format!("{module}::{}", proto.name()), module: nested, proto });
}

/// Returns all messages that are reachable from these.
fn reachable(messages: &BTreeMap<String, Message<'_>>, roots: impl Iterator<Item = String>) -> BTreeSet<String> {
    let (mut known, mut open) = (BTreeSet::new(), roots.collect::<Vec<_>>());
    while let Some(name) = open.pop() {
        let Some(message) = messages.get(&name) else { continue };
        if known.insert(name) {
            open.extend(held(message.proto).map(String::from));
        }
    }
    known
}

/// Returns the known messages from which one of the leaves is reachable.
fn leading_to(leaves: &[&str], messages: &BTreeMap<String, Message<'_>>, known: &BTreeSet<String>) -> HashSet<String> {
    let mut found: HashSet<String> = leaves.iter().map(|name| (*name).to_string()).collect();
    loop {
        let before = found.len();
        for name in known {
            let skipped = READ_BY_THE_SERVER.iter().any(|skipped| name.ends_with(skipped));
            if !skipped && held(messages[name].proto).any(|held| found.contains(held)) {
                found.insert(name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

fn held(proto: &DescriptorProto) -> impl Iterator<Item = &str> {
    proto.field.iter().filter(|field| field.r#type() == Type::Message).map(FieldDescriptorProto::type_name)
}

fn implementation(
    name: &str,
    messages: &BTreeMap<String, Message<'_>>,
    with_payloads: &HashSet<String>,
    code: &mut String,
) {
    let _ = writeln!(code, "impl crate::payload_fields::PayloadFields for {} {{", messages[name].rust);
    let owner = "crate::payload_owners::OwnsPayloads::owner_of(self, ";
    let names_owner = OWNERS.contains(&name);
    if names_owner {
        let _ = writeln!(code, "fn owner(&self) -> Option<crate::payload_owners::Owner> {{");
        let _ = writeln!(code, "{owner}&crate::payload_owners::Owner::Unknown) }}");
    }
    let _ = writeln!(code, "fn payload_fields<'a>(&'a mut self, to: &mut crate::payload_fields::Fields<'a>) {{");
    if names_owner {
        let _ = writeln!(code, "let before = to.enter(|enclosing| {owner}enclosing));");
    }
    fields(name, messages, with_payloads, code);
    if names_owner {
        code.push_str("to.leave(before);\n");
    }
    code.push_str("} }\n");
}

fn fields(name: &str, messages: &BTreeMap<String, Message<'_>>, with_payloads: &HashSet<String>, code: &mut String) {
    let message = &messages[name];
    let mut choices: BTreeMap<i32, String> = BTreeMap::new();
    for field in &message.proto.field {
        let entry = messages.get(field.type_name()).map(|held| held.proto);
        let is_map = entry.is_some_and(|entry| entry.options.as_ref().is_some_and(|options| options.map_entry()));
        let held = match entry {
            Some(entry) if is_map => entry.field[1].type_name(),
            _ => field.type_name(),
        };
        if !with_payloads.contains(held) {
            continue;
        }
        let rust = identifier(field.name());
        let in_choice = field.oneof_index.filter(|_| !field.proto3_optional());
        if let Some(index) = in_choice {
            let choice = upper_camel(message.proto.oneof_decl[index as usize].name());
            let variant = upper_camel(field.name());
            let arm = format!("Some({}::{choice}::{variant}(it)) => it.payload_fields(to),\n", message.module);
            choices.entry(index).or_default().push_str(&arm);
        } else if is_map && MARKERS.contains(&name) && field.name() == "details" {
            let _ = writeln!(code, "to.marker_details(&self.marker_name, self.{rust}.iter_mut());");
        } else if is_map {
            let _ = writeln!(code, "self.{rust}.values_mut().for_each(|it| it.payload_fields(to));");
        } else if field.label() == Label::Repeated {
            let _ = writeln!(code, "self.{rust}.iter_mut().for_each(|it| it.payload_fields(to));");
        } else {
            let _ = writeln!(code, "if let Some(it) = &mut self.{rust} {{ it.payload_fields(to); }}");
        }
    }
    for (index, arms) in choices {
        let field = identifier(message.proto.oneof_decl[index as usize].name());
        let _ = writeln!(code, "match &mut self.{field} {{\n{arms} _ => {{}}\n}}");
    }
    code.push_str("let _ = to;\n");
}

fn identifier(name: &str) -> String {
    let keywords: HashMap<&str, &str> = [("type", "r#type"), ("ref", "r#ref"), ("match", "r#match")].into();
    keywords.get(name).map_or_else(|| name.to_string(), |raw| (*raw).to_string())
}

fn upper_camel(name: &str) -> String {
    let word = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
    name.split('_').map(word).collect::<Vec<String>>().concat()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
