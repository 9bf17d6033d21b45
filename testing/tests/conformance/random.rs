//! Random numbers: their sequences belong to the run, are the same on every replay, and differ after a reset.
//!
//! The numbers differ between servers, so they are kept out of the histories and returned by queries.

use abide::client::WorkflowHandle;
use abide::prelude::*;
use abide::{WorkflowDefinition, WorkflowReplayer};

use crate::arm::{Histories, Outcome, compare, until_event};

/// The values drawn at one time; the text is a UUID.
type Draw = (Seed, Numbers, String);
type Seed = u64;

/// From the run's own source and from two named ones.
type Numbers = [u64; 3];

/// Draws at its start and whenever it is told.
#[workflow]
#[derive(Default)]
struct Gambler {
    draws: State<Vec<Draw>>,
    enough: State<bool>,
}

#[workflow_methods]
impl Gambler {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        self.draw(ctx);
        ctx.wait_until(|| self.enough.get()).await?;
        Ok(())
    }

    #[signal]
    fn again(&self, ctx: &WorkflowContext) {
        self.draw(ctx);
    }

    #[signal]
    fn stop(&self) {
        self.enough.set(true);
    }

    #[query]
    fn draws(&self) -> Vec<Draw> {
        self.draws.get()
    }
}

impl Gambler {
    fn draw(&self, ctx: &WorkflowContext) {
        let numbers = [ctx.random(), ctx.random_stream("audit").random(), ctx.random_stream("other").random()];
        let draw = (ctx.random_seed(), numbers, ctx.uuid4());
        self.draws.update(|draws| draws.push(draw));
    }
}

async fn draws<W: WorkflowDefinition<Workflow = Gambler>>(
    handle: &WorkflowHandle<W>,
) -> Result<Vec<Draw>, Box<dyn std::error::Error>> {
    Ok(handle.query(Gambler::draws, ()).await?)
}

/// Checks that all values differ, and that each has its type's form.
fn check(draws: &[Draw]) {
    let mut numbers: Vec<u64> = draws.iter().flat_map(|(_, numbers, _)| *numbers).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), draws.len() * 3, "a number came twice: {draws:?}");
    for (at, (_, _, uuid)) in draws.iter().enumerate() {
        let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!((groups, uuid.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'4'), "{uuid}");
        assert!(draws[..at].iter().all(|(_, _, other)| other != uuid), "a UUID came twice: {draws:?}");
    }
}

#[tokio::test]
async fn b021_numbers_ids_and_streams_are_those_of_the_first_time() -> Outcome {
    compare("random", |arm| async move {
        let handle = arm.client.start(Gambler::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        // The first worker caches the run; the second one replays it for each task and query.
        let kept = arm.worker().workflow(Gambler::run).build()?;
        let first = kept
            .run_until(async {
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                handle.signal(Gambler::again, ()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                draws(&handle).await
            })
            .await??;
        check(&first);
        assert_eq!((first.len(), first[0].0), (2, first[1].0));
        let forgetful = arm.worker().workflow(Gambler::run).max_cached_workflows(0).build()?;
        let history = forgetful
            .run_until(async {
                assert_eq!(draws(&handle).await?, first);
                handle.signal(Gambler::stop, ()).await?;
                handle.result().await?;
                assert_eq!(draws(&handle).await?, first);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn b021_b116_a_reset_has_a_seed_of_its_own_from_where_it_begins() -> Outcome {
    compare("random-reset", |arm| async move {
        let worker = arm.worker().workflow(Gambler::run).build()?;
        let handle = arm.client.start(Gambler::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        let (before, after) = worker
            .run_until(async {
                for task in 1..=3 {
                    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", task).await?;
                    if task < 3 {
                        handle.signal(Gambler::again, ()).await?;
                    }
                }
                let before = draws(&handle).await?;
                // Resets to the end of the second task, which is run again after the first one's replay.
                arm.reset(handle.run_id().unwrap_or_default(), 8).await?;
                // The current run, which is the new one; it includes the second signal.
                let handle = arm.client.handle(Gambler::run, arm.id());
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                Ok::<_, Box<dyn std::error::Error>>((before, draws(&handle).await?))
            })
            .await??;
        check(&after);
        // Values drawn before the reset point stay; later ones use another seed.
        assert_eq!((before.len(), after.len()), (3, 3));
        assert_eq!(before[0], after[0]);
        let seeds = |draws: &[Draw]| draws.iter().map(|draw| draw.0).collect::<Vec<_>>();
        assert_eq!(seeds(&before), [before[0].0; 3]);
        assert_eq!(seeds(&after), [before[0].0, after[1].0, after[1].0]);
        assert_ne!(before[1].0, after[1].0, "the seeds");
        check(&[&before[..], &after[1..]].concat());
        let forgetful = arm.worker().workflow(Gambler::run).max_cached_workflows(0).build()?;
        let history: Histories = forgetful
            .run_until(async {
                let handle = arm.client.handle(Gambler::run, arm.id());
                assert_eq!(draws(&handle).await?, after, "replay agrees");
                handle.signal(Gambler::stop, ()).await?;
                handle.result().await?;
                assert_eq!(draws(&handle).await?, after, "replay agrees");
                Ok(vec![handle.fetch_history().await?])
            })
            .await?;
        let history = history?;
        assert!(WorkflowReplayer::new().workflow(Gambler::run).replay(&history[0])?.same_outcome());
        Ok(history)
    })
    .await
}
