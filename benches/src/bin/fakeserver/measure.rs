//! The measurements: live work, and parked workflows.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::server::{Counts, Server, lock, now};
use crate::usage::{self, CpuTime};

/// Longest time without progress.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time after which a worker without work is at rest.
const SETTLE: Duration = Duration::from_millis(1_500);

/// A worker process, fed by the server.
pub(crate) struct Measurement {
    server: Arc<Server>,
    worker: Child,
    pid: String,
}

/// State of the worker and the server at one time.
struct Sample {
    at: Instant,
    worker: CpuTime,
    server: CpuTime,
    context_switches: u64,
    tasks: u64,
    activities: u64,
    workflows: u64,
}

impl Measurement {
    /// Starts the worker. It ends with this value.
    pub(crate) fn start(server: Arc<Server>) -> Result<Self, String> {
        let [program, arguments @ ..] = server.options.worker.as_slice() else { return Err("no worker".into()) };
        let worker = Command::new(program).args(arguments).kill_on_drop(true).spawn();
        let worker = worker.map_err(|error| format!("{program} does not start: {error}"))?;
        let pid = worker.id().ok_or_else(|| format!("{program} has ended"))?.to_string();
        Ok(Self { server, worker, pid })
    }

    /// Measures, and returns lines of JSON.
    pub(crate) async fn run(mut self) -> Result<Vec<Value>, String> {
        self.wait_until("first poll", |counts| counts.polls.load(Relaxed), 1).await?;
        self.settle().await?;
        let idle = usage::memory(&self.pid)?;
        let park = self.server.options.park;
        if park { self.parked(idle.rss_kb).await } else { Ok(vec![self.live(idle.rss_kb).await?]) }
    }

    async fn live(&mut self, idle_rss_kb: u64) -> Result<Value, String> {
        let server = Arc::clone(&self.server);
        let options = &server.options;
        for _ in 0..options.open {
            server.start_run();
        }
        let workflows = |counts: &Counts| counts.workflows.load(Relaxed);
        self.wait_until("workflows completed", workflows, options.warm as u64).await?;
        server.measure();
        let begin = self.sample()?;
        self.wait_until("workflows completed", workflows, begin.workflows + options.n as u64).await?;
        let end = self.sample()?;
        let memory = usage::memory(&self.pid)?;
        let wall_s = (end.at - begin.at).as_secs_f64();
        let n = (end.workflows - begin.workflows) as f64;
        let tasks = (end.tasks - begin.tasks) as f64;
        let activities = (end.activities - begin.activities) as f64;
        let cpu = end.worker.since(begin.worker);
        let mut latencies = lock(&server.latencies);
        Ok(json!({
            "label": options.label,
            "wf": options.workflow_type,
            "conc": options.open,
            "n": n,
            "wall_s": round(wall_s),
            "wf_per_s": round(n / wall_s),
            "wft_per_s": round(tasks / wall_s),
            "act_per_s": round(activities / wall_s),
            "cpu_us_per_wf": round(cpu.total_us() / n),
            "user_us": round(cpu.user_us as f64 / n),
            "sys_us": round(cpu.system_us as f64 / n),
            "cpu_us_per_wft": round(cpu.total_us() / tasks),
            "worker_cores": round(cpu.total_us() / 1e6 / wall_s),
            "server_cpu_us_per_wf": round(end.server.since(begin.server).total_us() / n),
            "latency_us": latencies.workflow.percentiles(),
            "wft_sched_to_start_us": latencies.schedule_to_start.percentiles(),
            "wft_turnaround_us": latencies.turnaround.percentiles(),
            "idle_rss_kb": idle_rss_kb,
            "rss_kb": memory.rss_kb,
            "peak_kb": memory.peak_kb,
            "ctxsw_per_wf": round((end.context_switches as f64 - begin.context_switches as f64) / n),
            "threads": usage::threads(&self.pid)?,
        }))
    }

