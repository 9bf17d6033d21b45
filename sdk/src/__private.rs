//! What the macros' output names. Not for direct use: it may change in any version.
//!
//! Besides re-exports these are the questions that only the type system can answer, whatever alias a type is spelled
//! with: what a function returns, whether a query returns a `Result`, whether a struct is a workflow.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;

pub use std::borrow::Cow;
pub use std::boxed::Box;
pub use std::rc::Rc;
pub use std::sync::Arc;

pub use abide_protos::temporal::api::common::v1::Payload;

pub use crate::activity::{
    Activities, ActivityContext, ActivityFuture, ActivityImplementation, ActivityRegistry, CalledActivity,
};
pub use crate::converter::{PayloadError, PayloadReader, PayloadWriter, to_payload};
pub use crate::definition::{
    ActivityDefinition, Arguments, QueryDefinition, SignalDefinition, UpdateDefinition, WorkflowDefinition,
};
pub use crate::failure::application_error::{failure_with_details, read_details};
pub use crate::failure::{ApplicationError, ApplicationFailure, ErrorCategory, Failure, WorkflowError};
pub use crate::versioning::VersioningBehavior;
pub use crate::workflow::{
    CalledWorkflow, HandlerInfo, HandlerKind, RoutineFuture, SignalDispatch, UnfinishedPolicy, UpdateDispatch,
    WorkflowContext, WorkflowImplementation, WorkflowInstance,
};

use crate::definition::PayloadValue;
use crate::failure::ActivityError;

/// Encodes and decodes one argument.
pub struct Travel<T> {
    /// Writes the argument.
    pub write: fn(&mut PayloadWriter, &T) -> Result<(), PayloadError>,
    /// Reads the argument.
    pub read: fn(&mut PayloadReader<'_>) -> Result<T, PayloadError>,
}

/// One function for both ways, so that a type that cannot travel is reported once.
pub const fn travel<T: PayloadValue>() -> Travel<T> {
    Travel { write: |to, arg| to.push(arg), read: |from| from.next() }
}

/// Reads the arguments of a definition. Payloads beyond them are ignored, as in other SDKs: a caller may follow another
/// version of the definition, and callers in some languages write `null` for no arguments.
pub fn read_all_args<D: Arguments>(from: &mut PayloadReader<'_>) -> Result<D::Args, PayloadError> {
    D::read_args(from)
}

/// Called by the `source` of an error with `#[derive(ApplicationError)]`: says which failure it stands for, if it is asked.
pub fn offer<E: ApplicationError>(error: &E) {
    crate::failure::offer(|| Failure::from(error.to_application_failure()).into_proto());
}

/// As [`Into`], with words of ours for the type in a signature that has no way into `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become the error of an activity or a workflow",
    label = "no error that is `Send + Sync`: derive `abide::ApplicationError` for it, or give its text: `.map_err(|error| error.to_string())`"
)]
pub trait IntoErrorOf<T> {
    /// As [`Into::into`].
    fn into_error(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<E: Into<T>, T> IntoErrorOf<T> for E {
    fn into_error(self) -> T {
        self.into()
    }
}

/// What an activity may return.
#[diagnostic::on_unimplemented(
    message = "an activity returns `Result<T, ActivityError>`, not `{Self}`",
    label = "expected `Result<T, ActivityError>`",
    note = "any error type that turns into an `ActivityError` will do"
)]
pub trait ActivityReturn {
    /// What it returns when it succeeds.
    type Output: PayloadValue;

    /// The same with our error.
    fn into_activity_result(self) -> Result<Self::Output, ActivityError>;
}

impl<T: PayloadValue, E: IntoErrorOf<ActivityError>> ActivityReturn for Result<T, E> {
    type Output = T;

    fn into_activity_result(self) -> Result<T, ActivityError> {
        self.map_err(IntoErrorOf::into_error)
    }
}

/// What a workflow may return.
#[diagnostic::on_unimplemented(
    message = "a workflow returns `Result<T, WorkflowError>`, not `{Self}`",
    label = "expected `Result<T, WorkflowError>`",
    note = "any error type that turns into a `WorkflowError` will do"
)]
pub trait WorkflowReturn {
    /// What it returns when it completes.
    type Output: PayloadValue;

    /// The same as it goes to the server.
    fn into_workflow_result(self) -> Result<Payload, WorkflowError>;
}

