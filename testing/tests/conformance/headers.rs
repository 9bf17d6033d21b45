//! Headers that a client sends with starts, signals, updates and queries, as their handlers see them.

use abide::client::WorkflowIdConflictPolicy;
use abide::prelude::*;

use crate::arm::{Outcome, compare, until_event};

/// Records the headers of everything that it receives.
#[workflow]
#[derive(Default)]
struct Receiver {
    heard: State<Vec<String>>,
    done: State<bool>,
}

fn trace(ctx: &WorkflowContext, what: &str) -> Result<String, WorkflowError> {
    Ok(format!("{what}: {:?}", ctx.message_header::<String>("trace")?))
}

#[workflow_methods]
impl Receiver {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let start = format!("start: {:?}", ctx.info().header::<String>("trace")?);
        ctx.wait_until(|| self.done.get()).await?;
        let mut all = vec![start, trace(ctx, "elsewhere")?];
        all.extend(self.heard.get());
        Ok(all)
    }

    #[signal]
    fn hear(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let text = trace(ctx, "signal")?;
        self.heard.update(|heard| heard.push(text));
        Ok(())
    }

    /// Reads the header again after a while, and in a separate branch.
    #[update]
    async fn tell(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.timer(millis(20)).await?;
        let inner = ctx.clone();
        ctx.spawn(async move { trace(&inner, "update") }).await
    }

    #[update_validator(tell)]
    fn check_tell(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        trace(ctx, "validator")?;
        match ctx.message_header::<String>("trace")? {
            Some(_) => Ok(()),
            None => Err(ApplicationFailure::new("no trace").into()),
        }
    }

    #[query]
    fn ask(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        trace(ctx, "query")
    }

    #[update]
    fn finish(&self) {
        self.done.set(true);
    }
}

#[tokio::test]
async fn handlers_read_the_headers_of_what_they_handle() -> Outcome {
    for cached in [100, 0] {
        compare("client-headers", move |arm| async move {
            let worker = arm.worker().workflow(Receiver::run).max_cached_workflows(cached).build()?;
            let history = worker
                .run_until(async {
                    let header = |text: &str| text.to_string();
                    let start = || arm.client.start(Receiver::run, ()).id(arm.id()).task_queue(arm.queue());
                    let handle = start().header("trace", &header("a")).with_signal(Receiver::hear, ()).await?;
                    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                    handle.signal(Receiver::hear, ()).header("trace", &header("b")).await?;
                    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                    handle.signal(Receiver::hear, ()).await?;
                    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                    let told = handle.update(Receiver::tell, ()).id("first").header("trace", &header("c")).await?;
                    assert_eq!(told, "update: Some(\"c\")");
                    let refused = handle.update(Receiver::tell, ()).id("second").await;
                    assert!(refused.expect_err("it has no header").to_string().contains("no trace"));
                    let asked = handle.query(Receiver::ask, ()).header("trace", &header("d")).await?;
                    assert_eq!(asked, "query: Some(\"d\")");
                    assert_eq!(handle.query(Receiver::ask, ()).await?, "query: None");
                    let existing = start().id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
                    let both = existing.with_update(Receiver::tell, ()).update_id("third");
                    let (_, update) = both.update_header("trace", &header("e")).await?;
                    assert_eq!(update.result().await?, "update: Some(\"e\")");
                    handle.update(Receiver::finish, ()).id("last").await?;
                    let all = handle.result().await?;
                    let heard = ["signal: Some(\"a\")", "signal: Some(\"b\")", "signal: None"];
                    assert_eq!(all, [&["start: Some(\"a\")", "elsewhere: None"][..], &heard].concat());
                    Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
                })
                .await??;
            Ok(vec![history])
        })
        .await?;
    }
    Ok(())
}