    /// Starts all workflows and waits until each waits; then, if signals are wanted, sends them.
    async fn parked(&mut self, idle_rss_kb: u64) -> Result<Vec<Value>, String> {
        let server = Arc::clone(&self.server);
        let n = server.options.n as f64;
        let begin = self.sample()?;
        for _ in 0..server.options.n {
            server.start_run();
        }
        let tasks = |counts: &Counts| counts.tasks.load(Relaxed);
        self.wait_until("first workflow tasks answered", tasks, server.options.n as u64).await?;
        let end = self.sample()?;
        self.settle().await?;
        let memory = usage::memory(&self.pid)?;
        let wall_s = (end.at - begin.at).as_secs_f64();
        let parked = json!({
            "label": server.options.label,
            "mode": "park",
            "n": server.options.n,
            "idle_rss_kb": idle_rss_kb,
            "rss_kb": memory.rss_kb,
            "peak_kb": memory.peak_kb,
            "bytes_per_wf": ((memory.rss_kb as f64 - idle_rss_kb as f64) * 1_024.0 / n).round(),
            "wall_s": round(wall_s),
            "first_wft_per_s": round(n / wall_s),
            "cpu_us_per_first_wft": round(end.worker.since(begin.worker).total_us() / n),
            "threads": usage::threads(&self.pid)?,
        });
        if server.options.signals == 0 { Ok(vec![parked]) } else { Ok(vec![parked, self.signaled().await?]) }
    }

    /// Sends each parked workflow its signals, one after another, until all have completed.
    async fn signaled(&mut self) -> Result<Value, String> {
        let server = Arc::clone(&self.server);
        server.measure();
        let begin = self.sample()?;
        server.signal_all().map_err(|_| "a workflow ended before its signals: set `--input` to their number")?;
        let workflows = |counts: &Counts| counts.workflows.load(Relaxed);
        self.wait_until("workflows completed", workflows, server.options.n as u64).await?;
        let end = self.sample()?;
        self.settle().await?;
        let memory = usage::memory(&self.pid)?;
        let wall_s = (end.at - begin.at).as_secs_f64();
        let tasks = (end.tasks - begin.tasks) as f64;
        Ok(json!({
            "label": server.options.label,
            "mode": "signal",
            "n": server.options.n,
            "wfts": tasks,
            "wall_s": round(wall_s),
            "wft_per_s": round(tasks / wall_s),
            "cpu_us_per_wft": round(end.worker.since(begin.worker).total_us() / tasks),
            "server_cpu_us_per_wft": round(end.server.since(begin.server).total_us() / tasks),
            "turnaround_us": lock(&server.latencies).turnaround.percentiles(),
            "rss_after_kb": memory.rss_kb,
            "peak_kb": memory.peak_kb,
        }))
    }

    fn sample(&self) -> Result<Sample, String> {
        let counts = &self.server.counts;
        Ok(Sample {
            at: now(),
            worker: usage::cpu_time(&self.pid)?,
            server: usage::cpu_time("self")?,
            context_switches: usage::context_switches(&self.pid)?,
            tasks: counts.tasks.load(Relaxed),
            activities: counts.activities.load(Relaxed),
            workflows: counts.workflows.load(Relaxed),
        })
    }

    /// Waits until a count reaches `goal`.
    ///
    /// # Errors
    /// Returns an error if the worker ends, if it does something that the server does not support, or if no count
    /// changes for [`PATIENCE`].
    async fn wait_until(&mut self, what: &str, count: fn(&Counts) -> u64, goal: u64) -> Result<(), String> {
        let server = Arc::clone(&self.server);
        loop {
            if let Some(problem) = server.problem() {
                return Err(problem.clone());
            }
            let reached = count(&server.counts);
            if reached >= goal {
                return Ok(());
            }
            let progress = server.counts.sum();
            tokio::select! {
                changed = timeout(PATIENCE, server.changed.notified()) => {
                    if changed.is_err() && server.counts.sum() == progress {
                        return Err(format!("nothing happened for {} s: {what}: {reached} of {goal}", PATIENCE.as_secs()));
                    }
                }
                ended = self.worker.wait() => return Err(format!("{}: {what}: {reached} of {goal}", ending(ended))),
            }
        }
    }

    /// Waits until the worker is at rest.
    async fn settle(&mut self) -> Result<(), String> {
        match timeout(SETTLE, self.worker.wait()).await {
            Err(_) => Ok(()),
            Ok(ended) => Err(ending(ended)),
        }
    }
}

fn ending(ended: std::io::Result<std::process::ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("the worker ended too early ({status})"),
        Err(error) => format!("the worker cannot be waited for ({error})"),
    }
}

fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
