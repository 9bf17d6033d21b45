//! Definitions of workflows, activities and their messages, shared by clients, workflows and workers.
//!
//! A definition is a small value (a *marker*) with the name on the wire and the types of arguments and result. The
//! attribute macros generate these implementations. `ctx.activity(..)`, `client.start(..)` and `handle.signal(..)` take
//! a value that names a definition, so a wrong argument is a type error at the call.
//!
//! Definitions of methods (`Payments::charge`, `Player::submit`) are values. A function with `#[activity]` or
//! `#[workflow]` stays a function, whose return type carries its definition: a constant or unit struct with the
//! function's name would be a *pattern* with that name, and `let charge = ..` would be compared with it. [`Activity`]
//! and [`Workflow`] accept both.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::activity_defaults::ActivityDefaults;
use crate::converter::{PayloadError, PayloadReader, PayloadWriter};

/// A value that can be sent in a Temporal payload: anything that serde can serialize and deserialize.
///
/// Implemented for every type that has `Serialize` and `Deserialize`, is `Send`, and borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed between workflows, activities and clients",
    label = "this type is not a payload value",
    note = "arguments and results are serialized: put `#[derive(serde::Serialize, serde::Deserialize)]` on it and on \
            the types in it; it must own its data and be `Send`"
)]
pub trait PayloadValue: Serialize + DeserializeOwned + Send + 'static {}

// Without it, the compiler would report serde's traits one by one, instead of the message above.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> PayloadValue for T {}

/// Serialization of a definition's arguments: one payload each, in order.
///
/// `Args` is `()` for none, the argument itself for one, and a tuple for several.
pub trait Arguments {
    /// `()`, the only argument, or a tuple of all arguments.
    type Args: Send + 'static;

    /// Serializes the arguments, one payload each.
    ///
    /// # Errors
    /// Returns an error if serde refuses an argument.
    fn write_args(args: &Self::Args, to: &mut PayloadWriter) -> Result<(), PayloadError>;

    /// Deserializes the arguments. Extra payloads are ignored; a missing one reads as JSON `null`, which is `None` for
    /// an `Option`.
    ///
    /// # Errors
    /// Returns an error if a payload does not fit its argument, or is missing and the argument cannot be read from
    /// `null`.
    fn read_args(from: &mut PayloadReader<'_>) -> Result<Self::Args, PayloadError>;
}

/// Names an activity: a function with `#[activity]`, or a value that is an [`ActivityDefinition`].
///
/// `Kind` distinguishes the two and is inferred. Code that passes an activity on is generic over it:
///
/// ```
/// # use abide::prelude::*;
/// # use abide::{Activity, ActivityDefinition};
/// fn type_of<Kind>(activity: impl Activity<Kind>) -> String {
///     activity.definition().name().into_owned()
/// }
///
/// #[activity]
/// async fn charge(cents: u64) -> Result<(), ActivityError> {
///     Ok(())
/// }
///
/// assert_eq!(type_of(charge), "charge");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    label = "expected an activity: a function with `#[activity]`, or `Type::method` of an impl block with `#[activities]`",
    note = "name it without calling it: `ctx.activity(charge, 7)`, not `ctx.activity(charge(7))`; to name an activity \
            by a string, use `ActivityType`"
)]
pub trait Activity<Kind> {
    /// The activity's definition.
    type Definition: ActivityDefinition;

    /// Returns the definition.
    fn definition(self) -> Self::Definition;
}

/// Names a workflow: a function with `#[workflow]`, or a value that is a [`WorkflowDefinition`].
///
/// `Kind` distinguishes the two and is inferred, as for an [`Activity`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "expected a workflow: a function with `#[workflow]`, or `Type::run` of a struct with `#[workflow]`",
    note = "to name a workflow by a string, use `WorkflowType`"
)]
pub trait Workflow<Kind> {
    /// The workflow's definition.
    type Definition: WorkflowDefinition;

    /// Returns the definition.
    fn definition(self) -> Self::Definition;
}

/// The kind of values that are definitions themselves.
#[derive(Debug)]
pub struct ByValue;

/// The kind of functions whose return type carries the definition `D`, by context (`()` without one), arguments and
/// return type.
#[derive(Debug)]
pub struct ByFunction<Context, Args, D, R>(PhantomData<(Context, Args, D, R)>);

#[diagnostic::do_not_recommend]
impl<D: ActivityDefinition> Activity<ByValue> for D {
    type Definition = D;

    fn definition(self) -> D {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<D: WorkflowDefinition> Workflow<ByValue> for D {
    type Definition = D;

    fn definition(self) -> D {
        self
    }
}

/// Lets functions that return `$Called` name the definition in that type, with or without a context, with up to 12
/// arguments, which must be the definition's. (`MAX_ARGUMENTS` of the macros has the same value.)
macro_rules! named_by_functions {
    ($Named:ident, $Definition:ident, $Context:ident, $Called:ident) => {
        named_by_functions! { $Named, $Definition, $Context, $Called:
            () (A1) (A1, A2) (A1, A2, A3) (A1, A2, A3, A4) (A1, A2, A3, A4, A5) (A1, A2, A3, A4, A5, A6)
            (A1, A2, A3, A4, A5, A6, A7) (A1, A2, A3, A4, A5, A6, A7, A8) (A1, A2, A3, A4, A5, A6, A7, A8, A9)
            (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10) (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11)
            (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12)
        }
    };
    ($Named:ident, $Definition:ident, $Context:ident, $Called:ident: $(($($Arg:ident),*))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<F, D, R, $($Arg),*> $Named<ByFunction<(), ($($Arg,)*), D, R>> for F
        where
            F: Fn($($Arg),*) -> $Called<'static, D, R>,
            D: $Definition<Args = named_by_functions!(@args $($Arg),*)> + Default,
        {
            type Definition = D;

            fn definition(self) -> D {
                D::default()
            }
        }

        #[diagnostic::do_not_recommend]
        impl<F, D, R, $($Arg),*> $Named<ByFunction<$Context, ($($Arg,)*), D, R>> for F
        where
            F: for<'a> Fn(&'a $Context, $($Arg),*) -> $Called<'a, D, R>,
            D: $Definition<Args = named_by_functions!(@args $($Arg),*)> + Default,
        {
            type Definition = D;

            fn definition(self) -> D {
                D::default()
            }
        }
    )*};
    (@args $Arg:ident) => { $Arg };
    (@args $($Arg:ident),*) => { ($($Arg),*) };
}
pub(crate) use named_by_functions;

