//! The activities of a worker, by name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use abide_protos::temporal::api::common::v1::Payload;
use futures_util::FutureExt as _;

use super::context::ActivityContext;
use crate::converter::{PayloadReader, to_payload};
use crate::definition::{Activity, ActivityDefinition, ByValue};
use crate::failure::{ActivityError, ApplicationFailure};
use crate::interceptor::activity::{ActivityInterceptor, InterceptedActivity};

/// A running attempt.
pub type ActivityFuture<T> = Pin<Box<dyn Future<Output = Result<T, ActivityError>> + Send>>;

/// An activity type with its code. Written by `#[activity]` and `#[activities]`.
pub trait ActivityImplementation: ActivityDefinition {
    /// The `self` of the code: the struct of an `#[activities]` block, `()` for a function.
    type Host: Send + Sync + 'static;

    /// Returns true if the worker sends heartbeats while the code runs: `#[activity(auto_heartbeat)]`. Default: false.
    fn has_auto_heartbeat(&self) -> bool {
        false
    }

    /// Returns true if its code may block its thread: `#[activity(blocking)]`. The code then ends at its first poll.
    /// Default: false.
    fn is_blocking(&self) -> bool {
        false
    }

    /// Returns true if it runs activities of every type that no other activity has: `#[activity(dynamic)]`. Default:
    /// false.
    fn is_dynamic(&self) -> bool {
        false
    }

    /// Starts an attempt.
    fn call(&self, host: Arc<Self::Host>, ctx: ActivityContext, args: Self::Args) -> ActivityFuture<Self::Output>;
}

/// Provides one or more activities: a function with `#[activity]`, or a value whose impl block has `#[activities]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no activities",
    label = "expected a function with `#[activity]`, or a value of a type whose impl block has `#[activities]`"
)]
pub trait Activities<Kind = ByValue>: Send + Sync + 'static {
    /// Adds all of them to the registry.
    fn register(self, registry: &mut ActivityRegistry);
}

/// The kind of [`Activities`] that are a single [`Activity`] of kind `Kind`, and need no `self`.
#[derive(Debug)]
pub struct SingleActivity<Kind>(PhantomData<fn() -> Kind>);

#[diagnostic::do_not_recommend]
impl<A, Kind> Activities<SingleActivity<Kind>> for A
where
    A: Activity<Kind> + Send + Sync + 'static,
    A::Definition: ActivityImplementation<Host = ()>,
{
    fn register(self, registry: &mut ActivityRegistry) {
        registry.add(self.definition(), Arc::new(()));
    }
}

/// The activities of a worker, by name.
#[derive(Clone, Default)]
pub struct ActivityRegistry {
    activities: BTreeMap<Cow<'static, str>, Arc<dyn RegisteredActivity>>,
    /// The dynamic activity, with its name.
    dynamic: Option<(Cow<'static, str>, Arc<dyn RegisteredActivity>)>,
    /// Runs activities without a registration, if there is no dynamic activity.
    fallback: Option<Arc<dyn RegisteredActivity>>,
    duplicates: Vec<Cow<'static, str>>,
}

/// An activity with its host, which runs on payloads.
pub trait RegisteredActivity: Send + Sync {
    /// Deserializes the arguments, runs the code, and serializes the result.
    fn run(&self, ctx: ActivityContext, input: Vec<Payload>) -> ActivityFuture<Payload>;
}

impl ActivityRegistry {
    /// Adds an activity. Called by the output of the macros.
    pub fn add<A: ActivityImplementation>(&mut self, activity: A, host: Arc<A::Host>) {
        let (name, is_dynamic) = (activity.name(), activity.is_dynamic());
        let activity = Arc::new(Hosted { activity, host });
        if is_dynamic { self.set_dynamic(name, activity) } else { self.insert(name, activity) }
    }

    /// Adds an activity that runs on payloads: one from another registry, or a wrapper around it.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, activity: Arc<dyn RegisteredActivity>) {
        let name = name.into();
        if self.activities.insert(name.clone(), activity).is_some() {
            self.duplicates.push(name);
        }
    }

    /// Sets the activity that runs all types without a registration. Its context names the requested activity type. Its
    /// own name is for texts.
    pub fn set_dynamic(&mut self, name: impl Into<Cow<'static, str>>, activity: Arc<dyn RegisteredActivity>) {
        if let Some((other, _)) = self.dynamic.replace((name.into(), activity)) {
            self.duplicates.push(Cow::Owned(format!("{other} (dynamic)")));
        }
    }

    /// Returns the dynamic activity, with its name.
    pub fn dynamic(&self) -> Option<(&str, Arc<dyn RegisteredActivity>)> {
        self.dynamic.as_ref().map(|(name, activity)| (name.as_ref(), Arc::clone(activity)))
    }

