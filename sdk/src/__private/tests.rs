//! The macros' output, driven as the runtime drives it: payloads in, payloads out.

use std::rc::Rc;

use abide::prelude::*;
use futures_util::FutureExt as _;

use super::*;
use crate::converter::from_payload;
use crate::replay::flags::Flags;
use crate::replay::state_machines::StateMachines;
use crate::workflow::run_state::RunState;

#[workflow]
async fn subtract(_ctx: &WorkflowContext, from: i64, what: i64) -> Result<i64, WorkflowError> {
    if what > from {
        return Err(ApplicationFailure::new("below zero").into());
    }
    Ok(from - what)
}

#[workflow]
#[derive(Default)]
struct Player {
    health: State<u32>,
    names: State<Vec<String>>,
}

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self, _ctx: &WorkflowContext, health: u32) -> Result<u32, WorkflowError> {
        self.health.set(health);
        self.hit(1);
        Ok(self.health())
    }

    #[signal]
    fn hit(&self, damage: u32) {
        self.health.update(|health| *health -= damage);
    }

    #[signal(name = "call")]
    async fn name(&self, _ctx: &WorkflowContext, first: String, last: Option<String>) {
        self.names.update(|names| names.push(format!("{first} {}", last.unwrap_or_default())));
    }

    #[signal]
    fn refuse(&self) -> Result<(), WorkflowError> {
        Err(ApplicationFailure::new("refused").into())
    }

    #[query]
    fn health(&self) -> u32 {
        self.health.get()
    }

    #[query]
    fn name_at(&self, index: usize) -> Result<String, WorkflowError> {
        let name = self.names.with(|names| names.get(index).cloned());
        name.ok_or_else(|| ApplicationFailure::new("nobody there").into())
    }
}

#[workflow]
struct Greeter {
    greeting: String,
}

#[workflow_methods]
impl Greeter {
    #[init]
    fn new(name: String) -> Self {
        Self { greeting: format!("Hello, {name}!") }
    }

    #[run]
    async fn run(&self, _name: String) -> Result<String, WorkflowError> {
        Ok(self.greeting.clone())
    }
}

fn context() -> WorkflowContext {
    let machines = StateMachines::new(Flags::new(true));
    let waker = std::task::Waker::noop().clone();
    WorkflowContext::new(RunState::new(
        machines,
        "test".into(),
        waker,
        Default::default(),
        Default::default(),
        (None, None),
    ))
}

fn payloads<A: Arguments>(_: A, args: &A::Args) -> Vec<Payload> {
    let mut writer = PayloadWriter::new();
    A::write_args(args, &mut writer).unwrap();
    writer.finish().map(|payloads| payloads.payloads).unwrap_or_default()
}

fn instance<W: WorkflowImplementation>(workflow: W, args: &W::Args) -> Rc<dyn WorkflowInstance> {
    let input = payloads(workflow.clone(), args);
    workflow.instantiate(&context(), &mut PayloadReader::new(&input)).unwrap()
}

/// Runs a workflow that completes without waiting.
fn run<W: WorkflowImplementation>(workflow: W, args: &W::Args) -> Result<W::Output, WorkflowError> {
    let input = payloads(workflow.clone(), args);
    let main = instance(workflow, args).start_main_routine(context(), &mut PayloadReader::new(&input)).unwrap();
    let output = main.now_or_never().expect("it waits for nothing")?;
    Ok(from_payload(&output).unwrap())
}

fn signal(instance: &Rc<dyn WorkflowInstance>, name: &str, input: &[Payload]) -> SignalDispatch {
    instance.clone().signal(context(), name, &mut PayloadReader::new(input))
}

fn query<Q: QueryDefinition>(
    instance: &Rc<dyn WorkflowInstance>,
    query: Q,
    args: &Q::Args,
) -> Result<Q::Output, WorkflowError> {
    let name = query.name();
    let input = payloads(query, args);
    let answer = instance.query(&context(), &name, &mut PayloadReader::new(&input));
    Ok(from_payload(&answer.expect("the query is known")?).unwrap())
}

#[test]
fn arguments_travel_as_one_payload_each() {
    assert_eq!(payloads(Player::health, &()), []);
    assert_eq!(payloads(Player::hit, &7), [to_payload(&7).unwrap()]);
    assert_eq!(payloads(SubtractWorkflow {}, &(5, 3)), [to_payload(&5).unwrap(), to_payload(&3).unwrap()]);
}

