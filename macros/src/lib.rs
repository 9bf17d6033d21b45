//! The attribute macros of Abide. Use them through the crate `abide`, which re-exports them all.
//!
//! Each macro goes the same way, one file for each step: the attributes are read (`attr`), the item becomes a small
//! model (`model`), every rule is checked with a message at the token that breaks it (`validate`), and the model is
//! written out as Rust (`expand`). All mistakes are reported at once, and what is broken is still expanded to a stub
//! of the same name (`fallback`), so that the rest of the program is checked and an IDE keeps working.
//!
//! The output names only `::core`, `::abide::__private` and what the user wrote. Its own variables begin with `__abide_`:
//! a constant of the user's takes every pattern of its name, so that one named `args` would turn `let args = ..` into a
//! comparison with it.

mod activity;
mod application_error;
mod attr;
mod diagnostics;
mod fallback;
mod function;
mod item;
mod marker;
mod methods;
mod role;
mod signature;
mod types;
mod workflow;

use proc_macro::TokenStream;

/// Makes a function an activity.
///
/// The function may be async or not, may take `ctx: &ActivityContext` first, takes up to 12 owned arguments, and
/// returns `Result<T, ActivityError>` (any error type that turns into an `ActivityError` will do). Its name on the
/// wire is the function's, or `#[activity(name = "..")]`. Arguments and `T` travel as JSON by serde.
///
/// The function stays a function: `ctx.activity(check_inventory, items)` schedules it,
/// `worker.activities(check_inventory)` registers it, and `check_inventory(items).await` calls it, in a unit test for
/// instance. Variables may be named like it. It returns a future whose type carries the *definition*, a type
/// `CheckInventoryActivity` beside the function; name it where a type has to be named:
/// `ActivityCall<CheckInventoryActivity>`.
///
/// An activity that is not async runs inside the future of its attempt, on the thread that polls it: let it be short.
/// Called directly it is awaited, too.
///
/// ```
/// use abide::prelude::*;
///
/// #[activity]
/// async fn greet(name: String) -> Result<String, ActivityError> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(greet("Ada".to_string()).await.unwrap(), "Hello, Ada!");
/// # }
/// ```
#[proc_macro_attribute]
pub fn activity(options: TokenStream, item: TokenStream) -> TokenStream {
    activity::function(options.into(), item.into()).into()
}

/// Makes methods activities: those with `#[activity]` in the impl block it stands on.
///
/// The value they are called on is given to the worker once and shared by all attempts, so methods take `&self`, or
/// no `self` at all. `Payments::charge` is the definition for `ctx.activity(..)`; `payments.charge(..)` still calls
/// the method where this impl block is in scope (its module and what imports `*` from it), and
/// `Payments::charge(&payments, ..)` calls it everywhere.
///
/// The name on the wire is the method's, without the type's, or `#[activity(name = "..")]`.
///
/// ```
/// use abide::prelude::*;
///
/// struct Greetings {
///     word: String,
/// }
///
/// #[activities]
/// impl Greetings {
///     #[activity]
///     async fn greet(&self, name: String) -> Result<String, ActivityError> {
///         Ok(self.with_word(&name))
///     }
///
///     fn with_word(&self, name: &str) -> String {
///         format!("{}, {name}!", self.word)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let greetings = Greetings { word: "Hello".to_string() };
/// assert_eq!(greetings.greet("Ada".to_string()).await.unwrap(), "Hello, Ada!");
/// # }
/// ```
#[proc_macro_attribute]
pub fn activities(options: TokenStream, item: TokenStream) -> TokenStream {
    activity::methods(options.into(), item.into()).into()
}

/// Makes an async function a workflow, or a struct the state of one.
///
/// A function may take `ctx: &WorkflowContext` first, takes up to 12 owned arguments, and returns
/// `Result<T, WorkflowError>`. It stays a function, which can be called. The definition that its return type carries is,
/// for a function `process_order`, a type `ProcessOrderWorkflow`: `WorkflowHandle<ProcessOrderWorkflow>`.
///
/// A struct starts from its `Default`, or from the `#[init]` constructor of its impl block; the code stands in an
/// impl block with `#[workflow_methods]`.
///
/// The workflow type's name on the wire is the function's or the struct's, or `#[workflow(name = "..")]`.
///
/// With worker versioning, `#[workflow(versioning_behavior = pinned)]` keeps each run on the version of the program it
/// began on, and `auto_upgrade` moves it to the current one with its next workflow task.
///
/// ```
/// use abide::prelude::*;
///
/// #[workflow]
/// async fn greeting(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
///     Ok(format!("Hello, {name}!"))
/// }
/// ```
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    workflow::workflow(options.into(), item.into()).into()
}

