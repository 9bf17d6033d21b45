//! A codec server: who has no keys reads through it, be it a worker of another process or Temporal's CLI.

use std::path::PathBuf;

use abide::codec_server::{CodecServer, RemoteCodec};
use abide::converter::DataConverter;
use abide::prelude::*;
use abide::worker::Worker;
use tokio::process::Command;

use crate::arm::{Outcome, compare};
use crate::codecs::Seal;

#[workflow]
async fn keep(_: &WorkflowContext, secret: String) -> Result<String, WorkflowError> {
    Ok(format!("kept {secret}"))
}

/// The CLI, which `.ci/real-server install` builds. `None` where it was not installed, which is an error beside a real
/// server.
fn cli() -> Option<PathBuf> {
    let tools = std::env::var_os("ABIDE_TOOLS").map(PathBuf::from);
    let tools = tools.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/abide-tools")));
    let cli = tools.map(|tools| tools.join("bin/temporal")).filter(|cli| cli.exists());
    assert!(cli.is_some() || std::env::var_os("ABIDE_TEST_SERVER").is_none(), "run `.ci/real-server install` first");
    cli
}

#[tokio::test]
async fn a_worker_and_the_cli_read_through_a_codec_server() -> Outcome {
    let server = CodecServer::with_bearer_token(DataConverter::new().codec(Seal), "token");
    let endpoint = server.serve(0).await?;
    let url = format!("http://{}", endpoint.address());
    compare("codec-server", |arm| {
        let url = url.clone();
        async move {
            let remote = DataConverter::new().codec(RemoteCodec::new(&url)?.bearer_token("token")?);
            let client = Client::connect(ClientOptions::new(arm.address()).data_converter(remote)).await?;
            let worker = Worker::builder(&client, arm.queue()).workflow(keep).build()?;
            let kept = client.execute(keep, "the secret".into()).id(arm.id()).task_queue(arm.queue());
            assert_eq!(worker.run_until(kept).await??, "kept the secret");

            let Some(cli) = cli() else { return Ok(Vec::new()) };
            let show = |more: &[&str]| {
                let mut show = Command::new(&cli);
                show.args(["workflow", "show", "--output", "json", "--address", arm.address(), "-w", &arm.id()]);
                show.args(more).output()
            };
            let (closed, opened) =
                tokio::try_join!(show(&[]), show(&["--codec-endpoint", &url, "--codec-auth", "Bearer token"]))?;
            // The CLI writes payloads in base64: "kept the secret", with its quotation marks.
            let secret = "ImtlcHQgdGhlIHNlY3JldCI=";
            let opened_text = String::from_utf8_lossy(&opened.stdout);
            assert!(opened_text.contains(secret), "{opened_text} {}", String::from_utf8_lossy(&opened.stderr));
            assert!(closed.status.success() && !String::from_utf8_lossy(&closed.stdout).contains(secret));
            Ok(vec![client.handle(keep, arm.id()).fetch_history().await?])
        }
    })
    .await
}
