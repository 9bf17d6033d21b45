//! Mocks of activities and child workflows. They run as real tasks of the server: timeouts, retries and heartbeats
//! apply to them. A panic in a mock fails the test.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use abide::activity::{Activities, ActivityFuture, ActivityImplementation, ActivityRegistry};
use abide::converter::{PayloadError, PayloadReader, PayloadWriter, to_payload};
use abide::runtime::catch_panic;
use abide::workflow::{RoutineFuture, WorkflowImplementation, WorkflowInstance};
use abide::{
    ActivityContext, ActivityDefinition, ActivityError, ApplicationFailure, Arguments, WorkflowContext,
    WorkflowDefinition, WorkflowError,
};
use abide_protos::temporal::api::common::v1::Payload;
use abide_server::embedding::Host;

/// An activity's definition with a closure as its code.
pub(crate) struct Mock<D, F> {
    definition: D,
    code: F,
    host: Arc<Host>,
}

impl<D, F> Mock<D, F> {
    pub(crate) fn new(definition: D, code: F, host: Arc<Host>) -> Self {
        Self { definition, code, host }
    }
}

impl<D, F, R> Activities for Mock<D, F>
where
    D: ActivityDefinition,
    F: Fn(ActivityContext, D::Args) -> R + Send + Sync + 'static,
    R: Future<Output = Result<D::Output, ActivityError>> + Send + 'static,
{
    fn register(self, registry: &mut ActivityRegistry) {
        let code = MockCode { run: self.code, host: self.host };
        registry.add(MockOf::<D, F> { definition: self.definition, code: PhantomData }, Arc::new(code));
    }
}

/// The code of a mock.
pub(crate) struct MockCode<F> {
    run: F,
    host: Arc<Host>,
}

impl<D, F, R> ActivityImplementation for MockOf<D, F>
where
    D: ActivityDefinition,
    F: Fn(ActivityContext, D::Args) -> R + Send + Sync + 'static,
    R: Future<Output = Result<D::Output, ActivityError>> + Send + 'static,
{
    type Host = MockCode<F>;

    fn call(&self, code: Arc<MockCode<F>>, ctx: ActivityContext, args: D::Args) -> ActivityFuture<D::Output> {
        let (what, host) = (format!("the mock of activity `{}`", self.definition.name()), Arc::clone(&code.host));
        let run = Guard(Box::pin(async move { (code.run)(ctx, args).await }));
        Box::pin(async move {
            run.await.unwrap_or_else(|panic| {
                let text = panicked(&what, &*panic);
                host.end_test(text.clone());
                Err(ApplicationFailure::new(text).error_type("Panic").non_retryable().into())
            })
        })
    }
}

/// A future that returns its panic.
pub(crate) struct Guard<F>(pub(crate) Pin<Box<F>>);

impl<F: Future> Future for Guard<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

pub(crate) fn panicked(what: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("{what} panicked: {}", text.unwrap_or("a value that is not a string"))
}

/// The definition under which the mock is registered, with the real one's name and arguments.
struct MockOf<D, F> {
    definition: D,
    code: PhantomData<fn() -> F>,
}

impl<D: Clone, F> Clone for MockOf<D, F> {
    fn clone(&self) -> Self {
        Self { definition: self.definition.clone(), code: PhantomData }
    }
}

impl<D: ActivityDefinition, F> fmt::Debug for MockOf<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mock of {}", self.definition.name())
    }
}

impl<D: ActivityDefinition, F> Arguments for MockOf<D, F> {
    type Args = D::Args;

    fn write_args(args: &D::Args, to: &mut PayloadWriter) -> Result<(), PayloadError> {
        D::write_args(args, to)
    }

    fn read_args(from: &mut PayloadReader<'_>) -> Result<D::Args, PayloadError> {
        D::read_args(from)
    }
}

impl<D: ActivityDefinition, F: 'static> ActivityDefinition for MockOf<D, F> {
    type Output = D::Output;

    fn name(&self) -> Cow<'static, str> {
        self.definition.name()
    }
}

/// A workflow's definition with a closure as its code: the mock of a child workflow.
pub(crate) struct MockChild<D, F> {
    definition: D,
    code: Arc<F>,
    host: Arc<Host>,
}

impl<D, F> MockChild<D, F> {
    pub(crate) fn new(definition: D, code: F, host: Arc<Host>) -> Self {
        Self { definition, code: Arc::new(code), host }
    }
}

impl<D: Clone, F> Clone for MockChild<D, F> {
    fn clone(&self) -> Self {
        let (code, host) = (Arc::clone(&self.code), Arc::clone(&self.host));
        Self { definition: self.definition.clone(), code, host }
    }
}

impl<D: WorkflowDefinition, F> Arguments for MockChild<D, F> {
    type Args = D::Args;

    fn write_args(args: &D::Args, to: &mut PayloadWriter) -> Result<(), PayloadError> {
        D::write_args(args, to)
    }

    fn read_args(from: &mut PayloadReader<'_>) -> Result<D::Args, PayloadError> {
        D::read_args(from)
    }
}

impl<D: WorkflowDefinition, F: Send + Sync + 'static> WorkflowDefinition for MockChild<D, F> {
    type Output = D::Output;
    type Workflow = D::Workflow;

    fn name(&self) -> Cow<'static, str> {
        self.definition.name()
    }
}

impl<D, F> WorkflowImplementation for MockChild<D, F>
where
    D: WorkflowDefinition,
    F: Fn(D::Args) -> Result<D::Output, WorkflowError> + Send + Sync + 'static,
{
    fn instantiate(
        &self,
        _: &WorkflowContext,
        _: &mut PayloadReader<'_>,
    ) -> Result<Rc<dyn WorkflowInstance>, PayloadError> {
        Ok(Rc::new(self.clone()))
    }
}

impl<D, F> WorkflowInstance for MockChild<D, F>
where
    D: WorkflowDefinition,
    F: Fn(D::Args) -> Result<D::Output, WorkflowError> + Send + Sync + 'static,
{
    fn start_main_routine(
        self: Rc<Self>,
        _: WorkflowContext,
        args: &mut PayloadReader<'_>,
    ) -> Result<RoutineFuture<Payload>, PayloadError> {
        let args = D::read_args(args)?;
        Ok(Box::pin(async move {
            let result = catch_panic(|| (self.code)(args)).unwrap_or_else(|panic| {
                let text = format!("the mock of workflow `{}` panicked {panic}", self.definition.name());
                self.host.end_test(text.clone());
                Err(ApplicationFailure::new(text).error_type("Panic").non_retryable().into())
            });
            Ok(to_payload(&result?)?)
        }))
    }
}
