//! Handlers that are set and removed while the workflow runs, and the messages that wait for one.
//!
//! A struct has its handlers from the beginning. These come on top: a function workflow has no others. A message whose
//! handler is missing is kept. When the handler is set, the kept messages are *due*: they get their turns in the order of
//! their arrival, before everything else that is woken, because they came earlier. So a later message of the same name
//! cannot overtake them. A signal waits without limit; an update waits until the code of its workflow task comes to rest.

mod dynamic;
pub(crate) mod table;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use self::table::{HandlerCode, SetHandler, Validation};
use super::context::WorkflowContext;
use super::implementation::{
    HandlerInfo, SignalDispatch, UnfinishedPolicy, UpdateDispatch, unfit_query, update_result,
};
use super::run_state::RunState;
use crate::converter::{PayloadError, PayloadReader, to_payload};
use crate::definition::{PayloadValue, QueryDefinition, SignalDefinition, UpdateDefinition};
use crate::failure::WorkflowError;
use crate::replay::jobs::HandlerMessage;

impl WorkflowContext {
    /// Sets the handler of a signal while the workflow runs, in a function or a struct. It replaces an earlier one of
    /// that name.
    ///
    /// Signals that arrived before and had no handler are handed over now, in the order of their arrival. The closure
    /// gets its own reference to the context. An error that it returns fails the workflow, as in a handler with
    /// `#[signal]`. The struct of a workflow is available through [`workflow_struct`](Self::workflow_struct).
    ///
    /// ```
    /// use std::rc::Rc;
    /// use abide::{SignalType, prelude::*};
    ///
    /// const SUBMIT: SignalType<fn(String)> = SignalType::new("submit");
    ///
    /// #[workflow]
    /// async fn collect(ctx: &WorkflowContext, wanted: usize) -> Result<Vec<String>, WorkflowError> {
    ///     let lines = Rc::new(State::new(Vec::new()));
    ///     let submit = ctx.set_signal_handler(SUBMIT, {
    ///         let lines = lines.clone();
    ///         async move |_ctx, line| {
    ///             lines.write().push(line);
    ///             Ok(())
    ///         }
    ///     });
    ///     ctx.wait_until(|| lines.read().len() >= wanted).await?;
    ///     submit.remove();
    ///     Ok(lines.take())
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if the workflow's struct has a handler for that signal, if the name is empty or reserved by Temporal, and
    /// in a query handler or a validator. The panic fails the workflow task.
    #[track_caller]
    pub fn set_signal_handler<S: SignalDefinition>(
        &self,
        signal: S,
        handler: impl AsyncFn(&WorkflowContext, S::Args) -> Result<(), WorkflowError> + 'static,
    ) -> RuntimeHandler {
        let handler = Rc::new(handler);
        let code = move |ctx: WorkflowContext, _: &str, args: &mut PayloadReader<'_>| match S::read_args(args) {
            Ok(args) => {
                let handler = Rc::clone(&handler);
                SignalDispatch::Running(Box::pin(async move { handler(&ctx, args).await }))
            }
            Err(error) => SignalDispatch::Undecodable(error),
        };
        self.set_handler(not_empty(signal.name()), HandlerCode::Signal(Rc::new(code)))
    }

    /// Sets the handler of a query while the workflow runs, in a function or a struct. It replaces an earlier one of
    /// that name. The closure must not change anything.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use abide::{QueryType, prelude::*};
    ///
    /// const STEP: QueryType<fn() -> u32> = QueryType::new("step");
    ///
    /// #[workflow]
    /// async fn steps(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ///     let step = Rc::new(State::new(0));
    ///     let shown = step.clone();
    ///     ctx.set_query_handler(STEP, move |_ctx, ()| Ok(shown.get())).description("The current step, from 0 on.");
    ///     for number in 1..10 {
    ///         ctx.timer(hours(1)).await?;
    ///         step.set(number);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if the workflow's struct has a handler for that query, if the name is empty or reserved by Temporal, and
    /// in a query handler or a validator. The panic fails the workflow task.
    #[track_caller]
    pub fn set_query_handler<Q: QueryDefinition>(
        &self,
        query: Q,
        handler: impl Fn(&WorkflowContext, Q::Args) -> Result<Q::Output, WorkflowError> + 'static,
    ) -> RuntimeHandler {
        let code = move |ctx: &WorkflowContext, name: &str, args: &mut PayloadReader<'_>| {
            let args = Q::read_args(args).map_err(|error| unfit_query(name, error))?;
            Ok(to_payload(&handler(ctx, args)?)?)
        };
        self.set_handler(not_empty(query.name()), HandlerCode::Query(Rc::new(code)))
    }

    /// Sets the handler of an update while the workflow runs, in a function or a struct. It replaces an earlier one of
    /// that name. [`validator`](RuntimeUpdateHandler::validator) adds a validator.
    ///
    /// An update that arrives before its handler is set is not lost if the code sets the handler in the same workflow
    /// task, before it waits for a condition. So a workflow that was started with an update can set its handler first
    /// of all.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use abide::{UpdateType, prelude::*};
    ///
    /// const ADD: UpdateType<fn(String) -> usize> = UpdateType::new("add");
    ///
    /// #[workflow]
    /// async fn cart(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    ///     let items = Rc::new(State::new(Vec::new()));
    ///     let added = items.clone();
    ///     ctx.set_update_handler(ADD, async move |ctx, item| {
    ///         ctx.timer(secs(1)).await?;
    ///         added.write().push(item);
    ///         Ok(added.read().len())
    ///     })
    ///     .validator(|_ctx, item| match item.as_str() {
    ///         "" => Err(ApplicationFailure::new("an item has a name").into()),
    ///         _ => Ok(()),
    ///     });
    ///     ctx.wait_until(|| items.read().len() == 3 && ctx.all_handlers_finished()).await?;
    ///     Ok(items.take())
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if the workflow's struct has a handler for that update, if the name is empty or reserved by Temporal, and
    /// in a query handler or a validator. The panic fails the workflow task.
    #[track_caller]
    pub fn set_update_handler<U: UpdateDefinition>(
        &self,
        update: U,
        handler: impl AsyncFn(&WorkflowContext, U::Args) -> Result<U::Output, WorkflowError> + 'static,
    ) -> RuntimeUpdateHandler<U::Args> {
        self.set_update_code(not_empty(update.name()), |_, args| U::read_args(args), handler)
    }

    /// Returns the names of the signals that wait for a handler, each once, in the order in which they arrived.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// if ctx.unhandled_signals().iter().any(|name| name.starts_with("retry-")) {
    ///     // ..
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use = "the names are only returned; the signals go on waiting"]
    pub fn unhandled_signals(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for message in &self.shared.handlers.borrow().kept {
            if let HandlerMessage::Signal(signal) = message
                && !names.contains(&signal.name)
            {
                names.push(signal.name.clone());
            }
        }
        names
    }

    /// Returns the workflow's struct, for closures that outlive the `&self` of the method that makes them, such as
    /// handlers that are set while the workflow runs.
    ///
    /// ```
    /// # use abide::{SignalType, prelude::*};
    /// # #[workflow] #[derive(Default)] struct Order { notes: State<Vec<String>> }
    /// # #[workflow_methods]
    /// # impl Order {
    /// # #[run]
    /// # async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.set_signal_handler(SignalType::<fn(String)>::new("note"), async |ctx, text| {
    ///     ctx.workflow_struct::<Order>().notes.write().push(text);
    ///     Ok(())
    /// });
    /// # Ok(()) }
    /// # }
    /// ```
    ///
    /// # Panics
    /// Panics if `W` is not the struct of this workflow, and in its `#[init]`, where there is no struct yet.
    #[track_caller]
    #[must_use = "the struct is only returned"]
    pub fn workflow_struct<W: 'static>(&self) -> Rc<W> {
        self.shared.instance::<W>()
    }

    /// Makes the handlers of the struct known, once it is created.
    ///
    /// # Panics
    /// Panics if its `#[init]` has set a handler that the struct has, too.
    pub(crate) fn struct_is_created(&self, of_struct: &'static [HandlerInfo]) {
        let mut handlers = self.shared.handlers.borrow_mut();
        handlers.of_struct = of_struct;
        for taken in of_struct {
            assert!(handlers.find(taken.kind, taken.name).is_none(), "{}", taken_by(taken));
        }
    }

    /// Adds the handler of an update, whose arguments `read` reads.
    #[track_caller]
    fn set_update_code<Args: 'static, T: PayloadValue>(
        &self,
        name: Cow<'static, str>,
        read: impl Fn(&str, &mut PayloadReader<'_>) -> Result<Args, PayloadError> + 'static,
        handler: impl AsyncFn(&WorkflowContext, Args) -> Result<T, WorkflowError> + 'static,
    ) -> RuntimeUpdateHandler<Args> {
        let handler = Rc::new(handler);
        let validator = Rc::new(RefCell::new(None::<Validator<Args>>));
        let validates = Rc::clone(&validator);
        let code = move |ctx: WorkflowContext, name: &str, args: &mut PayloadReader<'_>, validation| {
            let args = match read(name, args) {
                Ok(args) => args,
                Err(error) => return UpdateDispatch::Undecodable(error),
            };
            let validator = validates.borrow().clone().filter(|_| validation == Validation::Runs);
            if let Some(Err(error)) = validator.map(|validator| validator(&ctx, &args)) {
                return UpdateDispatch::Rejected(error);
            }
            let handler = Rc::clone(&handler);
            UpdateDispatch::Accepted(Box::pin(async move { update_result(&handler(&ctx, args).await?) }))
        };
        let handler = self.set_handler(name, HandlerCode::Update(Rc::new(code)));
        RuntimeUpdateHandler { handler, validator }
    }

    /// Adds a handler. Messages that waited for it are due.
    #[track_caller]
    fn set_handler(&self, name: Cow<'static, str>, code: HandlerCode) -> RuntimeHandler {
        let (kind, location) = (code.kind(), Location::caller());
        let what = kind.noun();
        self.shared.must_not_be_read_only("a new message handler");
        assert!(!is_reserved(&name), "the handler of {what} `{name}` cannot be set: Temporal reserves the name");
        let struct_handlers = self.shared.handlers.borrow().of_struct;
        if let Some(taken) = struct_handlers.iter().find(|handler| handler.kind == kind && handler.name == name) {
            panic!("{}", taken_by(taken));
        }
        let mut handlers = self.shared.handlers.borrow_mut();
        handlers.sets += 1;
        let (number, policy) = (handlers.sets, UnfinishedPolicy::default());
        if self.shared.is_torn_down() {
            // Set by a destructor. The run is gone, and the closure may hold the state that would hold it.
            return RuntimeHandler { shared: Rc::clone(&self.shared), number };
        }
        let set = SetHandler { number, name, code, description: String::new(), unfinished_policy: policy, location };
        // A replaced closure is dropped after the borrow has ended, because the author's destructors may use the context.
        let replaced = handlers.insert(set);
        drop(handlers);
        drop(replaced);
        RuntimeHandler { shared: Rc::clone(&self.shared), number }
    }
}