/// The code of a workflow whose state is a struct with `#[workflow]`.
///
/// | attribute | method |
/// | --- | --- |
/// | `#[run]` | exactly one: `async fn(&self, [ctx: &WorkflowContext,] args..) -> Result<T, WorkflowError>` |
/// | `#[signal]` | any number: `[async] fn(&self, [ctx,] args..)`, returns nothing or `Result<(), WorkflowError>` |
/// | `#[query]` | any number: `fn(&self, [ctx,] args..) -> T`, or `Result<T, WorkflowError>` |
/// | `#[update]` | any number: `[async] fn(&self, [ctx,] args..) -> T`, or `Result<T, WorkflowError>` |
/// | `#[update_validator(method)]` | at most one for each update: `fn(&self, [ctx,] &args..) -> Result<(), WorkflowError>` |
/// | `#[init]` | at most one: `fn([ctx,] args..) -> Self` with the arguments of `#[run]`, in place of `Default` |
///
/// All methods take `&self`: the main routine and the handlers share the state and take turns at each `.await`; what
/// changes is kept in `State<T>`. Signals and updates that came before the first workflow task are handled before
/// `#[run]` begins, so what they need comes from `Default` or `#[init]`.
///
/// `#[run]`, `#[signal]`, `#[query]` and `#[update]` take `(name = "..")`; default is the method's name (for `#[run]`:
/// the struct's). `#[signal]` and `#[update]` take `(unfinished_policy = abandon)` for handlers that the workflow's end
/// may cut off without a warning. A handler's documentation comment is its description in the web UI. `Player::submit` is the definition for clients, `self.submit(..)` still calls it.
///
/// ```
/// use abide::prelude::*;
///
/// #[workflow]
/// #[derive(Default)]
/// struct Counter {
///     total: State<u32>,
/// }
///
/// #[workflow_methods]
/// impl Counter {
///     #[run]
///     async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
///         Ok(self.total.get())
///     }
///
///     #[signal]
///     fn add(&self, amount: u32) {
///         self.total.update(|total| *total += amount);
///     }
///
///     #[query]
///     fn total(&self) -> u32 {
///         self.total.get()
///     }
///
///     #[update]
///     fn take(&self, amount: u32) -> u32 {
///         self.total.update(|total| *total -= amount);
///         self.total.get()
///     }
///
///     #[update_validator(take)]
///     fn check_take(&self, amount: &u32) -> Result<(), WorkflowError> {
///         match *amount <= self.total.get() {
///             true => Ok(()),
///             false => Err(ApplicationFailure::new("not so many are there").into()),
///         }
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn workflow_methods(options: TokenStream, item: TokenStream) -> TokenStream {
    workflow::methods(options.into(), item.into()).into()
}

/// Makes an enum (or a struct) of errors travel from activities and workflows to their callers, and back into what it
/// was: see the trait of the same name.
///
/// Writes `Display`, `Error` and `ApplicationError`. Every variant has `#[error("..")]` with its message, in which
/// `{field}` or `{0}` stands for a field, and behind it, as needed, `non_retryable`, `benign`, `error_type = ".."` and
/// `next_retry_delay = ..`.
///
/// ```
/// use abide::prelude::*;
///
/// #[derive(Debug, PartialEq, ApplicationError)]
/// enum StockError {
///     #[error("{article} is not sold here", non_retryable)]
///     Unknown { article: String },
///     #[error("only {0} are left", error_type = "OutOfStock", next_retry_delay = hours(1))]
///     Few(u32),
/// }
///
/// let failure: Failure = StockError::Few(3).to_application_failure().into();
/// assert_eq!(failure.message(), "only 3 are left");
/// assert_eq!(failure.application_error(), Some(StockError::Few(3)));
/// ```
#[proc_macro_derive(ApplicationError, attributes(error, from, source))]
pub fn application_error(item: TokenStream) -> TokenStream {
    application_error::derive(item.into()).into()
}
