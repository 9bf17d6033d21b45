//! The description of an operation in its handle: names for errors, or the one that interceptors get with the outcome.

/// Names of an operation, or what interceptors are told about it. Not larger than the names.
pub(in crate::workflow) enum Described<Names, Completed> {
    Named(Names),
    Intercepted(Box<Completed>),
}

impl<Names, Completed> Described<Names, Completed> {
    /// Returns what interceptors are told; `None` if there are none, or they were not told of the operation's begin.
    pub(in crate::workflow) fn completed(&self) -> Option<&Completed> {
        match self {
            Self::Named(_) => None,
            Self::Intercepted(completed) => Some(completed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::interceptor::CompletedActivity;

    #[test]
    fn it_takes_no_memory_of_runs_without_interceptors() {
        type Names = Cow<'static, str>;
        assert_eq!(size_of::<Described<Names, CompletedActivity>>(), size_of::<Names>());
        assert_eq!(size_of::<Described<(Names, Names), CompletedActivity>>(), size_of::<(Names, Names)>());
    }
}