/// A handler that was set while the workflow runs. Dropping this value leaves the handler as it is.
pub struct RuntimeHandler {
    shared: Rc<RunState>,
    number: u64,
}

impl RuntimeHandler {
    /// Describes the handler, for people who look at the workflow in the web UI.
    pub fn description(&self, text: impl Into<String>) -> &Self {
        self.change(|handler| handler.description = text.into());
        self
    }

    /// Sets what happens if the workflow ends before the handler does. Default: a warning in the log. A query is never
    /// unfinished.
    pub fn unfinished_policy(&self, policy: UnfinishedPolicy) -> &Self {
        self.change(|handler| handler.unfinished_policy = policy);
        self
    }

    /// Removes the handler. Messages that it handles already go on; later signals wait for a new handler, and later
    /// queries and updates are refused. If another handler has replaced it, nothing happens.
    #[track_caller]
    pub fn remove(&self) {
        self.shared.must_not_be_read_only("the removal of a message handler");
        let removed = self.shared.handlers.borrow_mut().remove(self.number);
        drop(removed);
    }

    fn change(&self, change: impl FnOnce(&mut SetHandler)) {
        let mut handlers = self.shared.handlers.borrow_mut();
        if let Some(handler) = handlers.set.iter_mut().find(|handler| handler.number == self.number) {
            change(handler);
        }
    }
}