#[test]
fn a_function_runs_with_its_arguments_and_returns_its_result() {
    assert_eq!(run(SubtractWorkflow {}, &(5, 3)).unwrap(), 2);
    assert_eq!(run(SubtractWorkflow {}, &(3, 5)).unwrap_err().to_string(), "below zero");
    assert_eq!(subtract(&context(), 5, 3).now_or_never().unwrap().unwrap(), 2);
}

#[test]
fn a_struct_begins_with_its_default_and_methods_call_each_other() {
    assert_eq!(run(Player::run, &10).unwrap(), 9);
}

#[test]
fn a_struct_with_an_init_constructor_begins_with_the_arguments() {
    assert_eq!(run(Greeter::run, &"Ada".to_string()).unwrap(), "Hello, Ada!");
}

#[test]
fn arguments_that_do_not_fit_are_told_before_the_code_runs() {
    let text =
        |result: Result<RoutineFuture<Payload>, PayloadError>| result.err().expect("it does not fit").to_string();
    let start =
        |input: &[Payload]| Rc::new(SubtractWorkflow {}).start_main_routine(context(), &mut PayloadReader::new(input));
    let number = to_payload(&1).unwrap();
    assert!(text(start(std::slice::from_ref(&number))).starts_with("argument 2 is missing"));
    assert!(text(start(&[number, to_payload(&"x").unwrap()])).starts_with("argument 2: expected `i64`"));
}

#[test]
fn payloads_beyond_the_arguments_are_ignored() {
    let number = to_payload(&1).unwrap();
    let three = [number.clone(), number.clone(), number];
    let mut main = Rc::new(SubtractWorkflow {}).start_main_routine(context(), &mut PayloadReader::new(&three)).unwrap();
    assert!(matches!(main.as_mut().now_or_never(), Some(Ok(_))));
    let player = instance(Player::run, &0);
    let answer = player.query(&context(), "health", &mut PayloadReader::new(&three)).expect("it is known");
    assert_eq!(from_payload::<u32>(&answer.unwrap()).unwrap(), 0);
}

#[test]
fn a_signal_runs_its_handler_on_the_state() {
    let player = instance(Player::run, &0);
    player
        .clone()
        .start_main_routine(context(), &mut PayloadReader::new(&payloads(Player::run, &10)))
        .unwrap()
        .now_or_never();
    assert!(matches!(signal(&player, "hit", &payloads(Player::hit, &4)), SignalDispatch::Done(Ok(()))));
    assert_eq!(query(&player, Player::health, &()).unwrap(), 5);
}

#[test]
fn an_async_signal_handler_is_handed_back_to_run() {
    let player = instance(Player::run, &0);
    let input = payloads(Player::name, &("Ada".to_string(), Some("Lovelace".to_string())));
    let SignalDispatch::Running(handler) = signal(&player, "call", &input) else { panic!("it is async") };
    assert_eq!(query(&player, Player::name_at, &0).unwrap_err().to_string(), "nobody there");
    handler.now_or_never().unwrap().unwrap();
    assert_eq!(query(&player, Player::name_at, &0).unwrap(), "Ada Lovelace");
}

#[test]
fn a_signal_that_is_refused_unknown_or_undecodable_says_so() {
    let player = instance(Player::run, &0);
    let SignalDispatch::Done(Err(error)) = signal(&player, "refuse", &[]) else { panic!("it refuses") };
    assert_eq!(error.to_string(), "refused");
    // The method's name is not the signal's.
    assert!(matches!(signal(&player, "name", &[]), SignalDispatch::Unknown));
    let SignalDispatch::Undecodable(error) = signal(&player, "hit", &[]) else { panic!("an argument is missing") };
    assert!(error.to_string().starts_with("argument 1 is missing"), "{error}");
    assert!(matches!(signal(&instance(SubtractWorkflow {}, &(1, 1)), "hit", &[]), SignalDispatch::Unknown));
}

#[test]
fn a_query_that_is_unknown_or_undecodable_says_so() {
    let player = instance(Player::run, &0);
    assert!(player.query(&context(), "hit", &mut PayloadReader::new(&[])).is_none());
    let answer = player.query(&context(), "name_at", &mut PayloadReader::new(&[])).expect("it is known");
    let text = answer.unwrap_err().to_string();
    assert!(
        text.starts_with("the arguments of query `name_at` do not fit its handler: argument 1 is missing"),
        "{text}"
    );
}

#[test]
fn handlers_are_listed_by_their_names_on_the_wire() {
    let player = instance(Player::run, &0);
    let shown: Vec<_> =
        player.handlers().iter().map(|handler| format!("{:?} {}", handler.kind, handler.name)).collect();
    assert_eq!(shown, ["Signal hit", "Signal call", "Signal refuse", "Query health", "Query name_at"]);
}
