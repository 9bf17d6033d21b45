//! State shared by a run's context, its operations and the runtime.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};

use abide_protos::temporal::api::common::v1::Payload;

use super::cancellation::{CancelWaiters, Scope};
use super::concurrency::CurrentValues;
use super::condition::Conditions;
use super::inbound_message::InboundMessage;
use super::info::WorkflowInfo;
use super::message_handlers::table::Handlers;
use super::operation::{AwaitedKind, Operation, OperationFuture};
use super::patch::PatchActivation;
use super::random::Random;
use super::search_attributes::Upserted;
use super::state::ReadOnlyCode;
use crate::bounded_text::type_name;
use crate::converter::{DataConverter, read_one};
use crate::definition::PayloadValue;
use crate::interceptor::workflow::{Interceptors, RunInterceptors};
use crate::metrics::Metrics;
use crate::replay::event_groups::CurrentGroups;
use crate::replay::jobs::Outcome;
use crate::replay::machines::child_workflow::LetGo;
use crate::replay::slab::{Key, Slab};
use crate::replay::state_machines::StateMachines;

/// Shared state of one run. Authors' code runs only while `core` is not borrowed.
pub(crate) struct RunState {
    pub(crate) operation_state: RefCell<OperationState>,
    pub(crate) info: OnceCell<WorkflowInfo>,
    /// Default task queue of activities.
    pub(crate) task_queue: Arc<str>,
    /// Converts errors to failures, and failures to errors.
    pub(crate) data_converter: DataConverter,
    /// Metrics that the author's code records into.
    pub(crate) metrics: Metrics,
    /// `None` without interceptors. Boxed, because a run that waits is kept in memory.
    interceptors: Option<Box<RunInterceptors>>,
    /// `None` if every new run takes the new path of each patch.
    pub(crate) patch_activation: Option<PatchActivation>,
    /// Root scope of the run. A request to cancel the workflow cancels it.
    pub(crate) root_scope: Rc<Scope>,
    /// Scope of message handlers, once there was one. A request to cancel the workflow concerns only the main routine.
    handler_scope: OnceCell<Rc<Scope>>,
    pub(crate) current_scope: RefCell<Rc<Scope>>,
    /// Values that the author set for the code that runs now.
    pub(crate) values: CurrentValues,
    /// Set while a query is answered or an update is validated: no operation may begin then.
    pub(crate) read_only: Cell<Option<ReadOnlyCode>>,
    /// The message whose handler is running, also in branches that the handler spawned; `None` in the main routine.
    pub(crate) current_message: RefCell<Option<Rc<InboundMessage>>>,
    /// Handlers that were set while the workflow runs, and the messages that wait for one.
    pub(crate) handlers: RefCell<Handlers>,
    /// Number of message handlers that have begun and not ended.
    pub(crate) handlers_running: Cell<usize>,
    /// Source of the run's random numbers, which follow Core's contract.
    pub(crate) random: RefCell<Random>,
    /// The workflow's description of its state, for people who look at it.
    pub(crate) current_details: RefCell<Box<str>>,
    torn_down: Cell<bool>,
    /// True if the main routine has returned, or a handler has ended the run.
    pub(crate) has_ended: Cell<bool>,
    /// The workflow's struct. Weak, because the routines own it.
    instance: OnceCell<Weak<dyn Any>>,
}

/// A branch that waits for its first turn.
pub(crate) struct Spawned {
    pub(crate) future: Pin<Box<dyn Future<Output = ()>>>,
    /// The message whose handler spawned it.
    pub(crate) message: Option<Rc<InboundMessage>>,
}

/// The part of the state that changes with every operation.
pub(crate) struct OperationState {
    pub(crate) machines: StateMachines,
    pub(crate) operations: Slab<Operation>,
    pub(crate) conditions: Conditions,
    /// Branches that the code has spawned and the runtime has not taken over yet.
    pub(crate) spawned: VecDeque<Spawned>,
    /// Woken for each spawned branch, so that its turn comes after those of routines that were woken before it.
    pub(crate) spawn_waker: Waker,
    /// Futures that wait for the cancellation of a scope.
    pub(crate) cancel_waiters: CancelWaiters,
    /// Reason for which this workflow task has to fail, set by calls that cannot go on.
    pub(crate) task_failure: Option<String>,
    /// Changes that the code made to its search attributes and memo.
    pub(crate) upserted: Option<Box<Upserted>>,
    /// Children that are to outlive this run, and whose handles were dropped by the routine that is polled now.
    let_go: Vec<LetGo>,
    operations_begun: u64,
}

