//! Activities that a test puts in the place of the real ones. They run as real tasks of the server: timeouts, retries
//! and heartbeats apply to them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use abide::activity::{Activities, ActivityFuture, ActivityImplementation, ActivityRegistry};
use abide::converter::{PayloadError, PayloadReader, PayloadWriter};
use abide::{ActivityContext, ActivityDefinition, ActivityError, Arguments};

/// An activity's definition with a closure for its code.
pub(crate) struct Mock<D, F> {
    definition: D,
    code: F,
}

/// The definition under which the mock is filed: the real one's name and arguments.
struct MockOf<D, F> {
    definition: D,
    code: PhantomData<fn() -> F>,
}

impl<D, F> Mock<D, F> {
    pub(crate) fn new(definition: D, code: F) -> Self {
        Self { definition, code }
    }
}

impl<D, F> Activities for Mock<D, F>
where
    D: ActivityDefinition,
    F: Fn(D::Args) -> Result<D::Output, ActivityError> + Send + Sync + 'static,
{
    fn register(self, registry: &mut ActivityRegistry) {
        registry.add(MockOf { definition: self.definition, code: PhantomData }, Arc::new(self.code));
    }
}

impl<D: Copy, F> Clone for MockOf<D, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Copy, F> Copy for MockOf<D, F> {}

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

    fn name(&self) -> &'static str {
        self.definition.name()
    }
}

impl<D, F> ActivityImplementation for MockOf<D, F>
where
    D: ActivityDefinition,
    F: Fn(D::Args) -> Result<D::Output, ActivityError> + Send + Sync + 'static,
{
    type Host = F;

    fn call(&self, code: Arc<F>, _: ActivityContext, args: D::Args) -> ActivityFuture<D::Output> {
        Box::pin(async move { code(args) })
    }
}