    /// Returns true if there is no activity, and no dynamic one either.
    pub fn is_empty(&self) -> bool {
        self.activities.is_empty() && self.dynamic.is_none()
    }

    /// Sets the implementation that runs activities without a registration, if there is no dynamic activity. Its context
    /// names the requested activity type.
    pub fn set_fallback(&mut self, fallback: Arc<dyn RegisteredActivity>) {
        self.fallback = Some(fallback);
    }

    /// Returns the implementation that runs activities without a registration.
    pub fn fallback(&self) -> Option<Arc<dyn RegisteredActivity>> {
        self.fallback.clone()
    }

    /// Returns the activity of that name, or else the dynamic one, or else the fallback.
    pub fn get(&self, name: &str) -> Option<Arc<dyn RegisteredActivity>> {
        let dynamic = self.dynamic.as_ref().map(|(_, activity)| activity);
        self.activities.get(name).or(dynamic).or(self.fallback.as_ref()).cloned()
    }

    /// Returns a registry with a wrapper around each activity, around the dynamic one and around the fallback.
    pub fn wrapped(&self, around: impl Fn(Arc<dyn RegisteredActivity>) -> Arc<dyn RegisteredActivity>) -> Self {
        let wrap = |(name, activity): (&Cow<'static, str>, &Arc<_>)| (name.clone(), around(Arc::clone(activity)));
        Self {
            activities: self.activities.iter().map(wrap).collect(),
            dynamic: self.dynamic.as_ref().map(|(name, activity)| wrap((name, activity))),
            fallback: self.fallback.clone().map(&around),
            duplicates: self.duplicates.clone(),
        }
    }

    /// Returns a registry with these interceptors around each activity, the first one outermost. Without interceptors, it
    /// is a plain copy.
    pub fn intercepted(&self, interceptors: &[Arc<dyn ActivityInterceptor>]) -> Self {
        if interceptors.is_empty() {
            return self.clone();
        }
        let interceptors: Arc<[_]> = interceptors.into();
        self.wrapped(|activity| Arc::new(InterceptedActivity { activity, interceptors: Arc::clone(&interceptors) }))
    }

    /// Adds all activities of another registry, with its fallback if it has one.
    pub fn append(&mut self, other: Self) {
        other.activities.into_iter().for_each(|(name, activity)| self.insert(name, activity));
        if let Some((name, activity)) = other.dynamic {
            self.set_dynamic(name, activity);
        }
        self.fallback = other.fallback.or(self.fallback.take());
        self.duplicates.extend(other.duplicates);
    }

    /// Removes the activity of that name, however often it was added.
    pub fn remove(&mut self, name: &str) {
        self.activities.remove(name);
        self.duplicates.retain(|duplicate| duplicate != name);
    }

    /// Returns all names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.activities.keys().map(AsRef::as_ref)
    }

    /// Returns the names that were added more than once.
    pub fn duplicates(&self) -> impl Iterator<Item = &str> {
        self.duplicates.iter().map(AsRef::as_ref)
    }
}

impl std::fmt::Debug for ActivityRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.activities.keys()).finish()
    }
}

struct Hosted<A: ActivityImplementation> {
    activity: A,
    host: Arc<A::Host>,
}

impl<A: ActivityImplementation> RegisteredActivity for Hosted<A> {
    fn run(&self, ctx: ActivityContext, input: Vec<Payload>) -> ActivityFuture<Payload> {
        match A::read_args(&mut PayloadReader::new(&input)) {
            Ok(args) => {
                if self.activity.has_auto_heartbeat() {
                    ctx.begin_auto_heartbeat();
                }
                let attempt = self.activity.call(self.host.clone(), ctx.clone(), args);
                let code = async move { Ok(to_payload(&attempt.await?)?) };
                if self.activity.is_blocking() { blocking(ctx, code) } else { Box::pin(code) }
            }
            Err(error) => {
                // Retryable: another attempt gets the same payloads, but maybe on a worker with corrected code.
                let text =
                    format!("the arguments of activity `{}` do not fit its function: {error}", self.activity.name());
                let failure = ApplicationFailure::new(text).error_type("InvalidArguments");
                Box::pin(async move { Err(failure.into()) })
            }
        }
    }
}

/// Runs code that is not async, and so ends at its first poll, where the host runs code that may block.
fn blocking(
    ctx: ActivityContext,
    code: impl Future<Output = Result<Payload, ActivityError>> + Send + 'static,
) -> ActivityFuture<Payload> {
    let code = Box::pin(code);
    let at_once = move || code.now_or_never().expect("a function that is not async ends at its first poll");
    // The host is asked at the first poll: what is around the attempt (spans, traces) is entered then.
    Box::pin(async move { ctx.run_blocking(Box::new(at_once)).await })
}
