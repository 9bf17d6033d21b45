//! Interceptors: a tenant that every start names and every workflow has, and a guard at the door.

use abide::Headers;
use abide::client::RpcError;
use abide::converter::RawPayload;
use abide::interceptor::{
    ClientInterceptor, ClientNext, ExecuteWorkflowInput, HandleSignalInput, ScheduleActivityInput,
    StartChildWorkflowInput, StartWorkflowInput, StartedWorkflow, WorkflowInterceptor, WorkflowNext, async_trait,
};
use abide::prelude::*;

/// Header of starts, activities and children.
pub const TENANT: &str = "tenant";
/// Header of signals.
pub const ROLE: &str = "role";

/// The tenant that a workflow works for, as a value of its context.
pub struct Tenant(pub String);

/// Names the tenant in every start of a client.
pub struct ForTenant(pub &'static str);

#[async_trait]
impl ClientInterceptor for ForTenant {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        input.headers.set(TENANT, &self.0)?;
        next.run(input).await
    }
}

/// Takes the tenant from the start, and gives it to activities and children.
pub struct TenantPropagation;

#[async_trait(?Send)]
impl WorkflowInterceptor for TenantPropagation {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let Some(tenant) = input.headers.get(TENANT)? else {
            return Err(ApplicationFailure::new("the start names no tenant").error_type("NoTenant").into());
        };
        ctx.with_value(Tenant(tenant), next.run(ctx, input)).await
    }

    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        pass_on(ctx, &mut input.headers);
    }

    fn start_child_workflow(&self, ctx: &WorkflowContext, input: &mut StartChildWorkflowInput) {
        pass_on(ctx, &mut input.headers);
    }
}

fn pass_on(ctx: &WorkflowContext, headers: &mut Headers) {
    if let Some(tenant) = ctx.value::<Tenant>() {
        headers.set(TENANT, &tenant.0).expect("a text can be written");
    }
}

/// Lets only the owner close something. The sender learns nothing: for that, use an update and `validate_update`.
pub struct OnlyOwnersClose;

#[async_trait(?Send)]
impl WorkflowInterceptor for OnlyOwnersClose {
    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        // An error would fail the workflow, so a role that cannot be read counts as none.
        let role = input.headers.get::<String>(ROLE).ok().flatten();
        if input.name == "close" && role.as_deref() != Some("owner") {
            return Ok(());
        }
        next.run(ctx, input).await
    }
}
