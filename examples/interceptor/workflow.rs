//! An account, with its bill and its archive. The tenant is in no argument.

use abide::prelude::*;

use super::interceptors::{TENANT, Tenant};

#[activity]
pub async fn bill(ctx: &ActivityContext, cents: u64) -> Result<String, ActivityError> {
    let tenant: Option<String> = ctx.info().header(TENANT)?;
    Ok(format!("{} pays {cents} cents", tenant.unwrap_or_default()))
}

#[workflow]
pub async fn archive(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let tenant = ctx.value::<Tenant>().map(|tenant| tenant.0.clone());
    Ok(format!("the account of {} is archived", tenant.unwrap_or_default()))
}

#[workflow]
#[derive(Default)]
pub struct Account {
    is_closed: State<bool>,
}

#[workflow_methods]
impl Account {
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, cents: u64) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.is_closed.get()).await?;
        let billed = ctx.activity(bill, cents).start_to_close_timeout(mins(1)).await?;
        let archived = ctx.child_workflow(archive, ()).await?;
        Ok(vec![billed, archived])
    }

    #[signal]
    pub fn close(&self) {
        self.is_closed.set(true);
    }

    #[query]
    pub fn is_closed(&self) -> bool {
        self.is_closed.get()
    }
}
