//! `Debug` for types that cannot derive it.

/// Implements `Debug` with these fields only, as `Name { field: value, .. }`.
///
/// For types whose derived `Debug` would show a payload's value, a token or a secret, or would need `Debug` of what an
/// author wrote: a closure, a definition, a result. `Debug` ends up in logs and panics.
macro_rules! debug_only {
    (impl[$($generics:tt)*] $Type:ident$(<$($arg:tt),+>)?, |$this:pat_param| { $($field:ident: $value:expr),* $(,)? }) => {
        impl<$($generics)*> std::fmt::Debug for $Type$(<$($arg),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $this = self;
                f.debug_struct(stringify!($Type))$(.field(stringify!($field), &$value))*.finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use debug_only;
