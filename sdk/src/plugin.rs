//! Plugins: one value that configures clients, workers and replayers for one purpose.
//!
//! The trait names all that it configures, so it ties the layers together: clients, workers and replayers hold plugins,
//! and know nothing else of each other.

use std::fmt;
use std::sync::Arc;

use crate::client::ClientOptions;
use crate::into_shared::into_shared;
#[cfg(feature = "worker")]
use crate::replayer::WorkflowReplayer;
#[cfg(feature = "worker")]
use crate::worker::{Registered, WorkerBuilder};

/// Configures clients, workers and replayers for one purpose (Temporal's plugins): interceptors, codecs, activities,
/// workflows and settings that belong together.
///
/// Give it to a client with [`ClientOptions::plugin`]. It then also configures all workers that are built with the
/// client, and their test environment. Give it to `WorkerBuilder::plugin` for one worker only, and to
/// `WorkflowReplayer::plugin` to replay its workflows.
///
/// Give a plugin as an `Arc` where the same plugin may be given twice, for example to a client and to its worker: it is
/// then applied once.
///
/// ```
/// use abide::converter::RawPayload;
/// use abide::interceptor::{ActivityInterceptor, ActivityNext, ExecuteActivityInput, async_trait};
/// use abide::plugin::Plugin;
/// use abide::prelude::*;
/// # #[cfg(feature = "worker")]
/// use abide::worker::{Registered, WorkerBuilder};
///
/// struct Traced;
///
/// #[async_trait]
/// impl ActivityInterceptor for Traced {
///     async fn execute_activity(
///         &self,
///         ctx: &ActivityContext,
///         input: ExecuteActivityInput,
///         next: ActivityNext<'_>,
///     ) -> Result<RawPayload, ActivityError> {
///         println!("attempt {} of {}", ctx.info().attempt, ctx.info().activity_type);
///         next.run(ctx, input).await
///     }
/// }
///
/// struct Tracing;
///
/// impl Plugin for Tracing {
///     fn name(&self) -> &str {
///         "example.tracing"
///     }
///
/// #   #[cfg(feature = "worker")]
///     fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
///         worker.activity_interceptor(Traced)
///     }
/// }
///
/// let options = ClientOptions::new("localhost:7233").plugin(Tracing);
/// # let _ = options;
/// ```
///
/// Each method gets what the program and the plugins before have set, and may change all of it.
pub trait Plugin: Send + Sync + 'static {
    /// Returns the plugin's name, such as `example.tracing`. A client, a worker or a replayer accepts each name once.
    /// The server shows the names of a worker's plugins, if it accepts worker heartbeats.
    fn name(&self) -> &str;

    /// Configures a client when it connects. By default, changes nothing.
    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        options
    }

    /// Configures a worker when it is built. By default, changes nothing.
    ///
    /// A worker's own queue inherits the interceptors and options that this sets, but is not configured itself.
    #[cfg(feature = "worker")]
    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        worker
    }

    /// Configures a replayer when it gets the plugin. By default, changes nothing.
    ///
    /// Add what a replay needs: workflows, codecs, and the workflow interceptors of the workers.
    #[cfg(feature = "worker")]
    fn configure_replayer(&self, replayer: WorkflowReplayer) -> WorkflowReplayer {
        replayer
    }
}

into_shared!(Plugin);

/// Plugins in the order in which they are applied, each once.
#[derive(Clone, Default)]
pub(crate) struct Plugins(Vec<Arc<dyn Plugin>>);

impl Plugins {
    /// Adds a plugin, unless it is one of these already.
    pub(crate) fn add(&mut self, plugin: Arc<dyn Plugin>) {
        // Compares only the addresses, because one plugin may have several vtables.
        if !self.0.iter().any(|known| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(&plugin))) {
            self.0.push(plugin);
        }
    }

    /// Adds all other plugins.
    pub(crate) fn extend(&mut self, others: Self) {
        others.0.into_iter().for_each(|plugin| self.add(plugin));
    }

    /// Returns the plugin at this place.
    pub(crate) fn at(&self, index: usize) -> Option<Arc<dyn Plugin>> {
        self.0.get(index).cloned()
    }

    #[cfg(feature = "worker")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        self.0.iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|plugin| plugin.name())
    }

    /// Checks that each plugin has a name of its own.
    ///
    /// # Errors
    /// Returns an error that begins with `of`, the owner of the plugins.
    pub(crate) fn check(&self, of: &str) -> Result<(), String> {
        if self.names().any(str::is_empty) {
            return Err(format!("{of} has a plugin without a name: `Plugin::name` must return one"));
        }
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(format!(
                "{of} has two plugins of the name `{}`: expected one plugin of each name; remove one, or give both as \
                 clones of one `Arc` if they are the same (a worker has the plugins of its client, too)",
                pair[0]
            )),
        }
    }
}

/// Shows the names.
impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntoShared;

    struct Named(&'static str);

    impl Plugin for Named {
        fn name(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn a_plugin_that_is_given_twice_counts_once() {
        let plugin: Arc<dyn Plugin> = Arc::new(Named("a"));
        let mut plugins = Plugins::default();
        plugins.add(Arc::clone(&plugin).into_shared());
        plugins.add(plugin);
        plugins.add(Named("b").into_shared());
        plugins.add(Arc::new(Named("c")).into_shared());
        assert_eq!(format!("{plugins:?}"), r#"["a", "b", "c"]"#);
        assert_eq!(plugins.check("the worker"), Ok(()));
    }

    #[test]
    fn two_plugins_of_one_name_are_refused() {
        let mut plugins = Plugins::default();
        for name in ["a", "b", "a"] {
            plugins.add(Named(name).into_shared());
        }
        let error = plugins.check("the worker").unwrap_err();
        assert!(error.starts_with("the worker has two plugins of the name `a`"), "{error}");
        let mut nameless = Plugins::default();
        nameless.add(Named("").into_shared());
        assert!(nameless.check("the client").unwrap_err().starts_with("the client has a plugin without a name"));
    }
}
