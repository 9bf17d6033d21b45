//! Worker processes: the example starts itself again with a role, and kills the processes it started.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::Worker;
use tokio::process::{Child, Command};

use crate::gateway::Gateway;
use crate::order::{Shop, process_order};

const ADDRESS: &str = "ABIDE_CHAOS_ADDRESS";
const QUEUE: &str = "ABIDE_CHAOS_QUEUE";
const GATEWAY: &str = "ABIDE_CHAOS_GATEWAY";

/// Number of workers at any time.
const WORKERS: usize = 3;
/// Maximum time between two kills.
const LONGEST_PAUSE: Duration = secs(2);

/// The role of a worker process.
pub(crate) struct Role {
    address: String,
    queue: String,
    gateway: Gateway,
}

impl Role {
    /// Returns the role that this process was started with, if it is a worker.
    pub(crate) fn from_env() -> Option<Self> {
        let gateway = Gateway::at(env::var_os(GATEWAY)?);
        Some(Self { address: env::var(ADDRESS).ok()?, queue: env::var(QUEUE).ok()?, gateway })
    }

    /// Works until it is killed.
    pub(crate) async fn run(self) -> Result<(), Box<dyn Error>> {
        let client = Client::connect(ClientOptions::new(self.address)).await?;
        Worker::builder(&client, self.queue)
            .workflow(process_order)
            .activities(Shop { gateway: self.gateway })
            // A task on a dead worker's sticky queue waits this long for it.
            .sticky_queue_schedule_to_start_timeout(secs(1))
            .build()?
            .run()
            .await?;
        Ok(())
    }
}

/// The running worker processes.
pub(crate) struct Workers {
    environment: [(&'static str, String); 3],
    processes: Vec<Child>,
    random: u64,
    next_kill: Instant,
    killed: u32,
}

impl Workers {
    pub(crate) fn start(address: &str, queue: &str, gateway: &Gateway, seed: u64) -> Result<Self, Box<dyn Error>> {
        let folder = gateway.folder().to_string_lossy().into_owned();
        let environment = [(ADDRESS, address.to_owned()), (QUEUE, queue.to_owned()), (GATEWAY, folder)];
        let mut workers = Self { environment, processes: Vec::new(), random: seed, next_kill: crate::now(), killed: 0 };
        for _ in 0..WORKERS {
            workers.processes.push(workers.spawn()?);
        }
        workers.plan_next_kill();
        Ok(workers)
    }

    /// Kills one of the workers if it is time, and starts a replacement.
    pub(crate) async fn maybe_kill_one(&mut self) -> Result<(), Box<dyn Error>> {
        if crate::now() >= self.next_kill {
            let victim = (self.next_random() % WORKERS as u64) as usize;
            self.processes[victim].kill().await?;
            self.processes[victim] = self.spawn()?;
            self.killed += 1;
            self.plan_next_kill();
        }
        Ok(())
    }

    pub(crate) fn killed(&self) -> u32 {
        self.killed
    }

    fn plan_next_kill(&mut self) {
        let pause = LONGEST_PAUSE.mul_f64((self.next_random() % 1000) as f64 / 1000.0);
        self.next_kill = crate::now() + pause;
    }

    fn spawn(&self) -> Result<Child, Box<dyn Error>> {
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        Ok(Command::new(env::current_exe()?).envs(environment).kill_on_drop(true).spawn()?)
    }

    /// SplitMix64: the same seed gives the same kills, as far as timing allows.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
