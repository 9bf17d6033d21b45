//! Definitions by name, for workflows, activities and messages whose code is elsewhere or in another language.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::converter::{PayloadError, PayloadReader, PayloadWriter, RawArguments};
use crate::definition::{
    ActivityDefinition, AnyWorkflow, Arguments, PayloadValue, QueryDefinition, QueryOf, SignalDefinition, SignalOf,
    UpdateDefinition, UpdateOf, WorkflowDefinition,
};

/// Argument and result types, written as a function type: `fn(u64) -> String`, `fn(String)`, `fn(u8, bool) -> ()`.
///
/// Arguments and result are payload values: implemented by `fn(..)` types with up to 12 arguments. `fn(RawArguments) -> T`
/// stands for any number of arguments of any type ([`RawArguments`]).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name the types of arguments and result",
    label = "expected the type of a function, such as `fn(u64) -> String`",
    note = "arguments and the result are serialized: their types need `serde::Serialize` and `serde::Deserialize`, and \
            must own their data"
)]
pub trait Signature: 'static {
    /// `()`, the only argument, or a tuple of all arguments.
    type Args: Send + 'static;
    /// The result type.
    type Output: PayloadValue;

    /// Serializes the arguments, one payload each.
    ///
    /// # Errors
    /// Returns an error if serde refuses an argument.
    fn write_args(args: &Self::Args, to: &mut PayloadWriter) -> Result<(), PayloadError>;

    /// Deserializes the arguments.
    ///
    /// # Errors
    /// Returns an error if a payload is missing or does not fit its argument.
    fn read_args(from: &mut PayloadReader<'_>) -> Result<Self::Args, PayloadError>;
}

/// Implements `Signature` for functions with these arguments.
macro_rules! signatures {
    ($(($($Arg:ident $arg:ident),*))*) => {$(
        impl<Output: PayloadValue, $($Arg: PayloadValue),*> Signature for fn($($Arg),*) -> Output {
            type Args = signatures!(@one_or_tuple $($Arg),*);
            type Output = Output;

            fn write_args(args: &Self::Args, to: &mut PayloadWriter) -> Result<(), PayloadError> {
                let _ = &to;
                let signatures!(@one_or_tuple $($arg),*) = args;
                $(to.push($arg)?;)*
                Ok(())
            }

            fn read_args(from: &mut PayloadReader<'_>) -> Result<Self::Args, PayloadError> {
                let _ = &from;
                $(let $arg = from.next()?;)*
                Ok(signatures!(@one_or_tuple $($arg),*))
            }
        }
    )*};
    (@one_or_tuple $One:ident) => { $One };
    (@one_or_tuple $($One:ident),*) => { ($($One),*) };
}

signatures! {
    ()
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
    (A a, B b, C c, D d, E e, F f, G g, H h)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i, J j)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l)
}

/// Arguments of any number and type.
impl<Output: PayloadValue> Signature for fn(RawArguments) -> Output {
    type Args = RawArguments;
    type Output = Output;

    fn write_args(args: &RawArguments, to: &mut PayloadWriter) -> Result<(), PayloadError> {
        args.write(to);
        Ok(())
    }

    fn read_args(from: &mut PayloadReader<'_>) -> Result<RawArguments, PayloadError> {
        Ok(RawArguments::rest_of(from))
    }
}

/// Defines a type that is a name, kept as a `$Name`, and a signature; with `W`, of the workflow `W`.
macro_rules! named_definition {
    ($(#[$docs:meta])* $Type:ident[$($W:ident)?]($Name:ty): $Definition:ident { $($item:tt)* }) => {
        $(#[$docs])*
        pub struct $Type<$($W,)? S> {
            name: $Name,
            types: PhantomData<fn() -> ($($W,)? S,)>,
        }

        // Otherwise the compiler would list them before the author's own definitions.
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
                self.name.clone().into()
            }
        }

        // Written by hand, because a derived one would require the same trait of the types.
        impl<$($W,)? S> fmt::Debug for $Type<$($W,)? S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($Type), self.name)
            }
        }
    };
}
pub(crate) use named_definition;