impl fmt::Debug for RuntimeHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeHandler").finish_non_exhaustive()
    }
}

/// A handler of an update that was set while the workflow runs. Dropping this value leaves the handler as it is.
pub struct RuntimeUpdateHandler<Args> {
    handler: RuntimeHandler,
    validator: Rc<RefCell<Option<Validator<Args>>>>,
}

impl<Args> RuntimeUpdateHandler<Args> {
    /// Adds a validator, which accepts or rejects an update before it is written to the history. It reads the arguments,
    /// and must not change anything.
    pub fn validator(
        &self,
        validator: impl Fn(&WorkflowContext, &Args) -> Result<(), WorkflowError> + 'static,
    ) -> &Self {
        let replaced = self.validator.replace(Some(Rc::new(validator)));
        drop(replaced);
        self
    }

    /// Describes the handler, for people who look at the workflow in the web UI.
    pub fn description(&self, text: impl Into<String>) -> &Self {
        self.handler.description(text);
        self
    }

    /// Sets what happens if the workflow ends before the handler does. Default: a warning in the log.
    pub fn unfinished_policy(&self, policy: UnfinishedPolicy) -> &Self {
        self.handler.unfinished_policy(policy);
        self
    }

    /// Removes the handler, as [`RuntimeHandler::remove`] does.
    #[track_caller]
    pub fn remove(&self) {
        self.handler.remove();
    }
}

impl<Args> fmt::Debug for RuntimeUpdateHandler<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeUpdateHandler").finish_non_exhaustive()
    }
}

type Validator<Args> = Rc<dyn Fn(&WorkflowContext, &Args) -> Result<(), WorkflowError>>;

/// Returns true for names that no author's handler may have.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with("__temporal_") || matches!(name, "__stack_trace" | "__enhanced_stack_trace")
}

/// Returns the name of a handler that is not dynamic.
#[track_caller]
fn not_empty(name: Cow<'static, str>) -> Cow<'static, str> {
    assert!(!name.is_empty(), "a message handler without a name cannot be set: give its definition a name");
    name
}

fn taken_by(struct_handler: &HandlerInfo) -> String {
    let (what, location) = (struct_handler.kind.noun(), struct_handler.location);
    let handler = match struct_handler.name {
        "" => format!("the dynamic {what} handler"),
        name => format!("the handler of {what} `{name}`"),
    };
    format!(
        "{handler} cannot be set: the workflow's struct has one ({location}); remove the attribute of \
         that one, or choose another name"
    )
}
