//! The handlers of a run, wherever they come from: its struct, or its code while it runs.
//!
//! A message goes to the handler of its name. If there is none, it goes to the dynamic handler of its kind. A struct and
//! its code never have a handler for the same name, so the order in which they are asked is of no importance.

use std::panic::Location;
use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payload;

use crate::converter::PayloadReader;
use crate::failure::WorkflowError;
use crate::workflow::message_handlers::table::Validation;
use crate::workflow::run_state::RunState;
use crate::workflow::{
    HandlerKind, SignalDispatch, UnfinishedPolicy, UpdateDispatch, WorkflowContext, WorkflowInstance, is_reserved,
};

/// A handler as the metadata query shows it.
pub(super) struct KnownHandler {
    pub(super) kind: HandlerKind,
    /// Name on the wire; empty for a dynamic handler.
    pub(super) name: String,
    pub(super) description: String,
}

/// The handler of a message.
pub(super) struct FoundHandler {
    pub(super) unfinished_policy: UnfinishedPolicy,
    pub(super) location: &'static Location<'static>,
}

/// Returns all handlers: those of the struct, then those that were set.
pub(super) fn all_handlers(instance: &dyn WorkflowInstance, shared: &RunState) -> Vec<KnownHandler> {
    let known = |kind, name: &str, description: &str| KnownHandler {
        kind,
        name: name.to_string(),
        description: description.to_string(),
    };
    let of_struct = instance.handlers().iter();
    let of_struct = of_struct.map(|handler| known(handler.kind, handler.name, handler.description));
    let handlers = shared.handlers.borrow();
    let set = handlers.set.iter().map(|handler| known(handler.code.kind(), &handler.name, &handler.description));
    of_struct.chain(set).collect()
}

/// Returns the handler that messages of that name go to.
pub(super) fn handler_of(
    instance: &dyn WorkflowInstance,
    shared: &RunState,
    kind: HandlerKind,
    name: &str,
) -> Option<FoundHandler> {
    let handlers = shared.handlers.borrow();
    let find = |name: &str| {
        let mut of_struct = instance.handlers().iter();
        let of_struct = of_struct.find(|handler| handler.kind == kind && handler.name == name);
        let of_struct = of_struct.map(|handler| (handler.unfinished_policy, handler.location));
        let set = || handlers.find(kind, name).map(|handler| (handler.unfinished_policy, handler.location));
        let (unfinished_policy, location) = of_struct.or_else(set)?;
        Some(FoundHandler { unfinished_policy, location })
    };
    find(name).or_else(|| find(""))
}

/// Returns true if there is a handler for messages of that name.
pub(super) fn is_handled(instance: &dyn WorkflowInstance, shared: &RunState, kind: HandlerKind, name: &str) -> bool {
    !is_reserved(name) && handler_of(instance, shared, kind, name).is_some()
}

/// Lists a workflow's handlers of one kind, for errors about an unknown one.
pub(super) fn known_handlers(
    instance: &dyn WorkflowInstance,
    shared: &RunState,
    kind: HandlerKind,
    kinds: &str,
) -> String {
    let known = all_handlers(instance, shared).into_iter().filter(|handler| handler.kind == kind);
    let known: Vec<String> = known.map(|handler| handler.name).filter(|name| !name.is_empty()).collect();
    if known.is_empty() {
        format!("this workflow has no {kinds}")
    } else {
        format!("this workflow's {kinds}: {}", known.join(", "))
    }
}

/// Hands a signal to its handler.
pub(super) fn signal(
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    name: &str,
    args: &mut PayloadReader<'_>,
) -> SignalDispatch {
    if is_reserved(name) {
        return SignalDispatch::Unknown;
    }
    let ctx = || WorkflowContext::new(shared.clone());
    let find = |name| shared.handlers.borrow().signal(name);
    if let Some(code) = find(name) {
        return code(ctx(), name, args);
    }
    match (instance.clone().signal(ctx(), name, args), find("")) {
        (SignalDispatch::Unknown, Some(dynamic)) => dynamic(ctx(), name, args),
        (dispatched, _) => dispatched,
    }
}

/// Hands an update to its handler.
pub(super) fn update(
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    name: &str,
    args: &mut PayloadReader<'_>,
    validation: Validation,
) -> UpdateDispatch {
    if is_reserved(name) {
        return UpdateDispatch::Unknown;
    }
    let ctx = || WorkflowContext::new(shared.clone());
    let find = |name| shared.handlers.borrow().update(name);
    if let Some(code) = find(name) {
        return code(ctx(), name, args, validation);
    }
    match (instance.clone().update(ctx(), name, args, validation == Validation::Runs), find("")) {
        (UpdateDispatch::Unknown, Some(dynamic)) => dynamic(ctx(), name, args, validation),
        (dispatched, _) => dispatched,
    }
}

/// Answers a query with its handler; `None` if there is none.
pub(super) fn query(
    instance: &dyn WorkflowInstance,
    shared: &Rc<RunState>,
    name: &str,
    args: &mut PayloadReader<'_>,
) -> Option<Result<Payload, WorkflowError>> {
    if is_reserved(name) {
        return None;
    }
    let ctx = WorkflowContext::new(shared.clone());
    let find = |name| shared.handlers.borrow().query(name);
    if let Some(code) = find(name) {
        return Some(code(&ctx, name, args));
    }
    instance.query(&ctx, name, args).or_else(|| find("").map(|dynamic| dynamic(&ctx, name, args)))
}
