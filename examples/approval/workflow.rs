//! A request that two approvers must approve, or one of them rejects, before a deadline.

use std::collections::BTreeSet;
use std::time::Duration;

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub what: String,
    pub approvers: BTreeSet<String>,
    /// Decides alone after the deadline, and has as much time again.
    pub boss: String,
    pub deadline: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    Open { approved_by: BTreeSet<String> },
    Escalated,
    Approved,
    Rejected { by: String },
    Expired,
}

/// Why a decision is refused. A refused decision leaves no trace in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum Refusal {
    #[error("{name} may not decide this")]
    MayNotDecide { name: String },
    #[error("{name} has decided already")]
    HasDecided { name: String },
    #[error("the request is closed")]
    Closed,
}

#[activity]
pub async fn notify(_name: String, _what: String) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
pub struct Approval {
    request: Request,
    status: State<Status>,
}

#[workflow_methods]
impl Approval {
    #[init]
    fn new(request: Request) -> Self {
        Self { request, status: State::new(Status::Open { approved_by: BTreeSet::new() }) }
    }

    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, _request: Request) -> Result<Status, WorkflowError> {
        let Request { what, boss, deadline, .. } = &self.request;
        if !ctx.wait_until(|| self.is_decided()).timeout(*deadline).await? {
            self.status.set(Status::Escalated);
            ctx.activity(notify, (boss.clone(), what.clone())).start_to_close_timeout(mins(1)).await?;
            if !ctx.wait_until(|| self.is_decided()).timeout(*deadline).await? {
                self.status.set(Status::Expired);
            }
        }
        Ok(self.status.get())
    }

    #[update]
    pub fn decide(&self, name: String, approves: bool) -> Status {
        let status = match self.status.get() {
            _ if !approves => Status::Rejected { by: name },
            Status::Open { approved_by } if approved_by.is_empty() => Status::Open { approved_by: [name].into() },
            _ => Status::Approved,
        };
        self.status.set(status.clone());
        status
    }

    #[update_validator(decide)]
    fn may_decide(&self, name: &str, _approves: &bool) -> Result<(), Refusal> {
        let named = || name.to_string();
        match &*self.status.read() {
            Status::Open { approved_by } if approved_by.contains(name) => Err(Refusal::HasDecided { name: named() }),
            Status::Open { .. } if self.request.approvers.contains(name) => Ok(()),
            Status::Escalated if self.request.boss == name => Ok(()),
            Status::Open { .. } | Status::Escalated => Err(Refusal::MayNotDecide { name: named() }),
            Status::Approved | Status::Rejected { .. } | Status::Expired => Err(Refusal::Closed),
        }
    }

    #[query]
    pub fn status(&self) -> Status {
        self.status.get()
    }

    fn is_decided(&self) -> bool {
        matches!(*self.status.read(), Status::Approved | Status::Rejected { .. })
    }
}
