//! Random programs, and the workflow that interprets them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::future::select_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::duration::secs;
use crate::workflow::{
    ActivityCancellationType, ActivityHandle, CancellationScope, ChildWorkflowCancellationType, ChildWorkflowHandle,
    ChildWorkflowStart, DEFAULT_VERSION, LocalActivityHandle, MemoUpdate, NexusOperationCancellationType,
    NexusOperationHandle, NexusOperationStart, TimerHandle,
};
use crate::{
    ActivityError, ApplicationFailure, NexusOperation, SearchAttributeKey, State, WorkflowContext, WorkflowError,
    activity, workflow, workflow_methods,
};

/// One step of a program. A number selects one of the operations that the routine holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Step {
    StartTimer,
    StartActivity(Cancellation),
    StartChild(Cancellation),
    StartLocalActivity(Cancellation),
    StartNexusOperation(Cancellation),
    /// Asks for the patch of this number, or deprecates it.
    Patch {
        number: u8,
        deprecated: bool,
    },
    /// Asks for the version of a change of this number.
    Version {
        number: u8,
    },
    /// Computes a value that differs from call to call.
    SideEffect {
        mutable: bool,
    },
    /// Changes a search attribute or the memo.
    Upsert {
        memo: bool,
    },
    /// Records the workflow's time and a random number.
    Look,
    Await(usize),
    Cancel(usize),
    Drop(usize),
    /// Awaits all, in the order in which they end.
    JoinAll,
    /// Awaits one of all, and keeps the others.
    Select,
    WaitForSignals {
        count: u32,
        timeout: bool,
    },
    Spawn(Vec<Step>),
    Shielded(Vec<Step>),
    /// A branch in its own scope.
    Scope(Vec<Step>),
    CancelScope(usize),
    End(End),
}

/// Way in which an activity, a child or a Nexus operation is cancelled.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Cancellation {
    TryCancel,
    WaitCancellationCompleted,
    Abandon,
}

/// End of a routine before its last step.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum End {
    Complete,
    Fail,
    /// Waits for a request to cancel.
    Cancelled,
    ContinueAsNew,
}

/// Generates a random program.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let cancellation = prop_oneof![
        Just(Cancellation::TryCancel),
        Just(Cancellation::WaitCancellationCompleted),
        Just(Cancellation::Abandon)
    ];
    let end = prop_oneof![Just(End::Complete), Just(End::Fail), Just(End::Cancelled), Just(End::ContinueAsNew)];
    let leaf = prop_oneof![
        4 => Just(Step::StartTimer),
        5 => cancellation.clone().prop_map(Step::StartActivity),
        4 => cancellation.clone().prop_map(Step::StartChild),
        6 => cancellation.clone().prop_map(Step::StartLocalActivity),
        4 => cancellation.prop_map(Step::StartNexusOperation),
        1 => (0..3_u8, any::<bool>()).prop_map(|(number, deprecated)| Step::Patch { number, deprecated }),
        1 => (0..2_u8).prop_map(|number| Step::Version { number }),
        1 => any::<bool>().prop_map(|mutable| Step::SideEffect { mutable }),
        1 => any::<bool>().prop_map(|memo| Step::Upsert { memo }),
        1 => Just(Step::Look),
        3 => (0..4_usize).prop_map(Step::Await),
        2 => (0..4_usize).prop_map(Step::Cancel),
        1 => (0..4_usize).prop_map(Step::Drop),
        1 => Just(Step::JoinAll),
        2 => Just(Step::Select),
        2 => (1..3_u32, any::<bool>()).prop_map(|(count, timeout)| Step::WaitForSignals { count, timeout }),
        1 => (0..2_usize).prop_map(Step::CancelScope),
        1 => end.prop_map(Step::End),
    ];
    let step = leaf.prop_recursive(2, 12, 4, |inner| {
        let steps = prop::collection::vec(inner, 0..4);
        prop_oneof![
            steps.clone().prop_map(Step::Spawn),
            steps.clone().prop_map(Step::Shielded),
            steps.prop_map(Step::Scope)
        ]
    });
    prop::collection::vec(step, 0..10)
}

