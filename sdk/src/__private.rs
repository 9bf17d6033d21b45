//! Support for the macros' output. Not for direct use: it may change in any version.
//!
//! Besides re-exports, these types answer questions that only the type system can, since a type may be spelled with an
//! alias: what a function returns, if a query returns a `Result`, if a struct is a workflow.

mod contracts;
#[cfg(feature = "worker")]
mod nexus;

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;

pub use std::borrow::Cow;
pub use std::boxed::Box;
pub use std::rc::Rc;
pub use std::string::String;
pub use std::sync::Arc;
pub use std::vec::Vec;

pub use abide_protos::temporal::api::common::v1::Payload;

pub use crate::activity::{
    Activities, ActivityContext, ActivityFuture, ActivityImplementation, ActivityRegistry, CalledActivity,
};
pub use crate::activity_defaults::{ActivityDefaults, HasDefaultTimeout};
pub use contracts::{
    Expected, all_are_implemented, implements_activity, implements_query, implements_signal, implements_update,
    implements_workflow, is_same_text,
};

#[cfg(feature = "worker")]
pub use crate::nexus::{NexusContext, NexusHandlers, NexusRegistry};
#[cfg(feature = "worker")]
pub use nexus::{NexusArgument, NexusReturn, nexus_argument, nexus_cancelled, nexus_started};

pub use crate::converter::{PayloadError, PayloadReader, PayloadWriter, to_payload};
pub use crate::definition::{
    ActivityDefinition, AnyWorkflow, Arguments, QueryDefinition, QueryOf, SignalDefinition, SignalOf, UpdateDefinition,
    UpdateOf, WorkflowDefinition,
};
pub use crate::failure::application_error::{failure_with_details, read_details};
pub use crate::failure::{ApplicationError, ApplicationFailure, ErrorCategory, Failure, WorkflowError};
pub use crate::search_attributes::{
    AttributeField, SearchAttributeUpdate, SearchAttributes, SearchAttributesReader, TextField,
};
pub use crate::versioning::VersioningBehavior;
pub use crate::workflow::{
    CalledWorkflow, HandlerInfo, HandlerKind, RoutineFuture, SignalDispatch, UnfinishedPolicy, UpdateDispatch,
    WorkflowContext, WorkflowImplementation, WorkflowInstance,
};

use crate::converter::RawArguments;
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::failure::ActivityError;
use crate::workflow::update_result;

/// Serializes and deserializes one argument.
pub struct Travel<T> {
    /// Serializes the argument.
    pub write: fn(&mut PayloadWriter, &T) -> Result<(), PayloadError>,
    /// Deserializes the argument.
    pub read: fn(&mut PayloadReader<'_>) -> Result<T, PayloadError>,
}

debug_only!(impl[T] Travel<T>, |_| {});

/// Returns both functions at once, so that an unsuitable type is reported only once.
pub const fn travel<T: PayloadValue>() -> Travel<T> {
    Travel { write: |to, arg| to.push(arg), read: |from| from.next() }
}

/// Like [`travel`], for the arguments of a dynamic workflow or activity.
pub const fn raw_travel() -> Travel<RawArguments> {
    Travel {
        write: |to, args| {
            args.write(to);
            Ok(())
        },
        read: |from| Ok(RawArguments::rest_of(from)),
    }
}

/// Takes the arguments of a message without reading them.
pub fn raw_arguments(from: &mut PayloadReader<'_>) -> RawArguments {
    RawArguments::rest_of(from)
}

/// Reads the arguments of a definition. Extra payloads are ignored, as in other SDKs: a caller may use another version
/// of the definition, and some SDKs send `null` for no arguments.
pub fn read_all_args<D: Arguments>(from: &mut PayloadReader<'_>) -> Result<D::Args, PayloadError> {
    D::read_args(from)
}

/// Returns the error for a query whose arguments do not fit its handler.
pub fn unfit_query(name: &str, error: PayloadError) -> WorkflowError {
    crate::workflow::unfit_query(name, error)
}

/// Offers the failure of an error with `#[derive(ApplicationError)]`; called by its `source`.
pub fn offer<E: ApplicationError>(error: &E) {
    crate::failure::offer(|| Failure::from(error.to_application_failure()).into_proto());
}

/// Like [`Into`], with a better compiler message for a type that cannot become `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become `{T}`",
    label = "expected `{T}`, or an error that is `Send + Sync`: one with `#[derive(abide::ApplicationError)]`, or `Box<dyn Error + Send + Sync>`"
)]
pub trait IntoErrorOf<T> {
    /// Like [`Into::into`].
    fn into_error(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<E: Into<T>, T> IntoErrorOf<T> for E {
    fn into_error(self) -> T {
        self.into()
    }
}

/// A valid return type of an activity.
#[diagnostic::on_unimplemented(
    message = "an activity returns `Result<T, ActivityError>`, not `{Self}`",
    label = "expected `Result<T, ActivityError>`",
    note = "the error can have any type that converts into an `ActivityError`"
)]
pub trait ActivityReturn {
    /// The type of the activity's result.
    type Output: PayloadValue;

