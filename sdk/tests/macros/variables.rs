//! Variables, parameters, fields and modules may have the name of a definition, because a function is not a pattern.
//! (When a definition was a unit struct, such conflicts were the first errors of new users.)

use abide::prelude::*;
use abide::replay::text::parse_history;
use abide::{Activity, ActivityDefinition, History, Workflow, WorkflowDefinition, WorkflowReplayer};
use serde::{Deserialize, Serialize};

/// A module with the name of the item it defines, as is common.
mod deposit {
    use abide::prelude::*;

    #[activity]
    pub(super) async fn deposit(account: String, cents: u64) -> Result<String, ActivityError> {
        Ok(format!("{cents} to {account}"))
    }
}
use deposit::deposit;

#[derive(Clone, Serialize, Deserialize)]
struct Transfer {
    from: String,
    to: String,
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Bill {
    charge: u64,
    refund: Option<u64>,
}

#[activity]
async fn withdraw(withdraw: Transfer) -> Result<String, ActivityError> {
    Ok(format!("{} from {}", withdraw.cents, withdraw.from))
}

#[activity(blocking)]
fn charge(ctx: &ActivityContext, charge: u64) -> Result<u64, ActivityError> {
    let refund = u64::from(ctx.info().attempt);
    Ok(charge + refund)
}

#[activity]
async fn refund() -> Result<u64, ActivityError> {
    Ok(1)
}

/// A parameter with the workflow's own name; variables, tuples, closures and match arms with those of activities.
#[workflow]
async fn transfer(ctx: &WorkflowContext, transfer: Transfer) -> Result<String, WorkflowError> {
    let withdraw = ctx.activity(withdraw, transfer.clone()).start_to_close_timeout(mins(1)).await?;
    let mut deposit = ctx.activity(deposit, (transfer.to, transfer.cents)).start_to_close_timeout(mins(1)).await?;
    deposit.push('!');
    let first = |charge: &str| charge.len();
    let middle = first(&withdraw) + first(&deposit);
    if let Some(refund) = middle.checked_sub(1_000) {
        return Ok(format!("too long by {refund}"));
    }
    Ok(format!("{withdraw}, {deposit}"))
}

#[workflow]
async fn middle(ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
    let leaves = [leaf, leaf].map(|leaf| ctx.child_workflow(leaf, 2).start());
    let mut middle = 0;
    for leaf in leaves {
        middle += leaf.await?.await?;
    }
    let (charge, refund) = abide::join!(
        ctx.activity(charge, 5).start_to_close_timeout(mins(1)),
        ctx.local_activity(refund, ()).start_to_close_timeout(secs(1)),
    );
    match (charge, refund) {
        (Ok(charge), Ok(refund)) => Ok(middle + charge + refund),
        (Err(refund), _) | (_, Err(refund)) => Err(refund.into()),
    }
}

#[workflow]
async fn leaf(_ctx: &WorkflowContext, leaf: u64) -> Result<u64, WorkflowError> {
    let bill = Bill { charge: leaf, refund: None };
    let Bill { charge, refund } = bill;
    Ok(charge + refund.unwrap_or_default())
}

/// Stores a definition for generic code.
struct Stored<A> {
    charge: A,
}

fn type_of_activity<Kind>(charge: impl Activity<Kind>) -> String {
    charge.definition().name().into_owned()
}

fn type_of_workflow<Kind>(transfer: impl Workflow<Kind>) -> String {
    transfer.definition().name().into_owned()
}

#[test]
fn a_program_full_of_such_names_runs() {
    let history = r#"
        1 WorkflowExecutionStarted type=transfer input={"from":"Ada","to":"Bob","cents":5}
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 ActivityTaskScheduled type=withdraw
        6 ActivityTaskStarted
        7 ActivityTaskCompleted result="5 from Ada"
        8 WorkflowTaskScheduled
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted
        11 ActivityTaskScheduled type=deposit
        12 ActivityTaskStarted
        13 ActivityTaskCompleted result="5 to Bob"
        14 WorkflowTaskScheduled
        15 WorkflowTaskStarted
        16 WorkflowTaskCompleted
        17 WorkflowExecutionCompleted result="5 from Ada, 5 to Bob!""#;
    let history = History::from_events(parse_history(history).unwrap());
    let replayer = WorkflowReplayer::new().workflow(transfer).workflow(middle).workflow(leaf);
    replayer.replay(&history).unwrap();
}

#[tokio::test]
async fn a_function_is_called_as_it_was_written() {
    let withdraw = withdraw(Transfer { from: "Ada".into(), to: "Bob".into(), cents: 5 }).await.unwrap();
    assert_eq!(withdraw, "5 from Ada");
    let refund = refund().await.unwrap();
    assert_eq!((refund, deposit("Bob".into(), 5).await.unwrap().as_str()), (1, "5 to Bob"));
    assert_eq!(charge(&super::activities::context(), 5).await.unwrap(), 6);
}

#[test]
fn a_definition_can_be_stored_and_passed_on() {
    let stored = Stored { charge };
    let charge = stored.charge;
    assert_eq!([charge, charge].map(type_of_activity), ["charge", "charge"]);
    assert_eq!(type_of_activity(ChargeActivity {}), "charge");
    assert_eq!([type_of_workflow(transfer), type_of_workflow(middle)], ["transfer", "middle"]);
    assert_eq!(format!("{:?}", leaf.definition()), "LeafWorkflow");
}