/// A workflow type, which clients start and workflows run as a child.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the definition of a workflow",
    label = "expected a definition: `Type::run`, or `function.definition()` of a function with `#[workflow]`",
    note = "a parameter `impl Workflow<Kind>` also takes a function"
)]
pub trait WorkflowDefinition: Arguments + Clone + Send + Sync + 'static {
    /// The type of the workflow's result.
    type Output: PayloadValue;
    /// The workflow's struct, to which its messages belong ([`SignalOf`] and its siblings). A workflow function is the definition
    /// itself; a workflow by name is [`AnyWorkflow`].
    type Workflow: 'static;

    /// Returns the name of the workflow type.
    fn name(&self) -> Cow<'static, str>;
}

/// An activity type, which workflows schedule with `ctx.activity(..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the definition of an activity",
    label = "expected a definition: `Type::method`, or `function.definition()` of a function with `#[activity]`",
    note = "a parameter `impl Activity<Kind>` also takes a function"
)]
pub trait ActivityDefinition: Arguments + Clone + Send + Sync + 'static {
    /// The type of the activity's result.
    type Output: PayloadValue;

    /// Returns the name of the activity type.
    fn name(&self) -> Cow<'static, str>;

    /// Returns the options that its calls have by default. Called in workflow code when a call begins, so it must return
    /// the same each time. Default: no options.
    fn defaults(&self) -> ActivityDefaults {
        ActivityDefaults::new()
    }
}

/// Stands for a workflow that is known by its name only ([`WorkflowType`](crate::WorkflowType)). It takes every message.
#[derive(Clone, Copy, Debug)]
pub enum AnyWorkflow {}

/// A signal of one workflow type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signal",
    label = "expected a signal: `Type::method` of a method with `#[signal]`",
    note = "to name a signal by a string, use `SignalType`"
)]
pub trait SignalDefinition: Arguments + Clone + Send + Sync + 'static {
    /// Returns the name of the signal.
    fn name(&self) -> Cow<'static, str>;
}

/// A signal that the workflow `W` handles, so that a handle of one workflow does not take the messages of another.
///
/// `W` is the workflow's struct ([`WorkflowDefinition::Workflow`]). Implemented by the macros for the signal's own workflow
/// and for [`AnyWorkflow`]; [`SignalType`](crate::SignalType), a signal by name, belongs to all workflows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signal of `{W}`",
    label = "expected a signal of that workflow: `Type::method` of a method with `#[signal]`",
    note = "to name a signal by a string, use `SignalType`"
)]
pub trait SignalOf<W: ?Sized>: SignalDefinition {}

/// A query of one workflow type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "expected a query: `Type::method` of a method with `#[query]`",
    note = "to name a query by a string, use `QueryType`"
)]
pub trait QueryDefinition: Arguments + Clone + Send + Sync + 'static {
    /// The type of the answer.
    type Output: PayloadValue;

    /// Returns the name of the query.
    fn name(&self) -> Cow<'static, str>;
}

/// A query that the workflow `W` handles, so that a handle of one workflow does not take the messages of another.
///
/// `W` is the workflow's struct ([`WorkflowDefinition::Workflow`]). Implemented by the macros for the query's own workflow
/// and for [`AnyWorkflow`]; [`QueryType`](crate::QueryType), a query by name, belongs to all workflows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query of `{W}`",
    label = "expected a query of that workflow: `Type::method` of a method with `#[query]`",
    note = "to name a query by a string, use `QueryType`"
)]
pub trait QueryOf<W: ?Sized>: QueryDefinition {}

/// An update of one workflow type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an update",
    label = "expected an update: `Type::method` of a method with `#[update]`",
    note = "to name an update by a string, use `UpdateType`"
)]
pub trait UpdateDefinition: Arguments + Clone + Send + Sync + 'static {
    /// The type of the update's result.
    type Output: PayloadValue;

    /// Returns the name of the update.
    fn name(&self) -> Cow<'static, str>;
}

/// An update that the workflow `W` handles, so that a handle of one workflow does not take the messages of another.
///
/// `W` is the workflow's struct ([`WorkflowDefinition::Workflow`]). Implemented by the macros for the update's own workflow
/// and for [`AnyWorkflow`]; [`UpdateType`](crate::UpdateType), an update by name, belongs to all workflows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an update of `{W}`",
    label = "expected an update of that workflow: `Type::method` of a method with `#[update]`",
    note = "to name an update by a string, use `UpdateType`"
)]
pub trait UpdateOf<W: ?Sized>: UpdateDefinition {}
