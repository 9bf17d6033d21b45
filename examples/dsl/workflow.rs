//! An interpreter: the steps of a process are data, which the workflow gets as its argument.

use std::collections::BTreeMap;

use abide::ActivityType;
use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    pub variables: BTreeMap<String, String>,
    pub steps: Step,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    Sequence {
        sequence: Vec<Step>,
    },
    Parallel {
        parallel: Vec<Step>,
    },
    /// Calls an activity by its name with the values of variables, and binds the result to another variable.
    Activity {
        activity: String,
        arguments: Vec<String>,
        result: String,
    },
}

#[derive(Debug, PartialEq, ApplicationError)]
pub enum ProcessError {
    #[error("`{activity}` wants the variable `{variable}`, which has no value")]
    Unbound { activity: String, variable: String },
}

/// Returns all variables.
#[workflow]
pub async fn interpret(ctx: &WorkflowContext, process: Process) -> Result<BTreeMap<String, String>, WorkflowError> {
    let variables = State::new(process.variables);
    run(ctx, &process.steps, &variables).await?;
    Ok(variables.into_inner())
}

type Variables = State<BTreeMap<String, String>>;

async fn run(ctx: &WorkflowContext, step: &Step, variables: &Variables) -> Result<(), WorkflowError> {
    match step {
        Step::Sequence { sequence } => {
            for step in sequence {
                // An async function that calls itself needs the box: its future would contain itself.
                Box::pin(run(ctx, step, variables)).await?;
            }
        }
        // The first error cancels the other branches.
        Step::Parallel { parallel } => {
            for_each_concurrent(parallel, usize::MAX, async |step| Box::pin(run(ctx, step, variables)).await).await?;
        }
        Step::Activity { activity, arguments, result } => {
            let value_of = |variable: &String| {
                let unbound = || ProcessError::Unbound { activity: activity.clone(), variable: variable.clone() };
                variables.read().get(variable).cloned().ok_or_else(unbound)
            };
            let arguments = arguments.iter().map(value_of).collect::<Result<_, _>>()?;
            let named = ActivityType::<fn(Vec<String>) -> String>::named(activity);
            let value = ctx.activity(named, arguments).schedule_to_close_timeout(mins(5)).await?;
            variables.write().insert(result.clone(), value);
        }
    }
    Ok(())
}

#[activity]
pub async fn reserve(arguments: Vec<String>) -> Result<String, ActivityError> {
    Ok(format!("reservation of {}", arguments.join(" and ")))
}

#[activity]
pub async fn charge(arguments: Vec<String>) -> Result<String, ActivityError> {
    Ok(format!("receipt of {}", arguments.join(" and ")))
}

#[activity]
pub async fn ship(arguments: Vec<String>) -> Result<String, ActivityError> {
    Ok(format!("parcel with {}", arguments.join(" and ")))
}
