//! The log of workflow and activity code: it has each line once, with the fields that say whose it is.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, info};

use super::Outcome;

const QUEUE: &str = "parcels";

#[activity(start_to_close_timeout = mins(1))]
async fn weigh(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    info!("weighing");
    tokio::task::yield_now().await;
    if ctx.info().attempt == 1 {
        info!("the scales are not level");
        return Err(ApplicationFailure::new("not level").into());
    }
    Ok(1500)
}

#[activity(start_to_close_timeout = mins(1))]
async fn print_label() -> Result<(), ActivityError> {
    info!("printing");
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Parcel {
    house: State<u32>,
    delivered: State<bool>,
}

#[workflow_methods]
impl Parcel {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        info!("begins");
        let grams = ctx.activity(weigh, ()).await?;
        info!("weighs {grams} g");
        ctx.local_activity(print_label, ()).await?;
        info!("has a label");
        let of_branch = ctx.clone();
        let branch = ctx.spawn(async move {
            info!("a branch begins");
            let slept = of_branch.timer(hours(1)).await;
            info!("a branch ends");
            slept
        });
        branch.await?;
        ctx.wait_until(|| self.delivered.get()).await?;
        info!("ends");
        Ok(())
    }

    #[signal]
    fn deliver(&self) {
        info!("is delivered");
        self.delivered.set(true);
    }

    #[update]
    async fn readdress(&self, ctx: &WorkflowContext, house: u32) -> Result<(), WorkflowError> {
        info!("is on its way to a new address");
        ctx.timer(mins(5)).await?;
        self.house.set(house);
        info!("has a new address");
        Ok(())
    }

    #[update_validator(readdress)]
    fn check_address(&self, house: &u32) -> Result<(), WorkflowError> {
        info!("checks a new address");
        if *house == 0 { Err("no house has this number".into()) } else { Ok(()) }
    }

    #[query]
    fn house(&self) -> u32 {
        info!("is asked");
        self.house.get()
    }
}

#[tokio::test]
async fn each_line_is_logged_once_with_the_workflow_that_it_belongs_to() -> Outcome {
    let log = Log::of_process();
    for cached in [0, 10] {
        let env = TestWorkflowEnvironment::start().await?;
        let worker = env.worker(QUEUE).workflow(Parcel::run).activities(weigh).activities(print_label);
        // Without a cache, each workflow task replays the run from its beginning.
        let worker = worker.options(|worker| worker.max_cached_workflows(cached));
        let id = format!("parcel-{cached}");
        let story = async {
            let parcel = env.client().start(Parcel::run, ()).id(&id).task_queue(QUEUE).await?;
            parcel.update(Parcel::readdress, 7).await?;
            assert_eq!(parcel.query(Parcel::house, ()).await?, 7);
            parcel.signal(Parcel::deliver, ()).await?;
            parcel.result().await?;
            let run_id = parcel.run_id().unwrap_or_default().to_owned();
            Ok::<_, Box<dyn std::error::Error>>(run_id)
        };
        let run_id = env.run(worker, story).await?;
        drop(env);

        let ids = format!("workflow_type=\"Parcel\" workflow_id={id:?} run_id={run_id:?}");
        let place = format!("namespace=\"default\" task_queue={QUEUE:?}");
        let mut expected = Vec::new();
        for message in [
            "begins",
            "weighs 1500 g",
            "has a label",
            "a branch begins",
            "a branch ends",
            "checks a new address",
            "is on its way to a new address",
            "has a new address",
            "is asked",
            "is delivered",
            "ends",
        ] {
            expected.push(format!("abide::workflow workflow{{{place} {ids} attempt=1}}: {message}"));
        }
        for (activity, activity_id, attempt, message) in [
            ("weigh", "1", 1, "weighing"),
            ("weigh", "1", 1, "the scales are not level"),
            ("weigh", "1", 2, "weighing"),
            ("print_label", "2", 1, "printing"),
        ] {
            let which = format!("activity_type={activity:?} activity_id={activity_id:?} attempt={attempt}");
            expected.push(format!("abide::activity activity{{{place} {which} {ids}}}: {message}"));
        }
        let mut lines = log.lines_with(&id);
        lines.sort();
        expected.sort();
        assert_eq!(lines, expected, "cached: {cached}");
    }
    Ok(())
}

/// Its line runs for the first time in a replay, as after a restart of the worker.
#[workflow]
async fn begins_with_a_replay(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    for round in 1..=2 {
        if ctx.is_replaying() || round == 2 {
            info!("round {round}");
        }
        ctx.timer(secs(1)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_line_that_is_replayed_before_it_is_ever_logged_is_not_lost() -> Outcome {
    let log = Log::of_process();
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker(QUEUE).workflow(begins_with_a_replay).options(|worker| worker.max_cached_workflows(0));
    env.run(worker, env.client().execute(begins_with_a_replay, ()).id("restarted").task_queue(QUEUE)).await?;
    let lines = log.lines_with("workflow_id=\"restarted\"");
    let [line] = &*lines else { panic!("{lines:#?}") };
    assert!(line.ends_with(": round 2"), "{line}");
    Ok(())
}

/// The log of the code of this file, on all threads: workflow code runs on threads of the worker.
#[derive(Default)]
struct Log(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lines: Vec<String>,
    /// All spans as text; an id is an index, from 1.
    spans: Vec<String>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

impl Log {
    fn of_process() -> &'static Self {
        static LOG: OnceLock<&'static Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log: &Self = Box::leak(Box::default());
            tracing::subscriber::set_global_default(ToLog(log)).expect("this is the only subscriber of the process");
            log
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines_with(&self, text: &str) -> Vec<String> {
        self.kept().lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

struct ToLog(&'static Log);

impl Subscriber for ToLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        [module_path!(), "abide::workflow", "abide::activity"].contains(&metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let metadata = span.metadata();
        let spans = &mut self.0.kept().spans;
        spans.push(format!("{} {}{{{}}}", metadata.target(), metadata.name(), fields.0.join(" ")));
        Id::from_u64(spans.len() as u64)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut kept = self.0.kept();
        let span_of = |id: &Id| usize::try_from(id.into_u64()).ok().and_then(|id| kept.spans.get(id - 1)).cloned();
        let mut line: Vec<String> = ENTERED.with_borrow(|entered| entered.iter().filter_map(span_of).collect());
        line.extend(fields.0);
        kept.lines.push(line.join(": "));
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.clone()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

/// Fields as texts; a message has no name.
#[derive(Default)]
struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push(match field.name() {
            "message" => format!("{value:?}"),
            name => format!("{name}={value:?}"),
        });
    }
}
