//! A workflow and its updates as the client sees them; the hand-written worker knows them by name.

use std::borrow::Cow;

use abide::converter::{PayloadError, PayloadReader, PayloadWriter};
use abide::{Arguments, SignalDefinition, SignalOf, UpdateDefinition, UpdateOf, WorkflowDefinition};

macro_rules! marker {
    ($(#[$doc:meta])* $marker:ident: $args:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $marker;

        impl Arguments for $marker {
            type Args = $args;

            fn write_args(args: &$args, to: &mut PayloadWriter) -> Result<(), PayloadError> {
                to.push(args)
            }

            fn read_args(from: &mut PayloadReader<'_>) -> Result<$args, PayloadError> {
                from.next()
            }
        }
    };
}

macro_rules! update {
    ($marker:ident, $name:literal) => {
        impl UpdateOf<Counter> for $marker {}

        impl UpdateDefinition for $marker {
            type Output = i64;

            fn name(&self) -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

marker!(
    /// The workflow.
    Counter: ()
);
marker!(
    /// Rejected for negative numbers, fails for 13, otherwise twice the number.
    Double: i64
);
marker!(
    /// Accepted at once; completed with its number after the signal.
    Later: i64
);
marker!(
    /// Accepted; the workflow completes without completing it.
    Close: i64
);
marker!(
    /// Completes the accepted updates.
    Go: ()
);
update!(Double, "double");
update!(Later, "later");
update!(Close, "close");

impl WorkflowDefinition for Counter {
    type Output = ();
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "counter".into()
    }
}

impl SignalOf<Counter> for Go {}

impl SignalDefinition for Go {
    fn name(&self) -> Cow<'static, str> {
        "go".into()
    }
}