/// State shared by all routines of a run. Events are recorded in the inputs of activities, so that they are compared.
#[derive(Default)]
struct World {
    signals: State<u32>,
    trace: State<String>,
}

impl World {
    fn note(&self, what: &str) {
        self.trace.update(|trace| {
            trace.push_str(what);
            trace.push(' ');
        });
    }
}

/// Interprets the program it is started with. Signals bring other programs.
#[workflow(name = "wf")]
#[derive(Default)]
pub(super) struct Interpreter {
    world: Rc<World>,
}

#[workflow_methods]
impl Interpreter {
    #[run]
    pub(super) async fn run(&self, ctx: &WorkflowContext, program: Vec<Step>) -> Result<String, WorkflowError> {
        match interpret(self.world.clone(), ctx.clone(), program).await {
            None | Some(End::Complete) => Ok(self.world.trace.get()),
            Some(End::Fail) => Err(ApplicationFailure::new(self.world.trace.get()).into()),
            Some(End::Cancelled) => Err(ctx.cancelled().await.into()),
            Some(End::ContinueAsNew) => ctx.continue_as_new(Self::run, Vec::new()).into(),
        }
    }

    #[query]
    fn trace(&self) -> String {
        self.world.trace.get()
    }

    /// Rejected if its program begins with its end.
    #[update]
    async fn change(&self, ctx: &WorkflowContext, program: Vec<Step>) -> Result<u32, WorkflowError> {
        self.world.signals.update(|signals| *signals += 1);
        match interpret(self.world.clone(), ctx.clone(), program).await {
            Some(End::Fail) => Err(ApplicationFailure::new("a handler failed").into()),
            _ => Ok(self.world.trace.with(String::len) as u32),
        }
    }

    #[update_validator(change)]
    fn may_change(&self, program: &[Step]) -> Result<(), WorkflowError> {
        match program.first() {
            Some(Step::End(_)) => Err(ApplicationFailure::new("nothing to do").into()),
            _ => Ok(()),
        }
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext, program: Vec<Step>) -> Result<(), WorkflowError> {
        self.world.signals.update(|signals| *signals += 1);
        match interpret(self.world.clone(), ctx.clone(), program).await {
            Some(End::Fail) => Err(ApplicationFailure::new("a handler failed").into()),
            _ => Ok(()),
        }
    }
}

/// The payload from the server is a JSON number.
const PAY: NexusOperation<String, u32> = NexusOperation::new("service", "operation");

#[activity]
async fn work(trace: String) -> Result<u32, ActivityError> {
    Ok(trace.len() as u32)
}

#[workflow(name = "kid")]
async fn kid(_ctx: &WorkflowContext, trace: String) -> Result<u32, WorkflowError> {
    Ok(trace.len() as u32)
}

enum Held {
    Timer(TimerHandle),
    Activity(ActivityHandle<u32>),
    StartingChild(ChildWorkflowStart<KidWorkflow>),
    Child(ChildWorkflowHandle<KidWorkflow>),
    LocalActivity(LocalActivityHandle<WorkActivity>),
    StartingNexus(NexusOperationStart<u32>),
    Nexus(NexusOperationHandle<u32>),
}

impl Held {
    fn cancel(&self) {
        match self {
            Self::Timer(timer) => timer.cancel(),
            Self::Activity(activity) => activity.cancel(),
            Self::StartingChild(start) => start.cancel(),
            Self::Child(child) => child.cancel(),
            Self::LocalActivity(activity) => activity.cancel(),
            Self::StartingNexus(start) => start.cancel(),
            Self::Nexus(operation) => operation.cancel(),
        }
    }

