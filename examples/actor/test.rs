//! Actions and trades across runs.

#[path = "workflow.rs"]
mod workflow;

use abide::client::UpdateError;
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Action, Player, Save, TradeError, ask_price};
use crate::{Outcome, assert_replays};

const STEP: Action = Action::Move { east: 1, north: 0 };

#[tokio::test]
async fn no_action_is_lost_between_runs() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let played = async {
        let save = Save { health: 1, ..Save::default() };
        let player = env.client().start(Player::run, (save, 3)).task_queue("actor").await?;
        // In pairs, so that some arrive while the run before them moves on.
        for _ in 0..50 {
            let act = || player.signal(Player::act, STEP).into_future();
            tokio::try_join!(act(), act())?;
        }
        player.signal(Player::act, Action::Fall { deep: 1 }).await?;
        Ok::<_, Box<dyn std::error::Error>>(player.result().await?)
    };
    let save = env.run(env.worker("actor").workflow(Player::run).activities(ask_price), played).await?;
    assert_eq!((save.health, save.position), (0, (100, 0)));
    assert!(save.runs > 30, "{} runs", save.runs);
    Ok(())
}

#[tokio::test]
async fn a_run_whose_history_is_long_continues_as_new() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let played = async {
        let save = Save { health: 1, ..Save::default() };
        let player = env.client().start(Player::run, (save, u32::MAX)).task_queue("actor").await?;
        for sent in join_all((0..4_100).map(|_| player.signal(Player::act, STEP).into_future())).await {
            sent?;
        }
        player.query(Player::save, ()).await?; // The server makes its suggestion when a task begins.
        player.signal(Player::act, Action::Fall { deep: 1 }).await?;
        Ok::<_, Box<dyn std::error::Error>>(player.result().await?)
    };
    let save = env.run(env.worker("actor").workflow(Player::run).activities(ask_price), played).await?;
    assert_eq!((save.runs, save.position), (2, (4_100, 0)));
    Ok(())
}

#[tokio::test]
async fn a_run_waits_for_its_trades_before_it_continues_as_new() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    // The shop answers after some attempts; meanwhile the run reaches its limit.
    let worker = env.worker("actor").workflow(Player::run).mock_async(ask_price, |ctx, _item| async move {
        if ctx.info().attempt < 5 { Err(ApplicationFailure::new("the shop is closed").into()) } else { Ok(7) }
    });
    let traded = async {
        let save = Save { health: 1, gold: 10, ..Save::default() };
        let player = env.client().start(Player::run, (save, 1)).id("player").task_queue("actor").await?;
        let trade = player.start_update(Player::buy, "rope".into()).await?;
        player.signal(Player::act, STEP).await?;
        player.signal(Player::act, STEP).await?;
        let save = player.query(Player::save, ()).await?;
        assert_eq!((save.runs, save.position, save.pending.len()), (1, (1, 0), 1));
        assert_eq!(trade.result().await?, 3);
        player.signal(Player::act, Action::Fall { deep: 1 }).await?;
        Ok::<_, Box<dyn std::error::Error>>(player.result().await?)
    };
    let save = env.run(worker, traded).await?;
    assert_eq!((save.runs, save.position), (3, (2, 0)));
    assert_eq!((save.gold, save.inventory["rope"]), (3, 1));
    Ok(())
}

#[tokio::test]
async fn two_trades_do_not_spend_the_same_gold_and_a_full_bag_rejects() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("actor").workflow(Player::run).mock(ask_price, |_item| Ok(7));
    let traded = async {
        let save =
            Save { health: 1, gold: 10, inventory: [("map".into(), 1), ("apple".into(), 1)].into(), ..Save::default() };
        let player = env.client().start(Player::run, (save, 9)).task_queue("actor").await?;
        let buy = |item: &str| player.update(Player::buy, item.into()).into_future();
        let (one, other) = tokio::join!(buy("rope"), buy("rope"));
        let errors: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
        let too_expensive = TradeError::TooExpensive { price: 7, gold: 3 };
        assert_eq!(errors.iter().map(trade_error).collect::<Vec<_>>(), [Some(too_expensive)]);
        let full = buy("lamp").await.unwrap_err();
        assert_eq!(trade_error(&full), Some(TradeError::BagIsFull));
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    env.run(worker, traded).await
}

fn trade_error(error: &UpdateError) -> Option<TradeError> {
    error.application_error()
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("actor", |replayer| replayer.workflow(Player::run))
}
