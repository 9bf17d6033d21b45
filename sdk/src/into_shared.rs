//! Values that are kept behind an `Arc`, and that callers may share.

use std::sync::Arc;

/// A value that is kept for as long as a client or a worker, or such a value already shared: an interceptor `Limits`, an
/// `Arc<Limits>`, or an `Arc<dyn ActivityInterceptor>`. The same for plugins.
///
/// Give an `Arc` to keep a handle to the value, or to give the same value to several workers.
///
/// ```
/// use std::sync::Arc;
/// use abide::IntoShared;
/// use abide::plugin::Plugin;
///
/// struct Metrics;
///
/// impl Plugin for Metrics {
///     fn name(&self) -> &str {
///         "example.metrics"
///     }
/// }
///
/// fn add(plugins: &mut Vec<Arc<dyn Plugin>>, plugin: impl IntoShared<dyn Plugin>) {
///     plugins.push(plugin.into_shared());
/// }
///
/// let (mut plugins, shared) = (Vec::new(), Arc::new(Metrics));
/// add(&mut plugins, Metrics);
/// add(&mut plugins, Arc::clone(&shared));
/// ```
pub trait IntoShared<T: ?Sized> {
    /// Returns the shared value.
    fn into_shared(self) -> Arc<T>;
}

/// Lets a value, an `Arc` of it and an `Arc` of the trait be shared.
macro_rules! into_shared {
    ($Trait:ident) => {
        impl<T: $Trait> $crate::IntoShared<dyn $Trait> for T {
            fn into_shared(self) -> std::sync::Arc<dyn $Trait> {
                std::sync::Arc::new(self)
            }
        }

        impl<T: $Trait> $crate::IntoShared<dyn $Trait> for std::sync::Arc<T> {
            fn into_shared(self) -> std::sync::Arc<dyn $Trait> {
                self
            }
        }

        impl $crate::IntoShared<dyn $Trait> for std::sync::Arc<dyn $Trait> {
            fn into_shared(self) -> Self {
                self
            }
        }
    };
}
pub(crate) use into_shared;
