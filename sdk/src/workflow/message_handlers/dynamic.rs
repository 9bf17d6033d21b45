//! Dynamic handlers that are set while the workflow runs: for all names that no other handler has.

use std::borrow::Cow;
use std::rc::Rc;

use super::table::HandlerCode;
use super::{RuntimeHandler, RuntimeUpdateHandler};
use crate::converter::{PayloadReader, RawArguments, to_payload};
use crate::definition::PayloadValue;
use crate::failure::WorkflowError;
use crate::workflow::context::WorkflowContext;
use crate::workflow::implementation::SignalDispatch;

impl WorkflowContext {
    /// Sets the handler of all signals that have no other handler. It replaces an earlier one.
    ///
    /// It gets the signals that waited for a handler at once, in the order of their arrival.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// use abide::prelude::*;
    ///
    /// #[workflow]
    /// async fn count(ctx: &WorkflowContext) -> Result<usize, WorkflowError> {
    ///     let arrived = Rc::new(State::new(Vec::new()));
    ///     ctx.set_dynamic_signal_handler({
    ///         let arrived = arrived.clone();
    ///         async move |_ctx, name, args| {
    ///             let first: Option<String> = args.get(0)?;
    ///             arrived.write().push((name, first));
    ///             Ok(())
    ///         }
    ///     });
    ///     ctx.wait_until(|| arrived.read().iter().any(|(name, _)| name == "end")).await?;
    ///     Ok(arrived.read().len())
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if the workflow's struct has a dynamic handler of signals, and in a query handler or a validator. The panic
    /// fails the workflow task.
    #[track_caller]
    pub fn set_dynamic_signal_handler(
        &self,
        handler: impl AsyncFn(&WorkflowContext, String, RawArguments) -> Result<(), WorkflowError> + 'static,
    ) -> RuntimeHandler {
        let handler = Rc::new(handler);
        let code = HandlerCode::Signal(Rc::new(move |ctx, name, args| {
            let (handler, name, args) = (Rc::clone(&handler), name.to_string(), RawArguments::rest_of(args));
            SignalDispatch::Running(Box::pin(async move { handler(&ctx, name, args).await }))
        }));
        self.set_handler(DYNAMIC, code)
    }

    /// Sets the handler of all queries that have no other handler. It replaces an earlier one. The closure must not
    /// change anything.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.set_dynamic_query_handler(|ctx, name, args| {
    ///     Ok(format!("{name} with {} arguments of {}", args.len(), ctx.info().workflow_type))
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// Panics if the workflow's struct has a dynamic handler of queries, and in a query handler or a validator. The panic
    /// fails the workflow task.
    #[track_caller]
    pub fn set_dynamic_query_handler<T: PayloadValue>(
        &self,
        handler: impl Fn(&WorkflowContext, String, RawArguments) -> Result<T, WorkflowError> + 'static,
    ) -> RuntimeHandler {
        let code = HandlerCode::Query(Rc::new(move |ctx, name, args| {
            Ok(to_payload(&handler(ctx, name.to_string(), RawArguments::rest_of(args))?)?)
        }));
        self.set_handler(DYNAMIC, code)
    }

    /// Sets the handler of all updates that have no other handler. It replaces an earlier one. Its validator gets name
    /// and arguments as a pair.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.set_dynamic_update_handler(async |ctx, name, args| {
    ///     ctx.timer(secs(1)).await?;
    ///     Ok(format!("{name} with {} arguments", args.len()))
    /// })
    /// .validator(|_ctx, (name, _args)| match name.starts_with("set-") {
    ///     true => Ok(()),
    ///     false => Err(ApplicationFailure::new("expected an update whose name begins with `set-`").into()),
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// Panics if the workflow's struct has a dynamic handler of updates, and in a query handler or a validator. The panic
    /// fails the workflow task.
    #[track_caller]
    pub fn set_dynamic_update_handler<T: PayloadValue>(
        &self,
        handler: impl AsyncFn(&WorkflowContext, String, RawArguments) -> Result<T, WorkflowError> + 'static,
    ) -> RuntimeUpdateHandler<(String, RawArguments)> {
        let read = |name: &str, args: &mut PayloadReader<'_>| Ok((name.to_string(), RawArguments::rest_of(args)));
        self.set_update_code(DYNAMIC, read, async move |ctx: &WorkflowContext, (name, args)| {
            handler(ctx, name, args).await
        })
    }
}

/// The name under which dynamic handlers are kept. No other handler has it.
const DYNAMIC: Cow<'static, str> = Cow::Borrowed("");