    async fn outcome(&mut self) -> &'static str {
        if let Self::StartingChild(start) = self {
            match start.await {
                Ok(child) => *self = Self::Child(child),
                Err(error) if error.is_cancelled() => return "start-cancelled",
                Err(_) => return "not-started",
            }
        }
        if let Self::StartingNexus(start) = self {
            match start.await {
                Ok(operation) => *self = Self::Nexus(operation),
                Err(error) if error.is_cancelled() => return "nexus-start-cancelled",
                Err(_) => return "nexus-not-started",
            }
        }
        match self {
            Self::StartingChild(_) | Self::StartingNexus(_) => unreachable!("it has started"),
            Self::LocalActivity(activity) => match activity.await {
                Ok(_) => "locally-completed",
                Err(error) if error.is_cancelled() => "local-cancelled",
                Err(_) => "locally-failed",
            },
            Self::Nexus(operation) => match operation.await {
                Ok(_) => "nexus-completed",
                Err(error) if error.is_cancelled() => "nexus-cancelled",
                Err(_) => "nexus-failed",
            },
            Self::Child(child) => match child.await {
                Ok(_) => "child-completed",
                Err(error) if error.is_cancelled() => "child-cancelled",
                Err(_) => "child-failed",
            },
            Self::Timer(timer) => {
                if timer.await.is_ok() {
                    "fired"
                } else {
                    "timer-cancelled"
                }
            }
            Self::Activity(activity) => match activity.await {
                Ok(_) => "completed",
                Err(error) if error.is_cancelled() => "activity-cancelled",
                Err(error) if error.timeout_type().is_some() => "timed-out",
                Err(_) => "failed",
            },
        }
    }
}

type Interpreted = Pin<Box<dyn Future<Output = Option<End>>>>;

/// Interprets one routine's steps.
fn interpret(world: Rc<World>, ctx: WorkflowContext, steps: Vec<Step>) -> Interpreted {
    Box::pin(async move {
        let mut held: Vec<Held> = Vec::new();
        let mut scopes: Vec<CancellationScope> = Vec::new();
        for step in steps {
            match step {
                Step::StartTimer => held.push(Held::Timer(ctx.timer(secs(9)).start())),
                Step::StartActivity(cancellation) => held.push(start_activity(&world, &ctx, cancellation)),
                Step::StartChild(cancellation) => held.push(start_child(&world, &ctx, cancellation)),
                Step::StartLocalActivity(cancellation) => {
                    held.push(start_local_activity(&world, &ctx, cancellation));
                }
                Step::StartNexusOperation(cancellation) => {
                    held.push(start_nexus_operation(&world, &ctx, cancellation));
                }
                Step::Patch { number, deprecated } => patch(&world, &ctx, number, deprecated),
                Step::Version { number } => {
                    world.note(&format!("v{}", ctx.version(&format!("change-{number}"), DEFAULT_VERSION, 2)));
                }
                Step::SideEffect { mutable } => side_effect(&world, &ctx, mutable),
                Step::Upsert { memo } => upsert(&world, &ctx, memo),
                Step::Look => world.note(&format!("{:?}-{}", ctx.now(), ctx.random::<u32>())),
                Step::Await(n) if !held.is_empty() => {
                    let mut one = held.remove(n % held.len());
                    world.note(one.outcome().await);
                }
                Step::Cancel(n) if !held.is_empty() => held[n % held.len()].cancel(),
                Step::Drop(n) if !held.is_empty() => drop(held.remove(n % held.len())),
                Step::JoinAll => {
                    let mut all: FuturesUnordered<_> =
                        held.drain(..).map(|mut one| async move { one.outcome().await }).collect();
                    while let Some(outcome) = all.next().await {
                        world.note(outcome);
                    }
                }
                Step::Select if !held.is_empty() => {
                    let (outcome, index, rest) = select_all(held.iter_mut().map(|one| Box::pin(one.outcome()))).await;
                    drop(rest);
                    drop(held.remove(index));
                    world.note(outcome);
                }
                Step::WaitForSignals { count, timeout } => wait_for_signals(&world, &ctx, count, timeout).await,
                Step::Spawn(steps) => drop(ctx.spawn(interpret(world.clone(), ctx.clone(), steps))),
                Step::Shielded(steps) => {
                    if let Some(end) = ctx.shielded(interpret(world.clone(), ctx.clone(), steps)).await {
                        return Some(end);
                    }
                }
                Step::Scope(steps) => {
                    let scope = ctx.cancellation_scope();
                    drop(ctx.spawn(scope.run(interpret(world.clone(), ctx.clone(), steps))));
                    scopes.push(scope);
                }
                Step::CancelScope(n) if !scopes.is_empty() => scopes[n % scopes.len()].cancel_with_reason("enough"),
                Step::End(end) => return Some(end),
                // Nothing to select from.
                _ => {}
            }
        }
        None
    })
}

