//! A server for the examples, which are in the folders beside `src`.

mod process;

use std::env;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use abide::client::{Client, ClientOptions, Connection};
use abide_testing::server::TestServer;

pub use self::process::{Story, WorkerProcess, until_recorded};

/// A virtual minute takes a tenth of a second on a server whose clock cannot skip.
const FASTER: u32 = 600;

/// The server that an example runs on: the one at `TEMPORAL_ADDRESS`, or an embedded one in this process.
///
/// The embedded server's clock skips, unless other processes use the server: while nothing is running, it jumps to the
/// next timer, timeout or retry.
pub struct Server {
    client: Client,
    embedded: Option<TestServer>,
    /// An embedded server that other processes reach, at its address.
    listening: Option<(TestServer, String)>,
}

impl Server {
    /// Connects to the server at `TEMPORAL_ADDRESS`, or starts an embedded one.
    ///
    /// # Errors
    /// Returns an error if there is no server at that address.
    pub async fn find_or_start() -> Result<Self, Box<dyn Error>> {
        Self::find_or_start_with(|options| options).await
    }

    /// Like [`find_or_start`](Self::find_or_start), with client options.
    ///
    /// # Errors
    /// Returns an error if there is no server at that address.
    pub async fn find_or_start_with(set: impl FnOnce(ClientOptions) -> ClientOptions) -> Result<Self, Box<dyn Error>> {
        if env::var_os("TEMPORAL_ADDRESS").is_some() {
            let client = Client::connect(set(ClientOptions::from_env()?)).await?;
            return Ok(Self { client, embedded: None, listening: None });
        }
        let server = TestServer::builder().time_skipping().start();
        let connection = Connection::in_process(server.service(), &set(ClientOptions::default())).await?;
        Ok(Self { client: Client::from_connection(connection), embedded: Some(server), listening: None })
    }

    /// Like [`find_or_start`](Self::find_or_start), for an example with worker processes: the embedded server listens on
    /// loopback, and its clock follows the machine's.
    ///
    /// # Errors
    /// Returns an error if there is no server at that address, or no free port.
    pub async fn find_or_listen() -> Result<Self, Box<dyn Error>> {
        if env::var_os("TEMPORAL_ADDRESS").is_some() {
            return Self::find_or_start().await;
        }
        let server = TestServer::builder().start();
        let address = server.listen(([127, 0, 0, 1], 0).into()).await?.to_string();
        let client = Client::connect(ClientOptions::new(&address)).await?;
        Ok(Self { client, embedded: None, listening: Some((server, address)) })
    }

    /// Returns the address at which other processes reach the server.
    ///
    /// # Errors
    /// Returns an error if the server is embedded and does not [listen](Self::find_or_listen).
    pub fn address(&self) -> Result<String, Box<dyn Error>> {
        match (&self.listening, &self.embedded) {
            (Some((_, address)), _) => Ok(address.clone()),
            (None, None) => Ok(env::var("TEMPORAL_ADDRESS")?),
            (None, Some(_)) => Err("this embedded server has no address: call `Server::find_or_listen`".into()),
        }
    }

    /// Returns a client of the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes an endpoint for Nexus operations that leads to this task queue. On a server at `TEMPORAL_ADDRESS`, its
    /// operator has created it.
    pub fn add_nexus_endpoint(&self, name: &str, task_queue: &str) {
        if let Some(server) = &self.embedded {
            server.add_nexus_endpoint(name, task_queue);
        }
    }

    /// Returns the duration for this server: unchanged on the embedded one, and 600 times shorter on others, so that
    /// nobody waits for an hour.
    pub fn time(&self, duration: Duration) -> Duration {
        if self.embedded.is_some() { duration } else { duration / FASTER }
    }

    /// Lets time pass: on the embedded server at once, and on others 600 times shorter.
    pub async fn sleep(&self, duration: Duration) {
        match &self.embedded {
            Some(server) => server.sleep(duration).await,
            None => pause(self.time(duration)).await,
        }
    }
}

/// Returns an id that no earlier run of the example has used.
#[expect(clippy::disallowed_methods, reason = "the caller is not a workflow")]
pub fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{name}-{}", now.as_millis())
}

/// Waits in real time, as the work of an activity would.
#[expect(clippy::disallowed_methods, reason = "an activity may wait; only workflow code must not")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
