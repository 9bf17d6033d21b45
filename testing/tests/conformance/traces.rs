//! OpenTelemetry: one trace leads from the client's call to everything that follows from it, and each span appears once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use abide::client::{Schedule, ScheduleAction, ScheduleOverlapPolicy};
use abide::otel::{ReplaySafeIdGenerator, Tracing, in_span};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{NexusContext, NexusError, NexusStart};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, SpanId, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio::task::JoinSet;

use crate::arm::{Arm, Outcome, compare, until, until_event};
use crate::nexus_endpoint::create_endpoint;

#[activity(start_to_close_timeout = secs(10))]
async fn charge(ctx: &ActivityContext, cents: u64) -> Result<u64, ActivityError> {
    if ctx.info().attempt == 1 {
        return Err(ApplicationFailure::new("the bank is closed").into());
    }
    Ok(cents)
}

#[activity(start_to_close_timeout = secs(10))]
async fn greet(name: String) -> Result<String, ActivityError> {
    Ok(format!("hello {name}"))
}

#[workflow]
async fn pack(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(greet, "packer".into()).await?;
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Order {
    sealed: State<bool>,
    shipped: State<bool>,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, round: u32) -> Result<u32, WorkflowError> {
        if round == 2 {
            return Ok(round);
        }
        let policy = RetryPolicy::new().initial_interval(millis(10));
        ctx.activity(charge, 100).retry_policy(policy).await?;
        ctx.local_activity(greet, "ada".into()).await?;
        let packed = in_span(ctx, "pack both", async {
            let id = |number| format!("{}-{number}", ctx.info().workflow_id);
            ctx.child_workflow(pack, ()).id(id(1)).await?;
            ctx.child_workflow(pack, ()).id(id(2)).await
        });
        packed.await?;
        ctx.wait_until(|| self.sealed.get() && self.shipped.get()).await?;
        ctx.continue_as_new(Self::run, 2).into()
    }

    #[signal]
    async fn seal(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(greet, "sealer".into()).await?;
        self.sealed.set(true);
        Ok(())
    }

    #[update]
    async fn ship(&self, ctx: &WorkflowContext, to: String) -> Result<String, WorkflowError> {
        let greeting = ctx.activity(greet, to).await?;
        self.shipped.set(true);
        Ok(greeting)
    }

    #[update_validator(ship)]
    fn check_address(&self, to: &str) -> Result<(), WorkflowError> {
        if to.is_empty() { Err("there is no address".into()) } else { Ok(()) }
    }

    #[query]
    fn is_sealed(&self) -> bool {
        self.sealed.get()
    }
}

/// The spans as trees, one line for each, children sorted by name.
fn trees(spans: &[SpanData]) -> String {
    let place = |(at, span): (usize, &SpanData)| (span.span_context.span_id().to_bytes(), at);
    let ids: BTreeMap<[u8; 8], usize> = spans.iter().enumerate().map(place).collect();
    assert_eq!(ids.len(), spans.len(), "each span appears once");
    let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (at, span) in spans.iter().enumerate() {
        let parent = ids.get(&span.parent_span_id.to_bytes()).copied();
        assert!(parent.is_some() || span.parent_span_id == SpanId::INVALID, "`{}` has lost its parent", span.name);
        if let Some(parent) = parent {
            assert_eq!(spans[parent].span_context.trace_id(), span.span_context.trace_id());
        }
        below.entry(parent).or_default().push(at);
    }
    let mut text = String::new();
    write_below(&mut text, spans, &below, None, 0);
    text
}

fn write_below(
    text: &mut String,
    spans: &[SpanData],
    below: &BTreeMap<Option<usize>, Vec<usize>>,
    of: Option<usize>,
    depth: usize,
) {
    let mut lines: Vec<String> = Vec::new();
    for &at in below.get(&of).into_iter().flatten() {
        let error = match &spans[at].status {
            Status::Error { description } => format!("  ({description})"),
            Status::Ok | Status::Unset => String::new(),
        };
        let mut line = format!("{}{}{error}\n", "  ".repeat(depth), spans[at].name);
        write_below(&mut line, spans, below, Some(at), depth + 1);
        lines.push(line);
    }
    lines.sort();
    let _ = write!(text, "{}", lines.concat());
}

