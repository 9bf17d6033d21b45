//! Conversions by `?` in activities and workflows.

use std::any::TypeId;
use std::borrow::Cow;
use std::error::Error;

use super::encode::application_failure;
use super::recorded::Failure;

type BoxedError = Box<dyn Error + Send + Sync>;

/// A type that `?` converts to the error of an activity or a workflow: any error that is `Send + Sync`, a boxed error
/// (`Box<dyn Error + Send + Sync>`, `anyhow::Error`), or a text.
///
/// Implemented for all of them; there is no need to implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become the error of an activity or a workflow",
    label = "not an error that is `Send + Sync`: derive `abide::ApplicationError` for it, or return its text: \
             `.map_err(|error| error.to_string())`",
    note = "an `ActivityError` is not one either: workflow code calls an activity with `ctx.activity(..)`, not as a \
            function"
)]
pub trait IntoFailure: 'static {
    /// Converts to a boxed error.
    #[doc(hidden)]
    fn boxed(self) -> BoxedError;

    /// Converts to a recorded failure, without a failure converter.
    #[doc(hidden)]
    fn to_recorded(self) -> Failure
    where
        Self: Sized,
    {
        Failure::from_proto(application_failure(&*self.boxed(), Some(type_name_of::<Self>())))
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxedError> + 'static> IntoFailure for E {
    fn boxed(self) -> BoxedError {
        self.into()
    }
}

/// Returns the type name for the failure; empty if the type does not describe the error.
pub(crate) fn type_name_of<E: 'static>() -> &'static str {
    let unnamed = [
        TypeId::of::<BoxedError>(),
        TypeId::of::<String>(),
        TypeId::of::<&'static str>(),
        TypeId::of::<Cow<'static, str>>(),
    ];
    if unnamed.contains(&TypeId::of::<E>()) { "" } else { std::any::type_name::<E>() }
}