impl RunState {
    pub(crate) fn new(
        machines: StateMachines,
        task_queue: Arc<str>,
        spawn_waker: Waker,
        data_converter: DataConverter,
        metrics: Metrics,
        (interceptors, patch_activation): (Option<Interceptors>, Option<PatchActivation>),
    ) -> Rc<Self> {
        let root_scope = Scope::root();
        Rc::new(Self {
            operation_state: RefCell::new(OperationState {
                machines,
                operations: Slab::default(),
                conditions: Conditions::default(),
                spawned: VecDeque::new(),
                spawn_waker,
                cancel_waiters: CancelWaiters::default(),
                task_failure: None,
                upserted: None,
                let_go: Vec::new(),
                operations_begun: 0,
            }),
            info: OnceCell::new(),
            task_queue,
            data_converter,
            metrics,
            interceptors: interceptors.map(|all| Box::new(RunInterceptors::new(all))),
            patch_activation,
            current_scope: RefCell::new(root_scope.clone()),
            root_scope,
            handler_scope: OnceCell::new(),
            values: CurrentValues::default(),
            read_only: Cell::new(None),
            current_message: RefCell::new(None),
            handlers: RefCell::default(),
            handlers_running: Cell::new(0),
            random: RefCell::default(),
            current_details: RefCell::default(),
            torn_down: Cell::new(false),
            has_ended: Cell::new(false),
            instance: OnceCell::new(),
        })
    }

    /// The interceptors of the run, if there are any.
    pub(crate) fn interceptors(&self) -> Option<&RunInterceptors> {
        self.interceptors.as_deref()
    }

    /// Returns the scope of message handlers.
    pub(crate) fn handler_scope(&self) -> Rc<Scope> {
        Rc::clone(self.handler_scope.get_or_init(Scope::root))
    }

    /// Adds an operation in the current scope. It has no machine yet.
    pub(crate) fn begin_operation(&self, kind: AwaitedKind) -> Key {
        let scope = self.current_scope.borrow().clone();
        let mut core = self.operation_state.borrow_mut();
        core.operations_begun += 1;
        let number = core.operations_begun;
        core.operations.insert(Operation::new(scope, number, kind, self.current_message.borrow().clone()))
    }

    /// Gives an operation its machine. Returns the future of its outcome.
    pub(crate) fn carry_out(
        self: &Rc<Self>,
        operation: Key,
        begin: impl FnOnce(&mut StateMachines) -> Key,
    ) -> OperationFuture {
        let mut core = self.operation_state.borrow_mut();
        let machine = begin(&mut core.machines);
        if let Some(operation) = core.operations.get_mut(operation) {
            operation.machine = Some(machine);
        }
        drop(core);
        OperationFuture::new(Rc::clone(self), operation)
    }

    /// Returns true if the code that runs now has run before. Nothing is sent then, so nothing need be serialized.
    pub(crate) fn is_replaying(&self) -> bool {
        self.operation_state.borrow().machines.replaying
    }

    /// Reads the result of `what`. A result that cannot be read fails the workflow task.
    pub(crate) fn read_result<T: PayloadValue>(
        &self,
        result: Option<&Payload>,
        what: std::fmt::Arguments<'_>,
        location: &Location<'_>,
    ) -> Poll<T> {
        match read_one(result) {
            Ok(value) => Poll::Ready(value),
            Err(error) => {
                self.fail_task(format!("the result of {what} cannot be read: {error}"), location);
                Poll::Pending
            }
        }
    }

    /// The run's own namespace.
    pub(crate) fn namespace(&self) -> String {
        self.info.get().map(|info| info.namespace.clone()).unwrap_or_default()
    }

    /// Returns the reason if operations that begin now fail at once.
    pub(crate) fn cancelled_here(&self) -> Option<Rc<str>> {
        self.current_scope.borrow().cancelled()
    }

    /// Cancels every pending operation in a scope, in the order in which they began, and wakes the futures that wait
    /// for the cancellation.
    pub(crate) fn cancel_scope(&self, scope: &Rc<Scope>, reason: &str) {
        if !scope.set_cancelled(reason) {
            return;
        }
        let mut core = self.operation_state.borrow_mut();
        for key in core.operations_that(|operation| operation.is_pending() && operation.scope.is_in(scope)) {
            core.cancel_operation_because(key, reason);
        }
        core.cancel_waiters.wake(scope);
        core.conditions.cancelled(scope);
    }

    /// Sets the event groups of commands that are issued from now on. Returns the previous groups.
    pub(crate) fn swap_groups(&self, groups: CurrentGroups) -> CurrentGroups {
        std::mem::replace(&mut self.operation_state.borrow_mut().machines.groups, groups)
    }

    /// Stores the workflow's struct, once it is created.
    pub(crate) fn set_instance(&self, instance: Weak<dyn Any>) {
        let _ = self.instance.set(instance);
    }

