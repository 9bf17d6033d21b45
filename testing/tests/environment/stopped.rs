//! A worker process that is stopped for longer than workflow code may run, as on a suspended laptop: no task fails.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use abide::prelude::*;
use abide_testing::server::TestServer;

use super::{Outcome, real_time};

/// The name of the test below: the child process is the same program and runs only this test.
const TEST: &str = "stopped::a_worker_whose_process_is_stopped_fails_no_task";
/// The variable with the address of the child's server.
const ADDRESS: &str = "ABIDE_STOPPED_CHILD";
/// The limit for workflow code, and the longer time for which the process is stopped.
const LIMIT: Duration = Duration::from_secs(2);
const STOPPED: Duration = Duration::from_millis(2500);

const WORKS: &str = "the workflow's code works";

/// Works until told to end, without an `.await`.
#[workflow]
#[expect(clippy::print_stdout, reason = "the test reads it from the child process")]
async fn works_until_told(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    println!("{WORKS}");
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// A process with a worker, which ends with the test.
struct Worker(Child);

impl Worker {
    fn start(address: &str) -> std::io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([TEST, "--exact", "--nocapture"]).env(ADDRESS, address);
        Ok(Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?))
    }

    /// Waits until it prints a line with that text.
    fn wait_for(&mut self, text: &str) -> Outcome {
        let stdout = self.0.stdout.as_mut().ok_or("it has no output")?;
        let found = BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line.contains(text));
        if found { Ok(()) } else { Err(format!("the worker ended without `{text}`").into()) }
    }

    fn signal(&self, signal: &str) -> Outcome {
        // Every shell has this command.
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.0.id())]).status()?;
        if status.success() { Ok(()) } else { Err(format!("kill -{signal}: {status}").into()) }
    }

    fn tell(&mut self) -> Outcome {
        Ok(self.0.stdin.as_mut().ok_or("it has no input")?.write_all(b"\n")?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a process is stopped in real time")]
fn wait(duration: Duration) {
    std::thread::sleep(duration);
}

async fn be_the_worker(address: String) -> Outcome {
    let client = Client::connect(ClientOptions::new(address)).await?;
    let worker = abide::worker::Worker::builder(&client, "stopped").workflow(works_until_told);
    Ok(worker.deadlock_detection_timeout(LIMIT).build()?.run().await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_process_is_stopped_fails_no_task() -> Outcome {
    if let Ok(address) = std::env::var(ADDRESS) {
        return be_the_worker(address).await;
    }
    let server = TestServer::builder().start();
    let address = server.listen(([127, 0, 0, 1], 0).into()).await?.to_string();
    let client = Client::connect(ClientOptions::new(&*address)).await?;
    let run = client.start(works_until_told, ()).id("stopped").task_queue("stopped").await?;

    let mut worker = Worker::start(&address)?;
    worker.wait_for(WORKS)?;
    let began = real_time();
    worker.signal("STOP")?;
    wait(STOPPED);
    worker.signal("CONT")?;
    // The watchdog checks four times within the limit, so it has checked again now.
    wait(LIMIT / 3);
    worker.tell()?;

    run.result().await?;
    assert!(began.elapsed() > LIMIT);
    let history = run.fetch_history().await?.to_string();
    assert!(!history.contains("Failed") && !history.contains("TimedOut"), "{history}");
    Ok(())
}
