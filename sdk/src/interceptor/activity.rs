//! Interceptors of activities: the trait, and the rest of the chain behind an interceptor.

use std::fmt;
use std::sync::Arc;

use abide_protos::temporal::api::common::v1::Payload;
use async_trait::async_trait;

use crate::activity::{ActivityContext, ActivityFuture, ActivityInfo, RegisteredActivity};
use crate::converter::{RawArguments, RawPayload};
use crate::failure::ActivityError;
use crate::header::Headers;
use crate::into_shared::into_shared;

/// Code around the attempts of activities (Temporal's activity interceptor), added with
/// `WorkerBuilder::activity_interceptor`.
///
/// It sees all activities of a worker: local ones, dynamic ones and the mocks of a test, too. Each retry is a new
/// attempt, which it sees again.
///
/// ```
/// use abide::interceptor::{ActivityInterceptor, ActivityNext, ExecuteActivityInput, async_trait};
/// use abide::converter::{RawArguments, RawPayload};
/// use abide::prelude::*;
///
/// /// Refuses calls without a user, and keeps the user out of the progress.
/// struct Users;
///
/// #[async_trait]
/// impl ActivityInterceptor for Users {
///     async fn execute_activity(
///         &self,
///         ctx: &ActivityContext,
///         input: ExecuteActivityInput,
///         next: ActivityNext<'_>,
///     ) -> Result<RawPayload, ActivityError> {
///         let Some(user) = input.headers.get::<String>("user")? else {
///             return Err(ApplicationFailure::new("who calls?").error_type("NoUser").non_retryable().into());
///         };
///         println!("{user} calls {}", ctx.info().activity_type);
///         next.run(ctx, input).await
///     }
/// }
/// # fn is_one(_: impl ActivityInterceptor) {}
/// # is_one(Users);
/// ```
///
/// A panic in an interceptor fails the attempt, as a panic in the activity does.
#[async_trait]
pub trait ActivityInterceptor: Send + Sync + 'static {
    /// Surrounds an attempt. By default, passes it on.
    ///
    /// The error of an interceptor is reported as the activity's own error is.
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        next.run(ctx, input).await
    }

    /// Sees the progress of a heartbeat, and may change it. The next attempt and the server get what it leaves. Called
    /// for each call of [`ActivityContext::heartbeat`], also if the heartbeat is throttled. It must return at once. By
    /// default, does nothing.
    fn heartbeat(&self, info: &ActivityInfo, details: &mut RawArguments) {
        let _ = (info, details);
    }
}

/// An attempt of an activity, as an [interceptor](ActivityInterceptor::execute_activity) sees it. The context has the
/// rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExecuteActivityInput {
    /// The activity's arguments.
    pub arguments: RawArguments,
    /// Headers that the workflow set. The activity's [info](ActivityInfo::header) shows what an interceptor leaves.
    pub headers: Headers,
}

/// The rest of an attempt: the interceptors that come after this one, and the activity.
#[derive(Clone, Copy)]
pub struct ActivityNext<'a> {
    rest: &'a [Arc<dyn ActivityInterceptor>],
    activity: &'a dyn RegisteredActivity,
}

impl ActivityNext<'_> {
    /// Runs the attempt with this input, and returns its result. The context's headers become those of the input.
    ///
    /// # Errors
    /// The activity's error, or that of an interceptor.
    pub async fn run(self, ctx: &ActivityContext, input: ExecuteActivityInput) -> Result<RawPayload, ActivityError> {
        let ctx = ctx.with_headers(&input.headers);
        match self.rest.split_first() {
            Some((first, rest)) => first.execute_activity(&ctx, input, Self { rest, ..self }).await,
            None => self.activity.run(ctx, input.arguments.into_payloads()).await.map(RawPayload::from_proto),
        }
    }
}

impl fmt::Debug for ActivityNext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityNext").field("interceptors", &self.rest.len()).finish_non_exhaustive()
    }
}

into_shared!(ActivityInterceptor);

/// An activity with the interceptors around it.
pub(crate) struct InterceptedActivity {
    pub(crate) activity: Arc<dyn RegisteredActivity>,
    /// The outermost first.
    pub(crate) interceptors: Arc<[Arc<dyn ActivityInterceptor>]>,
}

impl RegisteredActivity for InterceptedActivity {
    fn run(&self, ctx: ActivityContext, input: Vec<Payload>) -> ActivityFuture<Payload> {
        let (activity, interceptors) = (Arc::clone(&self.activity), Arc::clone(&self.interceptors));
        Box::pin(async move {
            let ctx = ctx.with_interceptors(&interceptors);
            let headers = Headers::from_proto(Some(ctx.info().header.clone()));
            let input = ExecuteActivityInput { arguments: RawArguments::from_payloads(input), headers };
            let next = ActivityNext { rest: &interceptors, activity: &*activity };
            next.run(&ctx, input).await.map(RawPayload::into_proto)
        })
    }
}