const TREES: &str = "\
checkout
  QueryWorkflow:is_sealed
    HandleQuery:is_sealed
  SignalWorkflow:seal
    HandleSignal:seal
      StartActivity:greet
        RunActivity:greet
  StartWorkflow:Order
    RunWorkflow:Order
      ContinueAsNew:Order
        RunWorkflow:Order
      StartActivity:charge
        RunActivity:charge
        RunActivity:charge  (the bank is closed)
      StartLocalActivity:greet
        RunActivity:greet
      pack both
        StartChildWorkflow:pack
          RunWorkflow:pack
            StartActivity:greet
              RunActivity:greet
        StartChildWorkflow:pack
          RunWorkflow:pack
            StartActivity:greet
              RunActivity:greet
  StartWorkflowUpdate:ship
    HandleUpdate:ship
      StartActivity:greet
        RunActivity:greet
    ValidateUpdate:ship
  StartWorkflowUpdate:ship
    ValidateUpdate:ship  (there is no address)
";

#[tokio::test]
async fn one_trace_leads_from_the_client_to_everything_that_follows() -> Outcome {
    for cached in [1000, 0] {
        compare("traces", move |arm| async move {
            let exporter = InMemorySpanExporter::default();
            let provider = provider_of(&exporter);
            let options = ClientOptions::new(arm.address()).plugin(Tracing::new(&provider));
            let client = Client::connect(options).await?;
            let worker = Worker::builder(&client, arm.queue()).workflow(Order::run).workflow(pack);
            let worker = worker.activities(charge).activities(greet).max_cached_workflows(cached).build()?;
            let body = async {
                let order = client.start(Order::run, 1).id(arm.id()).task_queue(arm.queue()).await?;
                order.signal(Order::seal, ()).await?;
                order.update(Order::ship, String::new()).await.unwrap_err();
                assert_eq!(order.update(Order::ship, "bob".into()).await?, "hello bob");
                order.query(Order::is_sealed, ()).await?;
                order.result().await?;
                Ok::<_, Box<dyn std::error::Error>>(())
            };
            // All that the program does in this span is below it.
            let checkout = Context::current_with_span(provider.tracer("shop").start("checkout"));
            worker.run_until(body.with_context(checkout.clone())).await??;
            checkout.span().end();
            assert_eq!(trees(&exporter.get_finished_spans()?), TREES, "cached: {cached}");
            Ok(Vec::new())
        })
        .await?;
    }
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Parcel {
    sealed: State<bool>,
}

#[workflow_methods]
impl Parcel {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let wrapped = in_span(ctx, "wrap", async {
            ctx.activity(greet, "before".into()).await?;
            ctx.wait_until(|| self.sealed.get()).await?;
            ctx.activity(greet, "after".into()).await?;
            Ok::<_, WorkflowError>(())
        });
        wrapped.await
    }

    #[signal]
    fn seal(&self) {
        self.sealed.set(true);
    }
}

const PARCEL: &str = "\
SignalWorkflow:seal
  HandleSignal:seal
StartWorkflow:Parcel
  RunWorkflow:Parcel
    wrap
      StartActivity:greet
        RunActivity:greet
      StartActivity:greet
        RunActivity:greet
";

fn provider_of(exporter: &InMemorySpanExporter) -> SdkTracerProvider {
    let ids = ReplaySafeIdGenerator::default();
    SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).with_id_generator(ids).build()
}

/// A client and its worker, with a tracer of their own, as each process has one.
async fn traced(arm: &Arm, provider: &SdkTracerProvider) -> Result<(Client, Worker), Box<dyn std::error::Error>> {
    let client = Client::connect(ClientOptions::new(arm.address()).plugin(Tracing::new(provider))).await?;
    let worker = Worker::builder(&client, arm.queue()).workflow(Parcel::run).activities(greet);
    let worker = worker.sticky_queue_schedule_to_start_timeout(millis(200)).build()?;
    Ok((client, worker))
}

