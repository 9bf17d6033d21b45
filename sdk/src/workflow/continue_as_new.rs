//! Continue-as-new: ending a run and starting the next one in its place, with a fresh history.

use std::rc::Rc;
use std::time::Duration;

use abide_protos::temporal::api::command::v1::ContinueAsNewWorkflowExecutionCommandAttributes;
use abide_protos::temporal::api::common::v1::{Header, WorkflowType};
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use serde::Serialize;

use super::context::WorkflowContext;
use super::run_state::RunState;
use crate::converter::{PayloadWriter, RawArguments, to_payload};
use crate::debug_only::debug_only;
use crate::definition::{Arguments, Workflow, WorkflowDefinition};
use crate::duration::{from_proto, to_proto};
use crate::failure::WorkflowError;
use crate::header::Headers;
use crate::interceptor::rest::Rest;
use crate::interceptor::workflow::ContinueAsNewInput;
use crate::retry_policy::RetryPolicy;
use crate::search_attributes::{SearchAttributeUpdate, apply};
use crate::versioning::{ContinueAsNewVersioningBehavior, VersioningIntent};

/// The next run of this workflow, to be returned: `return ctx.continue_as_new(Player::run, args).into();`.
#[must_use = "nothing happens unless it is returned: `return ctx.continue_as_new(..).into()`"]
pub struct ContinueAsNew {
    shared: Rc<RunState>,
    attributes: Result<ContinueAsNewWorkflowExecutionCommandAttributes, String>,
    /// True if the next run's task queue is this run's.
    own_queue: bool,
    versioning_intent: VersioningIntent,
}

debug_only!(impl[] ContinueAsNew, |this| {
    workflow_type: this.attributes.as_ref().ok().and_then(|next| next.workflow_type.as_ref()).map(|next| &next.name),
});

impl WorkflowContext {
    /// Prepares the next run, which replaces this one when it is returned.
    ///
    /// The next run keeps this run's id, timeouts, priority, retry policy, memo and search attributes unless the
    /// builder changes them. (The server keeps the priority, the summary and the details; they cannot be changed here.)
    /// Headers are not kept.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// #[workflow]
    /// async fn countdown(ctx: &WorkflowContext, n: u32) -> Result<String, WorkflowError> {
    ///     if n == 0 {
    ///         return Ok("lift-off".into());
    ///     }
    ///     ctx.timer(secs(1)).await?;
    ///     ctx.continue_as_new(countdown, n - 1).into()
    /// }
    /// ```
    #[track_caller]
    pub fn continue_as_new<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
        args: <W::Definition as Arguments>::Args,
    ) -> ContinueAsNew {
        let mut writer = PayloadWriter::new();
        let workflow = workflow.definition();
        let attributes = W::Definition::write_args(&args, &mut writer)
            .map_err(|error| {
                format!("continue-as-new: the arguments of workflow `{}` cannot be written: {error}", workflow.name())
            })
            .map(|()| {
                let info = self.info();
                ContinueAsNewWorkflowExecutionCommandAttributes {
                    workflow_type: Some(WorkflowType { name: workflow.name().to_string() }),
                    task_queue: Some(task_queue(info.task_queue.clone())),
                    input: writer.finish(),
                    retry_policy: info.retry_policy.as_ref().map(RetryPolicy::to_proto),
                    memo: self.current_memo(),
                    search_attributes: self.current_search_attributes(),
                    ..Default::default()
                }
            });
        let (shared, versioning_intent) = (self.shared.clone(), VersioningIntent::Unspecified);
        ContinueAsNew { shared, attributes, own_queue: true, versioning_intent }
    }
}

