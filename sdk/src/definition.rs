//! What clients, workflows and workers agree on: the definitions of workflows, activities and their messages.
//!
//! A definition is a small value (a *marker*) that names the thing on the wire and says how its arguments and its
//! result travel. The attribute macros write these implementations; `ctx.activity(..)`, `client.start(..)` and
//! `handle.signal(..)` take markers by value, so a wrong argument is a type error at the call.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::converter::{PayloadError, PayloadReader, PayloadWriter};

/// A value that can travel in a Temporal payload: anything that serde can write and read.
///
/// Implemented for every type that has `Serialize`, `Deserialize`, is `Send` and borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between workflows, activities and clients",
    label = "this type is not a payload value",
    note = "arguments and results are serialized: put `#[derive(serde::Serialize, serde::Deserialize)]` on the type, and let it own its data"
)]
pub trait PayloadValue: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> PayloadValue for T {}

/// How the arguments of a definition travel: one payload each, in order.
///
/// `Args` is `()` for none, the argument itself for one, and a tuple for several.
pub trait Arguments {
    /// `()`, the only argument, or a tuple of all arguments.
    type Args: Send + 'static;

    /// Writes one payload for each argument.
    ///
    /// # Errors
    /// When serde refuses an argument.
    fn write_args(args: &Self::Args, to: &mut PayloadWriter) -> Result<(), PayloadError>;

    /// Reads the arguments back. Payloads beyond them are ignored; an argument without a payload reads as JSON's `null`,
    /// which is `None` where the argument is an `Option`.
    ///
    /// # Errors
    /// When a payload does not fit its argument, or is missing and the argument cannot be read from `null`.
    fn read_args(from: &mut PayloadReader<'_>) -> Result<Self::Args, PayloadError>;
}

/// A workflow type: what a client starts and a parent runs as a child.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "expected a workflow: a function with `#[workflow]`, or `Type::run` of a struct with `#[workflow]`"
)]
pub trait WorkflowDefinition: Arguments + Copy + Send + Sync + 'static {
    /// What the workflow returns when it completes.
    type Output: PayloadValue;

    /// The workflow type's name on the wire.
    fn name(&self) -> &'static str;
}

/// An activity type: what a workflow schedules with `ctx.activity(..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    label = "expected an activity: a function with `#[activity]`, or `Type::method` of an impl block with `#[activities]`"
)]
pub trait ActivityDefinition: Arguments + Copy + Send + Sync + 'static {
    /// What the activity returns when it completes.
    type Output: PayloadValue;

    /// The activity type's name on the wire.
    fn name(&self) -> &'static str;
}

/// A signal of one workflow type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signal",
    label = "expected a signal: `Type::method` of a method with `#[signal]`"
)]
pub trait SignalDefinition: Arguments + Copy + Send + Sync + 'static {
    /// The workflow type that handles it.
    type Workflow: 'static;

    /// The signal's name on the wire.
    fn name(&self) -> &'static str;
}

/// A query of one workflow type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "expected a query: `Type::method` of a method with `#[query]`"
)]
pub trait QueryDefinition: Arguments + Copy + Send + Sync + 'static {
    /// The workflow type that answers it.
    type Workflow: 'static;
    /// The answer.
    type Output: PayloadValue;

    /// The query's name on the wire.
    fn name(&self) -> &'static str;
}

/// An update of one workflow type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an update",
    label = "expected an update: `Type::method` of a method with `#[update]`"
)]
pub trait UpdateDefinition: Arguments + Copy + Send + Sync + 'static {
    /// The workflow type that handles it.
    type Workflow: 'static;
    /// What the update gives back when it completes.
    type Output: PayloadValue;

    /// The update's name on the wire.
    fn name(&self) -> &'static str;
}