fn start_activity(world: &World, ctx: &WorkflowContext, cancellation: Cancellation) -> Held {
    let cancellation_type = match cancellation {
        Cancellation::TryCancel => ActivityCancellationType::TryCancel,
        Cancellation::WaitCancellationCompleted => ActivityCancellationType::WaitCancellationCompleted,
        Cancellation::Abandon => ActivityCancellationType::Abandon,
    };
    let call = ctx.activity(work, world.trace.get()).start_to_close_timeout(secs(5));
    Held::Activity(call.cancellation_type(cancellation_type).start())
}

fn start_child(world: &World, ctx: &WorkflowContext, cancellation: Cancellation) -> Held {
    let cancellation_type = match cancellation {
        Cancellation::TryCancel => ChildWorkflowCancellationType::TryCancel,
        Cancellation::WaitCancellationCompleted => ChildWorkflowCancellationType::WaitCancellationCompleted,
        Cancellation::Abandon => ChildWorkflowCancellationType::Abandon,
    };
    Held::StartingChild(ctx.child_workflow(kid, world.trace.get()).cancellation_type(cancellation_type).start())
}

fn start_local_activity(world: &World, ctx: &WorkflowContext, cancellation: Cancellation) -> Held {
    let cancellation_type = match cancellation {
        Cancellation::TryCancel => ActivityCancellationType::TryCancel,
        Cancellation::WaitCancellationCompleted => ActivityCancellationType::WaitCancellationCompleted,
        Cancellation::Abandon => ActivityCancellationType::Abandon,
    };
    let call = ctx.local_activity(work, world.trace.get()).start_to_close_timeout(secs(5));
    Held::LocalActivity(call.cancellation_type(cancellation_type).start())
}

fn start_nexus_operation(world: &World, ctx: &WorkflowContext, cancellation: Cancellation) -> Held {
    let cancellation_type = match cancellation {
        Cancellation::TryCancel => NexusOperationCancellationType::TryCancel,
        Cancellation::WaitCancellationCompleted => NexusOperationCancellationType::WaitCancellationCompleted,
        Cancellation::Abandon => NexusOperationCancellationType::Abandon,
    };
    let call = ctx.nexus_operation("endpoint", PAY, world.trace.get());
    Held::StartingNexus(call.cancellation_type(cancellation_type).start())
}

fn patch(world: &World, ctx: &WorkflowContext, number: u8, deprecated: bool) {
    let id = format!("patch-{number}");
    if deprecated {
        ctx.deprecate_patch(&id);
    } else if ctx.patched(&id) {
        world.note(&id);
    }
}

/// The value depends on what the code did before, so that a live run and a rebuilt one compute the same.
fn side_effect(world: &World, ctx: &WorkflowContext, mutable: bool) {
    let replaying = ctx.is_replaying();
    let compute = || {
        assert!(!replaying, "a replay computes no value");
        world.trace.with(String::len)
    };
    let value = match mutable {
        // Not every step changes the value.
        true => ctx.mutable_side_effect("setting", || compute() / 40),
        false => ctx.side_effect(compute),
    };
    world.note(&format!("s{value}"));
}

fn upsert(world: &World, ctx: &WorkflowContext, memo: bool) {
    if memo {
        ctx.upsert_memo(MemoUpdate::new().set("trace", &world.trace.get()));
    } else {
        ctx.upsert_search_attributes([SearchAttributeKey::keyword("Trace").set(world.trace.get())]);
    }
}

async fn wait_for_signals(world: &World, ctx: &WorkflowContext, count: u32, timeout: bool) {
    let wait = ctx.wait_until(|| world.signals.get() >= count);
    let outcome = match timeout {
        true => wait.timeout(secs(7)).await,
        false => wait.await.map(|()| true),
    };
    world.note(match outcome {
        Ok(true) => "met",
        Ok(false) => "not-met",
        Err(_) => "wait-cancelled",
    });
}
