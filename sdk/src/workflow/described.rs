//! What a handle knows of its operation: names for errors; with interceptors, what they are told when it has ended.

/// Names of an operation, or what interceptors are told about it. Not larger than the names.
pub(super) enum Described<Names, Completed> {
    Named(Names),
    Intercepted(Box<Completed>),
}

impl<Names, Completed> Described<Names, Completed> {
    /// Returns what interceptors are told; `None` if there are none, or they were not told of the operation's begin.
    pub(super) fn completed(&self) -> Option<&Completed> {
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