/// The spans that the dead worker has exported come from nobody else, and those that were open end at the next worker.
#[tokio::test]
async fn a_span_that_is_open_when_its_worker_dies_ends_at_the_next_worker() -> Outcome {
    compare("traces-death", move |arm| async move {
        let exporter = InMemorySpanExporter::default();
        let (first, second) = (provider_of(&exporter), provider_of(&exporter));
        let (client, worker) = traced(&arm, &first).await?;
        let mut dies = JoinSet::new();
        dies.spawn(worker.run());
        let parcel = client.start(Parcel::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        until_event(&parcel, "EVENT_TYPE_ACTIVITY_TASK_COMPLETED", 1).await?;
        until_event(&parcel, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
        dies.shutdown().await;
        parcel.signal(Parcel::seal, ()).await?;
        let (_, worker) = traced(&arm, &second).await?;
        worker.run_until(parcel.result()).await??;
        assert_eq!(trees(&exporter.get_finished_spans()?), PARCEL);
        Ok(Vec::new())
    })
    .await
}

#[abide::nexus_service]
trait Packing {
    fn wrap(item: String) -> String;
    fn keep(item: String) -> String;
}

struct Packer;

#[abide::nexus_handlers(implements = Packing)]
impl Packer {
    #[nexus_operation]
    async fn wrap(&self, item: String) -> Result<String, NexusError> {
        if item == "air" {
            Err(NexusError::bad_request("there is nothing to wrap"))
        } else {
            Ok(format!("wrapped {item}"))
        }
    }

    #[nexus_operation]
    async fn keep(&self, ctx: &NexusContext, item: String) -> Result<NexusStart<String>, NexusError> {
        ctx.start_workflow(keep, item.clone()).id(format!("{}-{item}", ctx.info().task_queue)).await
    }
}

#[workflow]
async fn keep(ctx: &WorkflowContext, item: String) -> Result<String, WorkflowError> {
    ctx.timer(days(1)).await?;
    Ok(item)
}

#[workflow]
async fn wraps(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let endpoint = ctx.info().task_queue.clone();
    ctx.nexus_operation(endpoint.clone(), Packing::wrap, "air".into()).await.expect_err("there is nothing");
    let kept = ctx.nexus_operation(endpoint.clone(), Packing::keep, "gift".into()).start().await?;
    kept.cancel();
    assert!(kept.await.is_err_and(|error| error.is_cancelled()));
    Ok(ctx.nexus_operation(endpoint, Packing::wrap, "gift".into()).await?)
}

const NEXUS_TREES: &str = "\
StartWorkflow:wraps
  RunWorkflow:wraps
    StartNexusOperation:Packing/keep
      RunCancelNexusOperationHandler:Packing/keep
      RunStartNexusOperationHandler:Packing/keep
        StartWorkflow:keep
          RunWorkflow:keep  (Cancelled)
    StartNexusOperation:Packing/wrap
      RunStartNexusOperationHandler:Packing/wrap
    StartNexusOperation:Packing/wrap
      RunStartNexusOperationHandler:Packing/wrap  (there is nothing to wrap (BAD_REQUEST))
";

#[tokio::test]
async fn a_trace_leads_through_nexus_to_the_workflow_behind_an_operation() -> Outcome {
    compare("nexus-traces", |arm| async move {
        create_endpoint(&arm).await?;
        let exporter = InMemorySpanExporter::default();
        let provider = provider_of(&exporter);
        let options = ClientOptions::new(arm.address()).plugin(Tracing::new(&provider));
        let client = Client::connect(options).await?;
        let worker = Worker::builder(&client, arm.queue()).workflow(wraps).workflow(keep).nexus_handlers(Packer);
        let body = async {
            let wrapped = client.execute(wraps, ()).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(wrapped, "wrapped gift");
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        worker.build()?.run_until(Box::pin(body)).await??;
        until("the last span has ended", || async { Ok(exporter.get_finished_spans()?.len() >= 11) }).await?;
        assert_eq!(trees(&exporter.get_finished_spans()?), NEXUS_TREES);
        Ok(Vec::new())
    })
    .await
}

/// On a real server only: the embedded one has no schedules.
#[tokio::test]
async fn a_trace_leads_from_the_creation_of_a_schedule_to_its_workflows() -> Outcome {
    let Ok(address) = std::env::var("ABIDE_TEST_SERVER") else {
        eprintln!("a_trace_leads_from_the_creation_of_a_schedule_to_its_workflows: not run, there is no real server");
        return Ok(());
    };
    let arm = Arm::connect(&address, "schedule-traces").await?;
    let exporter = InMemorySpanExporter::default();
    let provider = provider_of(&exporter);
    let client = Client::connect(ClientOptions::new(&address).plugin(Tracing::new(&provider))).await?;
    let worker = Worker::builder(&client, arm.queue()).workflow(pack).activities(greet).build()?;
    let body = async {
        let action = ScheduleAction::start_workflow(pack, ()).task_queue(arm.queue());
        let schedule = Schedule::new(action).overlap(ScheduleOverlapPolicy::BufferAll);
        let handle = client.create_schedule(arm.id(), schedule).trigger_immediately().await?;
        until("the workflow has started", || async { Ok(handle.describe().await?.info().action_count() == 1) }).await?;
        let described = handle.describe().await?;
        let action = described.info().recent_actions().remove(0);
        client.handle(pack, action.workflow_id).with_run_id(action.first_execution_run_id).result().await?;
        handle.delete().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(body).await??;
    let expected = "CreateSchedule:ID\n  RunWorkflow:pack\n    StartActivity:greet\n      RunActivity:greet\n";
    assert_eq!(trees(&exporter.get_finished_spans()?).replace(&arm.id(), "ID"), expected);
    Ok(())
}
