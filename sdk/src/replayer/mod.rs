//! Replays recorded histories against today's workflow code, without a server.

#[cfg(test)]
mod extremes;
mod outcome;
mod report;
mod run;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::converter::DataConverter;
use crate::definition::Workflow;
use crate::history::{History, HistoryError, history_files};
use crate::interceptor::workflow::WorkflowInterceptor;
use crate::into_shared::IntoShared;
use crate::plugin::{Plugin, Plugins};
use crate::runtime::WorkflowRegistry;
use crate::workflow::WorkflowImplementation;

pub use outcome::{ReplayError, Replayed, RunOutcome};
pub use report::{ReplayReport, ReplayResult};

#[doc(inline)]
pub use crate::runtime::{CancellationTie, ConditionOrder, Grouping, HandlerScope, QueueOrder, RunOrder, StartWait};

/// Time limit for the code to come to rest on one page of history (256 events).
const DEADLOCK_LIMIT: Duration = Duration::from_secs(10);

/// Replays recorded histories against today's workflow code, and reports whether the code still matches them.
///
/// If the code's commands differ from the recorded ones, deploying the code breaks every open run. To find this out
/// before you deploy, put histories of such runs into a folder and replay them in a test.
///
/// ```
/// use abide::prelude::*;
/// use abide::{History, WorkflowReplayer};
///
/// #[workflow]
/// async fn greet(_ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let replayer = WorkflowReplayer::new().workflow(greet);
/// # let folder = tempfile::tempdir()?;
/// # let json = r#"{"events": [
/// #     {"eventId": 1, "eventType": "WorkflowExecutionStarted", "workflowExecutionStartedEventAttributes":
/// #         {"workflowType": {"name": "greet"}, "taskQueue": {"name": "q"},
/// #          "input": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "IkFkYSI="}]}}},
/// #     {"eventId": 2, "eventType": "WorkflowTaskScheduled", "workflowTaskScheduledEventAttributes": {}},
/// #     {"eventId": 3, "eventType": "WorkflowTaskStarted", "workflowTaskStartedEventAttributes": {"scheduledEventId": 2}},
/// #     {"eventId": 4, "eventType": "WorkflowTaskCompleted", "workflowTaskCompletedEventAttributes": {"scheduledEventId": 2, "startedEventId": 3}},
/// #     {"eventId": 5, "eventType": "WorkflowExecutionCompleted", "workflowExecutionCompletedEventAttributes": {"workflowTaskCompletedEventId": 4}}
/// # ]}"#;
/// # std::fs::write(folder.path().join("greet.json"), json)?;
/// # let folder = folder.path();
/// replayer.replay_dir(folder)?.assert_all_deterministic();
///
/// // One history, with its outcome.
/// let history = History::load(folder.join("greet.json"))?.remove(0);
/// let replayed = replayer.replay(&history)?;
/// assert_eq!(replayed.result::<String>()?, Some("Hello, Ada!".to_string()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a replayer does nothing until it replays a history"]
pub struct WorkflowReplayer {
    registry: Arc<WorkflowRegistry>,
    namespace: Arc<str>,
    order: Option<RunOrder>,
    deadlock_limit: Duration,
    data_converter: DataConverter,
    plugins: Plugins,
}

impl Default for WorkflowReplayer {
    fn default() -> Self {
        Self {
            registry: Arc::default(),
            namespace: "default".into(),
            order: None,
            deadlock_limit: DEADLOCK_LIMIT,
            data_converter: DataConverter::new(),
            plugins: Plugins::default(),
        }
    }
}

impl WorkflowReplayer {
    /// Creates a replayer without workflows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a workflow. A second workflow with the same name replaces the first.
    pub fn workflow<Kind, W>(mut self, workflow: W) -> Self
    where
        W: Workflow<Kind>,
        W::Definition: WorkflowImplementation,
    {
        Arc::make_mut(&mut self.registry).add(workflow);
        self
    }

