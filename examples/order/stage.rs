//! Support for the example: a server, output with times, and polling.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use abide_testing::server::TestServer;

/// Prints each line with the time since the beginning.
pub(crate) struct Story {
    began: Instant,
    number: u128,
}

/// The server in use: the user's, or an embedded one.
pub(crate) struct Server {
    embedded: Option<(TestServer, String)>,
}

impl Story {
    #[expect(clippy::disallowed_methods, reason = "the story is told in wall-clock time")]
    pub(crate) fn begin() -> Self {
        let number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self { began: Instant::now(), number }
    }

    pub(crate) fn say(&self, what: &str) {
        println!("{:5.1} s {what}", self.began.elapsed().as_secs_f64());
    }

    /// Returns a name that no earlier run used.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.number)
    }
}

impl Server {
    pub(crate) async fn find_or_start(story: &Story) -> Result<Self, Box<dyn Error>> {
        if let Ok(address) = std::env::var("TEMPORAL_ADDRESS") {
            story.say(&format!("using the Temporal server at {address}"));
            return Ok(Self { embedded: None });
        }
        let server = TestServer::builder().start();
        let address = server.listen("127.0.0.1:0".parse()?).await?.to_string();
        story.say(&format!("an embedded server listens on {address}"));
        Ok(Self { embedded: Some((server, address)) })
    }

    /// Returns the embedded server's address; `None` if the user's settings name the server.
    pub(crate) fn address(&self) -> Option<&str> {
        self.embedded.as_ref().map(|(_, address)| address.as_str())
    }
}

/// Asks ten times per second until the answer is true.
pub(crate) async fn until<F, Fut, E>(mut ask: F) -> Result<(), E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool, E>>,
{
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !ask().await? {
        ticks.tick().await;
    }
    Ok(())
}

/// Simulates the time of real work.
#[expect(clippy::disallowed_methods, reason = "an activity may wait; only workflow code must not")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
