//! Requests for activities and local activities: what both have in common until their commands differ.

use std::borrow::Cow;
use std::panic::Location;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{ActivityType, Payloads};
use abide_protos::temporal::api::enums::v1::RetryState;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ActivityFailureInfo, Failure as FailureProto};
use serde::Serialize;

use super::run_state::RunState;
use crate::converter::{PayloadWriter, RawArguments};
use crate::definition::ActivityDefinition;
use crate::header::Headers;
use crate::interceptor::workflow::CompletedActivity;
use crate::retry_policy::RetryPolicy;

/// Options of a call, as far as every request needs them.
pub(super) trait CallOptions {
    /// Name of this kind of activity in errors.
    const KIND: &'static str;

    /// The two timeouts of which one is required.
    fn limits(&self) -> [Option<Duration>; 2];

    /// The retry policy, if the call has one.
    fn own_retry_policy(&self) -> Option<&RetryPolicy>;
}

/// A request for an activity that has not begun.
pub(super) struct ActivityRequest<D: ActivityDefinition, O> {
    pub(super) definition: D,
    pub(super) args: D::Args,
    pub(super) options: O,
    pub(super) activity_id: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) headers: Headers,
    pub(super) location: &'static Location<'static>,
    /// Type and arguments as interceptors have changed them.
    pub(super) intercepted: Option<Box<Intercepted>>,
}

/// Type and arguments of an activity after all interceptors.
pub(super) struct Intercepted {
    pub(super) activity_type: String,
    pub(super) arguments: RawArguments,
}

impl<D: ActivityDefinition, O: CallOptions> ActivityRequest<D, O> {
    pub(super) fn new(definition: D, args: D::Args, options: O, location: &'static Location<'static>) -> Self {
        let headers = Headers::default();
        Self { definition, args, options, activity_id: None, summary: None, headers, location, intercepted: None }
    }

    /// Sets a header. Returns the text of the task's failure if the value cannot be written.
    pub(super) fn set_header<T: Serialize + 'static>(&mut self, key: String, value: &T) -> Result<(), String> {
        self.headers.set(key.as_str(), value).map_err(|error| {
            let (kind, name) = (O::KIND, self.definition.name());
            format!("the header `{key}` of {kind} `{name}` cannot be written: {error}")
        })
    }

    /// Name of the activity type.
    pub(super) fn activity_type(&self) -> Cow<'static, str> {
        match &self.intercepted {
            None => self.definition.name(),
            Some(intercepted) => Cow::Owned(intercepted.activity_type.clone()),
        }
    }

    /// The description that interceptors get with the outcome; `None` if they were not told of the activity.
    pub(super) fn completed(&self, number: u32, is_local: bool) -> Option<CompletedActivity> {
        let activity_type = self.intercepted.as_ref()?.activity_type.clone();
        Some(CompletedActivity { activity_type, activity_id: self.id(number), is_local })
    }

    /// Id that the author chose, or the number.
    pub(super) fn id(&self, number: u32) -> String {
        self.activity_id.clone().unwrap_or_else(|| number.to_string())
    }

    /// Writes the arguments. Fails the workflow task if they cannot be written.
    pub(super) fn written_args(&self, shared: &RunState) -> Option<Option<Payloads>> {
        if let Some(intercepted) = &self.intercepted {
            return Some(intercepted.arguments.clone().into_proto());
        }
        let mut writer = PayloadWriter::new();
        match D::write_args(&self.args, &mut writer) {
            Ok(()) => Some(writer.finish()),
            Err(error) => {
                let (kind, name) = (O::KIND, self.activity_type());
                let text = format!("the arguments of {kind} `{name}` cannot be written: {error}");
                shared.fail_task(text, self.location);
                None
            }
        }
    }

    /// Returns true if a timeout limits the call and its retry policy makes sense, and fails the workflow task if not.
    /// The server reads zero as no timeout, and would refuse the whole completion without naming the statement.
    pub(super) fn has_valid_options(&self, shared: &RunState) -> bool {
        let (kind, name) = (O::KIND, self.activity_type());
        let is_limited = self.options.limits().into_iter().flatten().any(|limit| !limit.is_zero());
        let text = match self.options.own_retry_policy().and_then(RetryPolicy::mistake) {
            _ if !is_limited => format!(
                "{kind} `{name}` has no timeout, because zero means none: set `start_to_close_timeout(..)` or \
                 `schedule_to_close_timeout(..)` to more than zero"
            ),
            Some(mistake) => format!("the retry policy of {kind} `{name}` {mistake}"),
            None => return true,
        };
        shared.fail_task(text, self.location);
        false
    }

    /// Returns the activity's failure with its cause, without the ids of events.
    pub(super) fn failure(
        &self,
        number: u32,
        message: &str,
        retry_state: RetryState,
        cause: FailureProto,
    ) -> FailureProto {
        FailureProto {
            message: message.to_string(),
            cause: Some(Box::new(cause)),
            failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
                activity_type: Some(ActivityType { name: self.activity_type().into_owned() }),
                activity_id: self.id(number),
                retry_state: retry_state as i32,
                ..Default::default()
            })),
            ..Default::default()
        }
    }
}