    /// Runs an interceptor around all workflows, as the worker does. The first that is added is the outermost.
    /// Interceptors can change what a workflow does, so use those of the workers that wrote the histories. Default: none.
    pub fn interceptor(mut self, interceptor: impl IntoShared<dyn WorkflowInterceptor>) -> Self {
        Arc::make_mut(&mut self.registry).add_interceptor(interceptor);
        self
    }

    /// Sets the namespace that workflow code sees. Default: `default`.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into().into();
        self
    }

    /// Sets the order in which code gets the jobs of a workflow task. Default: the order of the SDK that recorded the
    /// history.
    ///
    /// Use this for histories that name no SDK, which older SDKs wrote. By default, such histories are replayed in
    /// Abide's own order.
    pub fn run_order(mut self, order: RunOrder) -> Self {
        self.order = Some(order);
        self
    }

    /// Sets how long code may run before it must wait or end. After that time it counts as stuck. Default: 10 s.
    pub fn deadlock_detection_timeout(mut self, limit: Duration) -> Self {
        self.deadlock_limit = limit;
        self
    }

    /// Sets the converter that decodes payloads and converts errors. Use the converter of the workers that wrote the
    /// histories. Codecs run on their own tokio runtime. Default: payloads are read as they are.
    pub fn data_converter(mut self, converter: DataConverter) -> Self {
        self.data_converter = converter;
        self
    }

    /// Changes the data converter that was set so far, for example to add a codec to it. For [plugins](crate::plugin::Plugin).
    pub fn map_data_converter(mut self, change: impl FnOnce(DataConverter) -> DataConverter) -> Self {
        self.data_converter = change(self.data_converter);
        self
    }

    /// Adds a plugin, as a value or as an `Arc`. It configures this replayer at once. Use the plugins of the workers that
    /// wrote the histories. Two plugins must not have the same name. Default: none.
    pub fn plugin(mut self, plugin: impl IntoShared<dyn Plugin>) -> Self {
        let plugin = plugin.into_shared();
        let mut plugins = std::mem::take(&mut self.plugins);
        let known = plugins.iter().count();
        plugins.add(Arc::clone(&plugin));
        if plugins.iter().count() > known {
            self = plugin.configure_replayer(self);
        }
        // A plugin may add others.
        plugins.extend(std::mem::take(&mut self.plugins));
        Self { plugins, ..self }
    }

    /// Replays one history. Blocks until the replay is done. The workflow's code runs on its own thread.
    ///
    /// # Errors
    /// Returns an error if the code does not match the history or fails its workflow task. Also returns an error if the
    /// history belongs to an unknown workflow, is inconsistent, or cannot be decoded, or if two plugins have the same
    /// name.
    pub fn replay(&self, history: &History) -> Result<Replayed, ReplayError> {
        self.plugins.check("the replayer").map_err(|message| ReplayError::InvalidPlugins { message })?;
        run::replay(self, history)
    }

    /// Replays all histories in a file. If the file cannot be read, the report contains a result that says so.
    pub fn replay_file(&self, path: impl AsRef<Path>) -> ReplayReport {
        let mut report = ReplayReport::default();
        self.replay_into(&mut report, path.as_ref());
        report
    }

    /// Replays all histories in a folder (files ending in .json, .bin, .binpb or .pb), sorted by name. A history that
    /// does not match or cannot be read does not stop the others.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read or contains no such file.
    pub fn replay_dir(&self, folder: impl AsRef<Path>) -> Result<ReplayReport, HistoryError> {
        let mut report = ReplayReport::default();
        for path in history_files(folder.as_ref())? {
            self.replay_into(&mut report, &path);
        }
        Ok(report)
    }

    fn replay_into(&self, report: &mut ReplayReport, path: &Path) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        match History::load(path) {
            Ok(histories) => {
                let several = histories.len() > 1;
                for (index, history) in histories.iter().enumerate() {
                    let name = if several { format!("{name} #{}", index + 1) } else { name.to_string() };
                    report.add(name, history.workflow_type(), self.replay(history));
                }
            }
            Err(error) => {
                let message = error.to_string();
                report.add(name.to_string(), None, Err(ReplayError::InvalidHistory { message }));
            }
        }
    }
}
