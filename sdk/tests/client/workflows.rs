//! The definitions that the tests start; no worker runs them.

use std::borrow::Cow;

use abide::converter::{PayloadError, PayloadReader, PayloadWriter};
use abide::{Arguments, QueryDefinition, QueryOf, SignalDefinition, SignalOf, WorkflowDefinition};

macro_rules! arguments {
    ($marker:ty: $args:ty) => {
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

/// A workflow that takes an order and returns a receipt.
#[derive(Clone, Copy)]
pub(crate) struct ProcessOrder;
arguments!(ProcessOrder: String);

impl WorkflowDefinition for ProcessOrder {
    type Output = String;
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "process_order".into()
    }
}

/// A signal that adds an item.
#[derive(Clone, Copy)]
pub(crate) struct AddItem;
arguments!(AddItem: String);

impl SignalOf<ProcessOrder> for AddItem {}

impl SignalDefinition for AddItem {
    fn name(&self) -> Cow<'static, str> {
        "add_item".into()
    }
}

/// A query for the number of items.
#[derive(Clone, Copy)]
pub(crate) struct Items;
arguments!(Items: ());

impl QueryOf<ProcessOrder> for Items {}

impl QueryDefinition for Items {
    type Output = u32;

    fn name(&self) -> Cow<'static, str> {
        "items".into()
    }
}

/// A workflow whose argument cannot be serialized: JSON does not allow lists as keys.
#[derive(Clone, Copy)]
pub(crate) struct Unwritable;
arguments!(Unwritable: std::collections::BTreeMap<Vec<u32>, u32>);

impl WorkflowDefinition for Unwritable {
    type Output = ();
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "unwritable".into()
    }
}
