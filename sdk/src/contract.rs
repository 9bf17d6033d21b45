//! Definitions without bodies: contracts of activities and workflows that are implemented elsewhere.
//!
//! The macros [`activity_definitions`](crate::activity_definitions) and
//! [`workflow_definition`](crate::workflow_definition) turn a trait into a type whose constants are the definitions.
//! Callers and clients need only the crate with the contract. The implementation names it,
//! `#[activities(implements = Payments)]`, and the compiler checks names and types.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::by_name::Signature;
use crate::converter::{PayloadError, PayloadReader, PayloadWriter};
use crate::definition::{
    ActivityDefinition, Arguments, QueryDefinition, QueryOf, SignalDefinition, SignalOf, UpdateDefinition, UpdateOf,
    WorkflowDefinition,
};

/// Defines a type that is a name and a signature; with `W`, of the workflow `W`.
macro_rules! contract {
    ($(#[$docs:meta])* $Type:ident[$($W:ident)?]: $Definition:ident { $($item:tt)* }) => {
        $(#[$docs])*
        pub struct $Type<$($W,)? S> {
            name: &'static str,
            types: PhantomData<fn() -> ($($W,)? S,)>,
        }

        impl<$($W,)? S> $Type<$($W,)? S> {
            #[doc(hidden)]
            pub const fn declared(name: &'static str) -> Self {
                Self { name, types: PhantomData }
            }

            #[doc(hidden)]
            pub const fn declared_name(&self) -> &'static str {
                self.name
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($W,)? S: Signature> Arguments for $Type<$($W,)? S> {
            type Args = S::Args;

            fn write_args(args: &S::Args, to: &mut PayloadWriter) -> Result<(), PayloadError> {
                S::write_args(args, to)
            }

            fn read_args(from: &mut PayloadReader<'_>) -> Result<S::Args, PayloadError> {
                S::read_args(from)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($W: 'static,)? S: Signature + Send + Sync> $Definition for $Type<$($W,)? S> {
            $($item)*

            fn name(&self) -> Cow<'static, str> {
                Cow::Borrowed(self.name)
            }
        }

        // Written by hand, because derived ones would require the same traits of the types.
        impl<$($W,)? S> Clone for $Type<$($W,)? S> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($W,)? S> Copy for $Type<$($W,)? S> {}

        impl<$($W,)? S> fmt::Debug for $Type<$($W,)? S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($Type), self.name)
            }
        }
    };
}

contract! {
    /// An activity of a contract. Made by [`activity_definitions`](crate::activity_definitions).
    ActivityContract[]: ActivityDefinition { type Output = S::Output; }
}

contract! {
    /// The workflow of a contract `W`. Made by [`workflow_definition`](crate::workflow_definition).
    WorkflowContract[W]: WorkflowDefinition {
        type Output = S::Output;
        type Workflow = W;
    }
}

contract! {
    /// A signal of the workflow `W`. Made by [`workflow_definition`](crate::workflow_definition).
    SignalContract[W]: SignalDefinition {}
}

contract! {
    /// A query of the workflow `W`. Made by [`workflow_definition`](crate::workflow_definition).
    QueryContract[W]: QueryDefinition { type Output = S::Output; }
}

contract! {
    /// An update of the workflow `W`. Made by [`workflow_definition`](crate::workflow_definition).
    UpdateContract[W]: UpdateDefinition { type Output = S::Output; }
}

#[diagnostic::do_not_recommend]
impl<W: 'static, S: Signature + Send + Sync> SignalOf<W> for SignalContract<W, S> {}

#[diagnostic::do_not_recommend]
impl<W: 'static, S: Signature + Send + Sync> QueryOf<W> for QueryContract<W, S> {}

#[diagnostic::do_not_recommend]
impl<W: 'static, S: Signature + Send + Sync> UpdateOf<W> for UpdateContract<W, S> {}