/// Defines a type whose names authors give, also at run time.
macro_rules! by_name {
    ($(#[$docs:meta])* $Type:ident: $Definition:ident { $($item:tt)* }) => {
        named_definition! {
            $(#[$docs])*
            $Type[](Cow<'static, str>): $Definition { $($item)* }
        }

        impl<S> Clone for $Type<S> {
            fn clone(&self) -> Self {
                Self { name: self.name.clone(), types: PhantomData }
            }
        }

        impl<S: Signature> $Type<S> {
            /// Creates the definition with this name.
            pub const fn new(name: &'static str) -> Self {
                Self { name: Cow::Borrowed(name), types: PhantomData }
            }

            /// Creates the definition with a name known only at run time, for example from a configuration.
            pub fn named(name: impl Into<String>) -> Self {
                Self { name: Cow::Owned(name.into()), types: PhantomData }
            }
        }
    };
}

by_name! {
    /// An activity by name, for code that is elsewhere. The types are given at the call or in a constant.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// use abide::ActivityType;
    ///
    /// const CHARGE: ActivityType<fn(u64) -> String> = ActivityType::new("charge");
    ///
    /// #[workflow]
    /// async fn order(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
    ///     let charged = ctx.activity(CHARGE, cents).task_queue("payments").start_to_close_timeout(mins(5)).await?;
    ///     let ship = ActivityType::<fn(String, bool)>::new("ship");
    ///     ctx.activity(ship, (charged.clone(), true)).start_to_close_timeout(hours(1)).await?;
    ///     Ok(charged)
    /// }
    /// ```
    ActivityType: ActivityDefinition { type Output = S::Output; }
}

by_name! {
    /// A workflow by name, for code that is elsewhere: to start it, run it as a child, or continue as it.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// use abide::{QueryType, SignalType, WorkflowType};
    ///
    /// const BILL: WorkflowType<fn(u64) -> String> = WorkflowType::new("bill");
    /// const HURRY: SignalType<fn()> = SignalType::new("hurry");
    /// const STATE: QueryType<fn() -> String> = QueryType::new("state");
    ///
    /// #[workflow]
    /// async fn order(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
    ///     let bill = ctx.child_workflow(BILL, cents).start().await?;
    ///     bill.signal(HURRY, ()).await?;
    ///     Ok(bill.await?)
    /// }
    ///
    /// async fn look(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    ///     let bill = client.start(BILL, 995).id("bill-7").task_queue("bills").await?;
    ///     bill.signal(HURRY, ()).await?;
    ///     // A handle needs the type only for the result; messages can be sent to any workflow.
    ///     println!("{}", client.handle(BILL, "bill-8").query(STATE, ()).await?);
    ///     Ok(())
    /// }
    /// ```
    WorkflowType: WorkflowDefinition {
        type Output = S::Output;
        type Workflow = AnyWorkflow;
    }
}

by_name! {
    /// A signal by name, of any workflow: `SignalType::<fn(String)>::new("submit")`. For an example see
    /// [`WorkflowType`].
    SignalType: SignalDefinition {}
}

by_name! {
    /// A query by name, of any workflow: `QueryType::<fn() -> u32>::new("health")`. For an example see
    /// [`WorkflowType`].
    QueryType: QueryDefinition { type Output = S::Output; }
}

by_name! {
    /// An update by name, of any workflow: `UpdateType::<fn(String) -> usize>::new("add")`.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::{UpdateType, WorkflowType};
    /// # async fn shop(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let cart = client.handle(WorkflowType::<fn() -> u64>::new("cart"), "cart-1");
    /// let items = cart.update(UpdateType::<fn(String) -> usize>::new("add"), "book".into()).await?;
    /// # let _ = items; Ok(()) }
    /// ```
    UpdateType: UpdateDefinition { type Output = S::Output; }
}

#[diagnostic::do_not_recommend]
impl<S: Signature + Send + Sync, W: ?Sized> SignalOf<W> for SignalType<S> {}

#[diagnostic::do_not_recommend]
impl<S: Signature + Send + Sync, W: ?Sized> QueryOf<W> for QueryType<S> {}

#[diagnostic::do_not_recommend]
impl<S: Signature + Send + Sync, W: ?Sized> UpdateOf<W> for UpdateType<S> {}