    /// The workflow's struct as a `W`.
    #[track_caller]
    pub(crate) fn instance<W: 'static>(&self) -> Rc<W> {
        let name = type_name::<W>();
        match self.instance.get().and_then(Weak::upgrade).map(Rc::downcast::<W>) {
            Some(Ok(instance)) => instance,
            Some(Err(_)) => panic!(
                "`{name}` is not the struct of this workflow ({}): spawn a method of the workflow's own struct, or a \
                 future with `spawn`",
                self.info.get().map_or("", |info| &info.workflow_type)
            ),
            None => {
                panic!(
                    "the struct `{name}` does not exist yet: spawn its methods from `#[run]` or a handler, not from \
                     `#[init]`"
                )
            }
        }
    }

    /// Panics if the code that runs is a query handler, a validator or the closure of a side effect: none of them may
    /// change the workflow.
    #[track_caller]
    pub(crate) fn must_not_be_read_only(&self, what: &str) {
        match self.read_only.get() {
            None => {}
            Some(ReadOnlyCode::Query) => panic!(
                "{what} in a query handler: a query must not change the workflow; use a signal or an update for that"
            ),
            Some(ReadOnlyCode::Validator) => {
                panic!(
                    "{what} in an update validator: a validator only accepts or rejects; do that in the update's \
                     handler"
                )
            }
            Some(ReadOnlyCode::SideEffect) => panic!(
                "{what} in the closure of a side effect: a replay does not call the closure again; use the context \
                 before or after the side effect"
            ),
        }
    }

    /// Returns true if a timer of zero length is a command in the current task.
    pub(crate) fn zero_timer_is_command(&self) -> bool {
        let machines = &self.operation_state.borrow().machines;
        machines.flags.zero_timer_is_command(machines.replaying)
    }

    /// Returns true if a timeout of zero is a command in the current task.
    pub(crate) fn zero_timeout_is_command(&self) -> bool {
        let machines = &self.operation_state.borrow().machines;
        machines.flags.zero_timeout_is_command(machines.replaying)
    }

    /// Fails the workflow task, for an error that the author's code cannot handle and a corrected worker can.
    pub(crate) fn fail_task(&self, message: String, location: &Location<'_>) {
        self.operation_state.borrow_mut().task_failure.get_or_insert_with(|| format!("{message} (at {location})"));
    }

    pub(crate) fn tear_down(&self) {
        self.torn_down.set(true);
    }

    pub(crate) fn is_torn_down(&self) -> bool {
        self.torn_down.get()
    }
}

impl OperationState {
    pub(crate) fn resolve_operation(&mut self, key: Key, outcome: Outcome) {
        if let Some(operation) = self.operations.get_mut(key) {
            operation.machine = None;
            operation.resolve(outcome);
        }
    }

    /// Returns the operations that `such` accepts, in the order in which they began.
    pub(crate) fn operations_that(&self, such: impl Fn(&Operation) -> bool) -> Vec<Key> {
        let found = self.operations.iter().filter(|(_, operation)| such(operation));
        let mut found: Vec<(u64, Key)> = found.map(|(key, operation)| (operation.number, key)).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, key)| key).collect()
    }

    /// Sets the kind of operations whose futures are alive.
    pub(crate) fn set_kind(&mut self, operations: &[Key], kind: AwaitedKind) {
        for key in operations {
            if let Some(operation) = self.operations.get_mut(*key) {
                operation.kind = kind;
            }
        }
    }

    /// Lets the machine of an operation go on alone. The operation's future is still alive.
    pub(crate) fn abandon_machine(&mut self, key: Key) {
        if let Some(machine) = self.operations.get_mut(key).and_then(|operation| operation.machine.take()) {
            self.machines.detach(machine);
        }
    }

    /// Cancels an operation as its kind and its options say.
    ///
    /// The reason goes to the recipient of the cancellation request, if there is one.
    pub(crate) fn cancel_operation_because(&mut self, key: Key, reason: &str) {
        let machine = self.operations.get(key).filter(|operation| operation.is_pending());
        if let Some(machine) = machine.and_then(|operation| operation.machine)
            && let Some(outcome) = self.machines.cancel(machine, false, reason)
        {
            self.resolve_operation(key, outcome);
        }
    }

    /// Cancels an operation whose future was dropped.
    pub(crate) fn drop_operation(&mut self, key: Key) {
        if let Some(machine) = self.operations.remove(key).and_then(|operation| operation.machine) {
            match self.machines.let_go_of_child(machine) {
                Some(let_go) => self.let_go.push(let_go),
                None => drop(self.machines.cancel(machine, true, "")),
            }
        }
    }

    /// Called after a routine was polled. If the run ends with that poll, the handles that the routine held were not
    /// dropped to cancel anything, so children that are to outlive the run go on.
    pub(crate) fn settle_let_go(&mut self, run_ends: bool) {
        for let_go in self.let_go.drain(..) {
            self.machines.settle_let_go(let_go, run_ends);
        }
    }

    /// Lets an operation go on without its future.
    pub(crate) fn detach_operation(&mut self, key: Key) {
        if let Some(machine) = self.operations.remove(key).and_then(|operation| operation.machine) {
            self.machines.detach(machine);
        }
    }
}
