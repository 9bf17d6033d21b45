//! The queries that every workflow answers: its metadata, for the web UI, and its stack trace, as text and as data.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::Location;
use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::enums::v1::QueryResultType;
use abide_protos::temporal::api::query::v1::WorkflowQueryResult;
use serde::Serialize;

use super::handlers::{KnownHandler, all_handlers};
use crate::converter::to_payload;
use crate::replay::flags::{SDK_NAME, SDK_VERSION};
use crate::workflow::run_state::RunState;
use crate::workflow::{HandlerKind, InboundMessage, WorkflowInstance};

/// Asks for the workflow's handlers and its description of its own state.
const METADATA: &str = "__temporal_workflow_metadata";
/// Asks for the operations that the workflow waits for, with the statements that began them.
const STACK_TRACE: &str = "__stack_trace";

/// Asks for the same as data, with places in the source.
const ENHANCED_STACK_TRACE: &str = "__enhanced_stack_trace";

/// Answer of a run that has not ended, but waits for nothing that Abide knows.
const UNKNOWN: &str = "something outside Temporal: a future that is not Abide's (a channel, a lock that is never \
                       released, `pending()`), which no event of the workflow's history wakes";

/// `temporal.api.sdk.v1.WorkflowMetadata` in protobuf's JSON form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkflowMetadata<'a> {
    definition: WorkflowDefinition<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    current_details: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkflowDefinition<'a> {
    r#type: &'a str,
    query_definitions: Vec<Handler<'a>>,
    signal_definitions: Vec<Handler<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    update_definitions: Vec<Handler<'a>>,
}

#[derive(Serialize)]
struct Handler<'a> {
    /// Missing for the dynamic handler.
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
}

/// `temporal.api.sdk.v1.EnhancedStackTrace` in protobuf's JSON form.
#[derive(Serialize)]
struct EnhancedStackTrace {
    sdk: Sdk,
    /// Texts of source files by path. They stay empty: a program does not contain its source, and the core reads no files.
    sources: BTreeMap<String, ()>,
    stacks: Vec<Stack>,
}

#[derive(Serialize)]
struct Sdk {
    name: &'static str,
    version: &'static str,
}

/// A statement that waits: Rust keeps no more of a suspended future.
#[derive(Serialize)]
struct Stack {
    locations: [Statement; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    file_path: &'static str,
    line: u32,
    column: u32,
    /// What the statement waits for. The name of its function is not known.
    function_name: String,
}

/// Answers the query if it is one of these.
pub(crate) fn answer(
    name: &str,
    instance: &dyn WorkflowInstance,
    shared: &Rc<RunState>,
) -> Option<WorkflowQueryResult> {
    let payload = match name {
        METADATA => to_json(&metadata(&all_handlers(instance, shared), shared, &shared.current_details.borrow())),
        STACK_TRACE => to_json(&stack_trace(shared)),
        ENHANCED_STACK_TRACE => to_json(&enhanced_stack_trace(shared)),
        _ => return None,
    };
    Some(WorkflowQueryResult {
        result_type: QueryResultType::Answered as i32,
        answer: Some(Payloads { payloads: vec![payload] }),
        ..Default::default()
    })
}

/// Converts texts and lists of texts, for which this cannot fail.
fn to_json<T: Serialize>(value: &T) -> abide_protos::temporal::api::common::v1::Payload {
    let json = serde_json::to_value(value).unwrap_or_default();
    to_payload(&json).unwrap_or_default()
}

fn metadata<'a>(handlers: &'a [KnownHandler], shared: &'a RunState, current_details: &'a str) -> WorkflowMetadata<'a> {
    let of_kind = |kind: HandlerKind| {
        let handlers = handlers.iter().filter(move |handler| handler.kind == kind);
        handlers.map(|handler| Handler { name: &handler.name, description: &handler.description }).collect::<Vec<_>>()
    };
    let mut queries = of_kind(HandlerKind::Query);
    queries.push(Handler { name: STACK_TRACE, description: "What the workflow waits for." });
    queries.push(Handler { name: ENHANCED_STACK_TRACE, description: "What the workflow waits for, as data." });
    queries.push(Handler { name: METADATA, description: "The workflow's type, its handlers and its current details." });
    let sorted = |mut handlers: Vec<Handler<'a>>| {
        handlers.sort_by_key(|handler| handler.name);
        handlers
    };
    WorkflowMetadata {
        definition: WorkflowDefinition {
            r#type: shared.info.get().map_or("", |info| &info.workflow_type),
            query_definitions: sorted(queries),
            signal_definitions: sorted(of_kind(HandlerKind::Signal)),
            update_definitions: sorted(of_kind(HandlerKind::Update)),
        },
        current_details,
    }
}

/// Returns one line for each operation, condition and cancellation that the code waits for.
///
/// Rust keeps no stack of a suspended future, so the statements that began the waits are all that is known.
fn stack_trace(shared: &RunState) -> String {
    let mut text = String::new();
    for (what, location) in waits_for(shared) {
        let _ = writeln!(text, "{what}\n    at {location}");
    }
    if text.is_empty() {
        let last = shared.operation_state.borrow().machines.last_statement();
        text = match last {
            _ if shared.has_ended.get() => "nothing: the workflow has ended\n".to_owned(),
            Some(last) => format!("{UNKNOWN}; the workflow's last command was issued here\n    at {last}\n"),
            None => format!("{UNKNOWN}\n    at an unknown statement\n"),
        };
    }
    text
}

fn enhanced_stack_trace(shared: &RunState) -> EnhancedStackTrace {
    let mut waits = waits_for(shared);
    if waits.is_empty() && !shared.has_ended.get() {
        let last = shared.operation_state.borrow().machines.last_statement();
        waits.extend(last.map(|last| (format!("{UNKNOWN}; the workflow's last command was issued here"), last)));
    }
    let stack = |(what, at): (String, &'static Location<'static>)| Stack {
        locations: [Statement { file_path: at.file(), line: at.line(), column: at.column(), function_name: what }],
    };
    EnhancedStackTrace {
        sdk: Sdk { name: SDK_NAME, version: SDK_VERSION },
        sources: BTreeMap::new(),
        stacks: waits.into_iter().map(stack).collect(),
    }
}

/// Returns everything the code waits for: operations in the order in which they began, then conditions, then
/// cancellations. Where the handler of a message waits or has begun the operation, the handler is named.
pub(super) fn waits_for(shared: &RunState) -> Vec<(String, &'static Location<'static>)> {
    let core = shared.operation_state.borrow();
    let mut operations: Vec<_> = core
        .operations
        .iter()
        .filter(|(_, operation)| operation.is_pending())
        .filter_map(|(_, operation)| {
            let (what, location) = core.machines.waits_for(operation.machine?)?;
            let by = InboundMessage::told(operation.message.as_deref());
            Some((operation.number, (format!("{what}{by}"), location)))
        })
        .collect();
    operations.sort_unstable_by_key(|(number, _)| *number);
    let operations = operations.into_iter().map(|(_, operation)| operation);
    let told = |what| move |(message, location)| (format!("{what}{}", InboundMessage::told(message)), location);
    let conditions = core.conditions.statements().map(told("condition"));
    let cancellations = core.cancel_waiters.statements().map(told("cancellation"));
    operations.chain(conditions).chain(cancellations).collect()
}