    /// Converts the error to [`ActivityError`].
    fn into_activity_result(self) -> Result<Self::Output, ActivityError>;
}

impl<T: PayloadValue, E: IntoErrorOf<ActivityError>> ActivityReturn for Result<T, E> {
    type Output = T;

    fn into_activity_result(self) -> Result<T, ActivityError> {
        self.map_err(IntoErrorOf::into_error)
    }
}

/// A valid return type of a workflow.
#[diagnostic::on_unimplemented(
    message = "a workflow returns `Result<T, WorkflowError>`, not `{Self}`",
    label = "expected `Result<T, WorkflowError>`",
    note = "the error can have any type that converts into a `WorkflowError`"
)]
pub trait WorkflowReturn {
    /// The type of the workflow's result.
    type Output: PayloadValue;

    /// Serializes the result and converts the error.
    fn into_workflow_result(self) -> Result<Payload, WorkflowError>;
}

impl<T: PayloadValue, E: IntoErrorOf<WorkflowError>> WorkflowReturn for Result<T, E> {
    type Output = T;

    fn into_workflow_result(self) -> Result<Payload, WorkflowError> {
        let output = self.map_err(to_error)?;
        // Fails only the workflow task, so that the workflow can continue with corrected code.
        to_payload(&output)
            .map_err(|error| WorkflowError::task_failure(format!("the workflow's result cannot be written: {error}")))
    }
}

/// A valid return type of a signal handler.
#[diagnostic::on_unimplemented(
    message = "a signal handler returns nothing or `Result<(), WorkflowError>`, not `{Self}`",
    label = "expected `()` or `Result<(), WorkflowError>`",
    note = "a signal has no result: its sender does not wait for the handler"
)]
pub trait SignalReturn {
    /// Converts both forms to a result.
    fn into_signal_result(self) -> Result<(), WorkflowError>;
}

impl SignalReturn for () {
    fn into_signal_result(self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

impl<E: IntoErrorOf<WorkflowError>> SignalReturn for Result<(), E> {
    fn into_signal_result(self) -> Result<(), WorkflowError> {
        self.map_err(to_error)
    }
}

/// A valid return type of an update's validator.
#[diagnostic::on_unimplemented(
    message = "an update's validator returns `Result<(), WorkflowError>`, not `{Self}`",
    label = "expected `Result<(), WorkflowError>`",
    note = "`Ok(())` accepts the update, an error rejects it"
)]
pub trait ValidatorReturn {
    /// Converts the error to [`WorkflowError`].
    fn into_validation(self) -> Result<(), WorkflowError>;
}

impl<E: IntoErrorOf<WorkflowError>> ValidatorReturn for Result<(), E> {
    fn into_validation(self) -> Result<(), WorkflowError> {
        self.map_err(to_error)
    }
}

