//! Definitions without bodies: contracts of activities and workflows that are implemented elsewhere.
//!
//! The macros [`activity_definitions`](crate::activity_definitions) and
//! [`workflow_definition`](crate::workflow_definition) turn a trait into a type whose constants are the definitions.
//! Callers and clients need only the crate with the contract. The implementation names it,
//! `#[activities(implements = Payments)]`, and the compiler checks names and types.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::by_name::{Signature, named_definition};
use crate::converter::{PayloadError, PayloadReader, PayloadWriter};
use crate::definition::{
    ActivityDefinition, Arguments, QueryDefinition, QueryOf, SignalDefinition, SignalOf, UpdateDefinition, UpdateOf,
    WorkflowDefinition,
};

/// Defines a type whose names the macros give. A constant of it can be used while the program is compiled, so it needs no
/// destructor.
macro_rules! contract {
    ($(#[$docs:meta])* $Type:ident[$($W:ident)?]: $Definition:ident { $($item:tt)* }) => {
        named_definition! {
            $(#[$docs])*
            $Type[$($W)?](&'static str): $Definition { $($item)* }
        }

        impl<$($W,)? S> Clone for $Type<$($W,)? S> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($W,)? S> Copy for $Type<$($W,)? S> {}

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
