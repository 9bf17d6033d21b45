//! A server that goes away and comes back: clients continue without reconnecting explicitly.

use abide::client::{Client, ClientOptions};
use tokio::net::TcpListener;
use tonic::transport::Server;

use super::server::{TestServer, Unimplemented};

async fn connected(server: &TestServer) -> Client {
    Client::connect(ClientOptions::new(format!("127.0.0.1:{}", server.port()))).await.unwrap()
}

/// Returns true if a call arrived: the server answers every call with UNIMPLEMENTED.
async fn arrives(client: &Client) -> bool {
    client.count("").await.unwrap_err().is_unimplemented()
}

#[expect(clippy::disallowed_methods, reason = "the call runs beside the server's end")]
#[tokio::test]
async fn a_call_waits_for_a_server_that_is_being_restarted() {
    let server = TestServer::start(0, Server::builder(), Unimplemented::new(1));
    let client = connected(&server).await;
    assert!(arrives(&client).await);

    let port = server.port();
    drop(server);
    let nobody = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let call = tokio::spawn(async move { arrives(&client).await });
    // The client has reconnected and was rejected: now the call waits.
    nobody.accept().await.unwrap();
    drop(nobody);
    let _server = TestServer::start(port, Server::builder(), Unimplemented::new(1));
    assert!(call.await.unwrap());
}

#[expect(clippy::disallowed_methods, reason = "the call runs beside the server's end")]
#[tokio::test]
async fn a_call_that_is_cut_off_is_sent_again() {
    let deaf = Unimplemented::new(0);
    let server = TestServer::start(0, Server::builder(), deaf.clone());
    let client = connected(&server).await;
    let call = tokio::spawn(async move { arrives(&client).await });
    deaf.arrived.acquire().await.unwrap().forget();

    let port = server.port();
    drop(server);
    let _server = TestServer::start(port, Server::builder(), Unimplemented::new(1));
    assert!(call.await.unwrap());
}
