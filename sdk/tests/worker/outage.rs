//! The server goes away and comes back: the worker continues, and loses no finished work.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::Worker;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::{LIMIT, address, connect, unique};

/// A connection to the server that can be cut.
pub(crate) struct Cable {
    pub(crate) address: String,
    plugged: watch::Sender<bool>,
}

impl Cable {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let plugged = watch::Sender::new(true);
        let receiver = plugged.subscribe();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, mut plugged) = (server.clone(), receiver.clone());
                tokio::spawn(async move {
                    if !*plugged.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = plugged.wait_for(|plugged| !*plugged) => {}
                    }
                });
            }
        });
        Self { address, plugged }
    }

    /// Cuts the open connections, and accepts no new ones.
    pub(crate) fn unplug(&self) {
        self.plugged.send_replace(false);
    }
}

static CHARGES: AtomicU32 = AtomicU32::new(0);
static CHARGING: tokio::sync::Notify = tokio::sync::Notify::const_new();
static CHARGED: tokio::sync::Notify = tokio::sync::Notify::const_new();

#[activity]
async fn charge_once() -> Result<u32, ActivityError> {
    let charges = CHARGES.fetch_add(1, Ordering::SeqCst) + 1;
    CHARGING.notify_one();
    CHARGED.notified().await;
    Ok(charges)
}

#[workflow]
async fn charging(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    ctx.activity(charge_once, ()).start_to_close_timeout(secs(30)).await.map_err(Into::into)
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_finished_during_an_outage_is_not_done_again() {
    let Some(server) = address("work_that_is_finished_during_an_outage_is_not_done_again") else { return };
    let direct = connect(server.clone()).await;
    let cable = Cable::to(server).await;
    let client = Client::connect(ClientOptions::new(&*cable.address)).await.unwrap();
    let queue = unique("outage");
    let worker = Worker::builder(&client, &*queue).workflow(charging).activities(charge_once).build().unwrap();
    let body = worker.run_until(async {
        let handle = direct.start(charging, ()).id(&*queue).task_queue(&*queue).await.unwrap();
        CHARGING.notified().await;
        cable.unplug();
        CHARGED.notify_one();
        tokio::time::sleep(Duration::from_secs(3)).await;
        cable.plugged.send_replace(true);
        assert_eq!(handle.result().await.unwrap(), 1);
        let history = handle.fetch_history().await.unwrap().to_string();
        assert!(!history.contains("attempt=2"), "{history}");
    });
    tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
    assert_eq!(CHARGES.load(Ordering::SeqCst), 1);
}
