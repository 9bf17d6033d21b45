use abide::prelude::*;
use abide::{ActivityDefinition, WorkflowDefinition};

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

#[workflow]
async fn process_order() -> Result<(), WorkflowError> {
    Ok(())
}

fn name_of_activity<D: ActivityDefinition>(definition: D) -> String {
    definition.name().into_owned()
}

fn name_of_workflow<D: WorkflowDefinition>(definition: D) -> String {
    definition.name().into_owned()
}

fn main() {
    name_of_activity(charge);
    name_of_workflow(process_order);
}