impl<T: PayloadValue, E: IntoErrorOf<WorkflowError>> WorkflowReturn for Result<T, E> {
    type Output = T;

    fn into_workflow_result(self) -> Result<Payload, WorkflowError> {
        let output = self.map_err(to_error)?;
        // Mended code can go on from here: the workflow itself has not failed.
        to_payload(&output)
            .map_err(|error| WorkflowError::task_failure(format!("the workflow's result cannot be written: {error}")))
    }
}

/// What a signal handler may return.
#[diagnostic::on_unimplemented(
    message = "a signal handler returns nothing or `Result<(), WorkflowError>`, not `{Self}`",
    label = "expected `()` or `Result<(), WorkflowError>`",
    note = "nobody waits for a signal: an answer has nowhere to go"
)]
pub trait SignalReturn {
    /// Both forms as one.
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

/// What an update's validator may return.
#[diagnostic::on_unimplemented(
    message = "an update's validator returns `Result<(), WorkflowError>`, not `{Self}`",
    label = "expected `Result<(), WorkflowError>`",
    note = "`Ok(())` accepts the update, an error rejects it"
)]
pub trait ValidatorReturn {
    /// The same with our error.
    fn into_validation(self) -> Result<(), WorkflowError>;
}

impl<E: IntoErrorOf<WorkflowError>> ValidatorReturn for Result<(), E> {
    fn into_validation(self) -> Result<(), WorkflowError> {
        self.map_err(to_error)
    }
}

/// Asks whether a query's or an update's return type `R` is a `Result`: `Returns::<R>::IS_RESULT`.
///
/// An inherent constant is found before a trait's, and there is one for `Result` only. So the answer depends on the
/// type, not on its spelling. It needs [`IsNoResult`] in scope.
pub struct Returns<R>(PhantomData<R>);

impl<T, E> Returns<Result<T, E>> {
    /// It is.
    pub const IS_RESULT: bool = true;
}

/// The answer of [`Returns`] for all other types.
pub trait IsNoResult {
    /// It is not.
    const IS_RESULT: bool = false;
}

impl<R> IsNoResult for Returns<R> {}

/// A query's or an update's return type, once it is known whether it is a `Result`.
pub struct Answer<const IS_RESULT: bool>;

/// What a query or an update that returns `R` answers.
pub trait AnswerOf<R> {
    /// The answer.
    type Output: PayloadValue;

    /// The answer as it goes to the caller.
    fn into_answer(returned: R) -> Result<Payload, WorkflowError>;

    /// The same for an update: what cannot be written fails the workflow task, as mended code can go on from there.
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

fn update_result<T: PayloadValue>(output: &T) -> Result<Payload, WorkflowError> {
    to_payload(output)
        .map_err(|error| WorkflowError::task_failure(format!("the update's result cannot be written: {error}")))
}

/// A struct with `#[workflow]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow's state",
    label = "put `#[workflow]` on the definition of `{Self}`"
)]
pub trait WorkflowStruct: 'static {
    /// The workflow type's name on the wire.
    const NAME: &'static str;
    /// Whether that name was given, and is not just the struct's.
    const IS_NAMED: bool;
    /// Whether its runs move to newer versions of the program.
    const VERSIONING_BEHAVIOR: Option<VersioningBehavior>;
}

/// A struct with an impl block that has `#[workflow_methods]`.
#[diagnostic::on_unimplemented(
    message = "the workflow `{Self}` has no code",
    label = "put `#[workflow_methods]` on the impl block of `{Self}`, and `#[run]` on its main routine"
)]
pub trait WorkflowMethods {}

/// Asks whether a workflow struct has code.
pub const fn assert_workflow_methods<T: WorkflowMethods>() {}

/// A new workflow state. The compiler shows this function's name where a struct has no `Default`.
pub fn a_workflow_starts_from_its_default_or_init<T: Default>() -> T {
    T::default()
}

/// Which of two futures was ready.
pub enum Either<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Waits for the first of two futures that is ready; if both are, for the one that stands first.
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

/// Waits for both of two futures.
pub fn both<A: Future, B: Future>(first: A, second: B) -> impl Future<Output = (A::Output, B::Output)> {
    futures_util::future::join(first, second)
}

/// As [`Into::into`]. An error that is made here says nothing of where its author made it.
fn to_error<E: IntoErrorOf<WorkflowError>>(error: E) -> WorkflowError {
    error.into_error()
}

#[cfg(test)]
mod tests;
