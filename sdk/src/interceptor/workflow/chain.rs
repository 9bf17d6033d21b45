//! The interceptors of a run, and the rest of a chain.

use std::cell::OnceCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::WorkflowInterceptor;
use super::inbound::{
    ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput, HandleUpdateInput, ValidateUpdateInput,
};
use crate::converter::RawPayload;
use crate::failure::WorkflowError;
use crate::header::Headers;
use crate::workflow::run_state::RunState;
use crate::workflow::{RoutineFuture, WorkflowContext, WorkflowInfo};

/// The interceptors of a worker, the outermost first. Never empty.
pub(crate) type Interceptors = Arc<Vec<Arc<dyn WorkflowInterceptor>>>;

/// The rest of a chain: the interceptors that were added later, and at its end the workflow's own code.
pub struct WorkflowNext<I: InboundCall> {
    all: Interceptors,
    /// Index of the next one.
    next: usize,
    end: Box<End<I>>,
}

/// The workflow's own code.
type End<I> = dyn FnOnce(&WorkflowContext, I) -> <I as InboundCall>::Returned;

impl<I: InboundCall> WorkflowNext<I> {
    /// Runs the rest of the chain. An interceptor that does not call it replaces the rest.
    ///
    /// For the main routine and for handlers of signals and updates, it returns a future, and nothing runs before that
    /// is awaited. For validators and queries, it returns the result.
    #[must_use = "a future of the rest of the chain does nothing unless it is awaited; a result may be an error"]
    pub fn run(mut self, ctx: &WorkflowContext, input: I) -> I::Returned {
        match self.all.get(self.next).cloned() {
            Some(interceptor) => {
                self.next += 1;
                input.call(interceptor, ctx, self)
            }
            None => (self.end)(ctx, input),
        }
    }
}

impl<I: InboundCall> fmt::Debug for WorkflowNext<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowNext").field("interceptors_left", &(self.all.len() - self.next)).finish_non_exhaustive()
    }
}

/// The input of a call that comes in: it decides what [`WorkflowNext::run`] returns. Abide alone implements it.
pub trait InboundCall: sealed::Sealed + Sized + 'static {
    /// The result, or its future.
    type Returned;

    #[doc(hidden)]
    fn call(
        self,
        interceptor: Arc<dyn WorkflowInterceptor>,
        ctx: &WorkflowContext,
        next: WorkflowNext<Self>,
    ) -> Self::Returned;
}

mod sealed {
    pub trait Sealed {}
}

/// Implements the calls whose interceptors are async.
macro_rules! async_calls {
    ($($Input:ident: $method:ident -> $T:ty),* $(,)?) => {$(
        impl sealed::Sealed for $Input {}

        impl InboundCall for $Input {
            type Returned = RoutineFuture<$T>;

            fn call(
                self,
                interceptor: Arc<dyn WorkflowInterceptor>,
                ctx: &WorkflowContext,
                next: WorkflowNext<Self>,
            ) -> Self::Returned {
                let ctx = ctx.clone();
                Box::pin(async move { interceptor.$method(&ctx, self, next).await })
            }
        }
    )*};
}

/// Implements the calls whose interceptors are not async.
macro_rules! plain_calls {
    ($($Input:ident: $method:ident -> $T:ty),* $(,)?) => {$(
        impl sealed::Sealed for $Input {}

        impl InboundCall for $Input {
            type Returned = Result<$T, WorkflowError>;

            fn call(
                self,
                interceptor: Arc<dyn WorkflowInterceptor>,
                ctx: &WorkflowContext,
                next: WorkflowNext<Self>,
            ) -> Self::Returned {
                interceptor.$method(ctx, self, next)
            }
        }
    )*};
}

async_calls! {
    ExecuteWorkflowInput: execute_workflow -> RawPayload,
    HandleSignalInput: handle_signal -> (),
    HandleUpdateInput: handle_update -> RawPayload,
}

plain_calls! {
    ValidateUpdateInput: validate_update -> (),
    HandleQueryInput: handle_query -> RawPayload,
}

/// The interceptors of a run, and what they have changed of it.
pub(crate) struct RunInterceptors {
    all: Interceptors,
    /// Information about the run, with the headers that an interceptor has given to the main routine.
    info: OnceCell<WorkflowInfo>,
}

impl RunInterceptors {
    pub(crate) fn new(all: Interceptors) -> Self {
        Self { all, info: OnceCell::new() }
    }

    /// Returns a chain with this end. The end runs nothing before the future that it returns is polled: otherwise the
    /// code would run before the values that an interceptor sets for it are there.
    pub(crate) fn around<I, T, Fut>(&self, end: impl FnOnce(WorkflowContext, I) -> Fut + 'static) -> WorkflowNext<I>
    where
        I: InboundCall<Returned = RoutineFuture<T>>,
        Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    {
        self.around_plain(|ctx: &WorkflowContext, input| {
            let ctx = ctx.clone();
            Box::pin(async move { end(ctx, input).await })
        })
    }

    /// Like [`around`](Self::around), for code that is not async.
    pub(crate) fn around_plain<I: InboundCall>(
        &self,
        end: impl FnOnce(&WorkflowContext, I) -> I::Returned + 'static,
    ) -> WorkflowNext<I> {
        WorkflowNext { all: Arc::clone(&self.all), next: 0, end: Box::new(end) }
    }

    /// Shows an input to all interceptors before its command is issued, the outermost first.
    pub(crate) fn before<I>(
        &self,
        shared: &Rc<RunState>,
        input: &mut I,
        hook: impl Fn(&dyn WorkflowInterceptor, &WorkflowContext, &mut I),
    ) {
        let ctx = WorkflowContext::new(Rc::clone(shared));
        self.all.iter().for_each(|interceptor| hook(&**interceptor, &ctx, input));
    }

    /// Passes a result through all interceptors, the outermost last.
    pub(crate) fn after<T>(
        &self,
        shared: &Rc<RunState>,
        result: T,
        hook: impl Fn(&dyn WorkflowInterceptor, &WorkflowContext, T) -> T,
    ) -> T {
        let ctx = WorkflowContext::new(Rc::clone(shared));
        self.all.iter().rev().fold(result, |result, interceptor| hook(&**interceptor, &ctx, result))
    }

    /// Information about the run, if an interceptor has changed it.
    pub(crate) fn info(&self) -> Option<&WorkflowInfo> {
        self.info.get()
    }

    /// Shows these headers as those of the start, if they differ from the recorded ones.
    pub(crate) fn set_start_headers(&self, recorded: &WorkflowInfo, headers: Headers) {
        if headers != recorded.headers() {
            // The cell is empty: a main routine begins once.
            let _ = self.info.set(recorded.with_headers(headers));
        }
    }
}
