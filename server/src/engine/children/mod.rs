//! Child workflows, from the parent's side.

mod child;

pub(crate) use self::child::Child;