impl ContinueAsNew {
    /// Sets the task queue of the next run. Default: this run's.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        if let Ok(attributes) = &mut self.attributes {
            let name = name.into();
            self.own_queue = attributes.task_queue.as_ref().is_some_and(|queue| queue.name == name);
            attributes.task_queue = Some(task_queue(name));
        }
        self
    }

    /// Shows the next run to interceptors.
    fn intercepted(mut self) -> Self {
        let shared = self.shared.clone();
        let (Some(interceptors), Ok(next)) = (shared.interceptors(), &mut self.attributes) else { return self };
        let mut input = ContinueAsNewInput {
            workflow_type: next.workflow_type.take().map(|workflow_type| workflow_type.name).unwrap_or_default(),
            task_queue: next.task_queue.take().map(|queue| queue.name).unwrap_or_default(),
            arguments: RawArguments::from_proto(next.input.take()),
            headers: Headers::from_proto(next.header.take()),
            run_timeout: next.workflow_run_timeout.as_ref().map(from_proto),
            task_timeout: next.workflow_task_timeout.as_ref().map(from_proto),
            start_delay: next.backoff_start_interval.as_ref().map(from_proto),
            retry_policy: RetryPolicy::from_proto(next.retry_policy.as_ref()),
            initial_versioning_behavior: ContinueAsNewVersioningBehavior::from_proto(
                next.initial_versioning_behavior(),
            ),
            versioning_intent: self.versioning_intent,
            memo: Rest(next.memo.take()),
            search_attributes: Rest(next.search_attributes.take()),
        };
        let queue = input.task_queue.clone();
        interceptors.before(&shared, &mut input, |one, ctx, input| one.continue_as_new(ctx, input));
        if input.task_queue != queue {
            self.own_queue = shared.info.get().is_some_and(|info| info.task_queue == input.task_queue);
        }
        next.workflow_type = Some(WorkflowType { name: input.workflow_type });
        next.task_queue = Some(task_queue(input.task_queue));
        next.input = input.arguments.into_proto();
        next.header = input.headers.into_boxed().map(|header| *header);
        next.workflow_run_timeout = input.run_timeout.map(to_proto);
        next.workflow_task_timeout = input.task_timeout.map(to_proto);
        next.backoff_start_interval = input.start_delay.map(to_proto);
        next.retry_policy = input.retry_policy.as_ref().map(RetryPolicy::to_proto);
        next.initial_versioning_behavior = input.initial_versioning_behavior.map_or(0, |it| it.to_proto() as i32);
        (next.memo, next.search_attributes) = (input.memo.0, input.search_attributes.0);
        self.versioning_intent = input.versioning_intent;
        self
    }

    /// Limits the time of the next run. Default: this run's limit.
    pub fn run_timeout(self, timeout: Duration) -> Self {
        self.change(|attributes| attributes.workflow_run_timeout = Some(to_proto(timeout)))
    }

    /// Limits the time of the next run's workflow tasks. Default: this run's limit.
    pub fn task_timeout(self, timeout: Duration) -> Self {
        self.change(|attributes| attributes.workflow_task_timeout = Some(to_proto(timeout)))
    }

    /// Sets the retry policy of the next run. Default: this run's.
    pub fn retry_policy(self, policy: RetryPolicy) -> Self {
        self.change(|attributes| attributes.retry_policy = Some(policy.to_proto()))
    }

    /// Sets a memo field of the next run, in addition to those of this run. A value that cannot be written fails the
    /// workflow task.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_payload(value) {
            Ok(payload) => {
                if let Ok(attributes) = &mut self.attributes {
                    attributes.memo.get_or_insert_default().fields.insert(key, payload);
                }
            }
            Err(error) => {
                self.attributes = Err(format!("continue-as-new: the memo field `{key}` cannot be written: {error}"));
            }
        }
        self
    }

    /// Drops this run's memo. Fields that are set afterwards are the next run's whole memo.
    pub fn without_memo(self) -> Self {
        self.change(|attributes| attributes.memo = None)
    }

    /// Changes search attributes of the next run, in addition to those of this run. Unset attributes are not kept.
    pub fn search_attributes(self, updates: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let updates: Vec<SearchAttributeUpdate> = updates.into_iter().collect();
        self.change(|attributes| apply(&updates, attributes.search_attributes.get_or_insert_default()))
    }

    /// Drops this run's search attributes.
    pub fn without_search_attributes(self) -> Self {
        self.change(|attributes| attributes.search_attributes = None)
    }

    /// Delays the start of the next run. Default: no delay.
    pub fn start_delay(self, delay: Duration) -> Self {
        self.change(|attributes| attributes.backoff_start_interval = Some(to_proto(delay)))
    }

    /// Gives the next run a header, which its [info](super::WorkflowInfo::header) shows. A value that cannot be
    /// written fails the workflow task.
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_payload(value) {
            Ok(payload) => self.change(|attributes| {
                attributes.header.get_or_insert_with(Header::default).fields.insert(key, payload);
            }),
            Err(error) => {
                self.attributes = Err(format!("continue-as-new: the header `{key}` cannot be written: {error}"));
                self
            }
        }
    }

    /// Selects the version of the program on which the next run begins. Default: a pinned workflow stays on its
    /// version, any other begins on the version of new workflows.
    pub fn initial_versioning_behavior(self, behavior: ContinueAsNewVersioningBehavior) -> Self {
        self.change(|attributes| attributes.initial_versioning_behavior = behavior.to_proto() as i32)
    }

    /// Decides whether the next run goes to workers of this run's build, for build ids without deployments. Default:
    /// [`VersioningIntent::Unspecified`].
    pub fn versioning_intent(mut self, intent: VersioningIntent) -> Self {
        self.versioning_intent = intent;
        self
    }

    fn change(mut self, change: impl FnOnce(&mut ContinueAsNewWorkflowExecutionCommandAttributes)) -> Self {
        if let Ok(attributes) = &mut self.attributes {
            change(attributes);
        }
        self
    }
}

impl From<ContinueAsNew> for WorkflowError {
    #[track_caller]
    fn from(next: ContinueAsNew) -> Self {
        let next = next.intercepted();
        match next.attributes {
            Ok(attributes) => {
                let inherit_build_id = next.versioning_intent.inherits_build_id(next.own_queue);
                #[expect(deprecated, reason = "the server still reads it, and Core still sends it")]
                let attributes = ContinueAsNewWorkflowExecutionCommandAttributes { inherit_build_id, ..attributes };
                WorkflowError::continue_as_new(attributes)
            }
            Err(message) => WorkflowError::task_failure(message),
        }
    }
}

impl<T> From<ContinueAsNew> for Result<T, WorkflowError> {
    #[track_caller]
    fn from(next: ContinueAsNew) -> Self {
        Err(next.into())
    }
}

fn task_queue(name: String) -> TaskQueue {
    TaskQueue { name, kind: TaskQueueKind::Normal as i32, normal_name: String::new() }
}