/// Tells if a query's or an update's return type `R` is a `Result`: `Returns::<R>::IS_RESULT`.
///
/// The compiler prefers an inherent constant to a trait's, and only `Result` has an inherent one. So the answer depends
/// on the type, not on its spelling. Needs [`IsNoResult`] in scope.
#[derive(Debug)]
pub struct Returns<R>(PhantomData<R>);

impl<T, E> Returns<Result<T, E>> {
    /// True for a `Result`.
    pub const IS_RESULT: bool = true;
}

/// The answer of [`Returns`] for all other types.
pub trait IsNoResult {
    /// False for all other types.
    const IS_RESULT: bool = false;
}

impl<R> IsNoResult for Returns<R> {}

/// Marks a return type of a query or an update as a `Result` or not.
#[derive(Debug)]
pub struct Answer<const IS_RESULT: bool>;

/// The answer of a query or an update that returns `R`.
pub trait AnswerOf<R> {
    /// The type of the answer.
    type Output: PayloadValue;

    /// Serializes the answer for the caller.
    fn into_answer(returned: R) -> Result<Payload, WorkflowError>;

    /// Like [`into_answer`](Self::into_answer), for an update. A value that cannot be serialized fails the workflow
    /// task, so that the workflow can continue with corrected code.
    fn into_update_result(returned: R) -> Result<Payload, WorkflowError>;
}

impl<T: PayloadValue> AnswerOf<T> for Answer<false> {
    type Output = T;

    fn into_answer(returned: T) -> Result<Payload, WorkflowError> {
        Ok(to_payload(&returned)?)
    }

    fn into_update_result(returned: T) -> Result<Payload, WorkflowError> {
        update_result(&returned)
    }
}

impl<T: PayloadValue, E: IntoErrorOf<WorkflowError>> AnswerOf<Result<T, E>> for Answer<true> {
    type Output = T;

    fn into_answer(returned: Result<T, E>) -> Result<Payload, WorkflowError> {
        Ok(to_payload(&returned.map_err(to_error)?)?)
    }

    fn into_update_result(returned: Result<T, E>) -> Result<Payload, WorkflowError> {
        update_result(&returned.map_err(to_error)?)
    }
}

/// A struct with `#[workflow]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow's state",
    label = "put `#[workflow]` on the definition of `{Self}`"
)]
pub trait WorkflowStruct: 'static {
    /// Name of the workflow type.
    const NAME: &'static str;
    /// True if that name was given explicitly, and is not just the struct's.
    const IS_NAMED: bool;
    /// Versioning behaviour of the workflow type.
    const VERSIONING_BEHAVIOR: Option<VersioningBehavior>;
}

/// A struct with an impl block that has `#[workflow_methods]`.
#[diagnostic::on_unimplemented(
    message = "the workflow `{Self}` has no code",
    label = "put `#[workflow_methods]` on the impl block of `{Self}`, and `#[run]` on its main routine"
)]
pub trait WorkflowMethods {}

/// Fails to compile if a workflow struct has no code.
pub const fn assert_workflow_methods<T: WorkflowMethods>() {}

/// Creates a workflow state. The compiler shows this function's name if a struct has no `Default`.
pub fn a_workflow_starts_from_its_default_or_init<T: Default>() -> T {
    T::default()
}

/// The result of the first of two futures.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Waits for the first of two futures to complete; if both are ready, the first one wins.
pub async fn either<A: Future, B: Future>(first: A, second: B) -> Either<A::Output, B::Output> {
    let mut first = pin!(first);
    let mut second = pin!(second);
    poll_fn(move |cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(cx).map(Either::Second)
    })
    .await
}

/// Waits for both futures.
pub fn both<A: Future, B: Future>(first: A, second: B) -> impl Future<Output = (A::Output, B::Output)> {
    futures_util::future::join(first, second)
}

/// Like [`Into::into`]. An error made here does not record where its author made it.
fn to_error<E: IntoErrorOf<WorkflowError>>(error: E) -> WorkflowError {
    error.into_error()
}

#[cfg(test)]
mod tests;
