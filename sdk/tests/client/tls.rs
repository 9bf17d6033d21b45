//! TLS: certificates are verified in both directions.

use abide::client::{CallOptions, Client, ClientOptions, ConnectError, TlsOptions};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::server::{TestServer, Unimplemented};

const CA: &str = include_str!("certificates/ca.pem");
const SERVER_CERT: &str = include_str!("certificates/server.pem");
const SERVER_KEY: &str = include_str!("certificates/server.key.pem");
const CLIENT_CERT: &str = include_str!("certificates/client.pem");
const CLIENT_KEY: &str = include_str!("certificates/client.key.pem");
const OTHER_CERT: &str = include_str!("certificates/stranger.pem");
const OTHER_KEY: &str = include_str!("certificates/stranger.key.pem");

fn server(tls: ServerTlsConfig) -> TestServer {
    let tls = tls.identity(Identity::from_pem(SERVER_CERT, SERVER_KEY));
    TestServer::start(0, Server::builder().tls_config(tls).unwrap(), Unimplemented::new(8))
}

async fn connect(server: &TestServer, tls: TlsOptions) -> Result<Client, ConnectError> {
    Client::connect(ClientOptions::new(format!("127.0.0.1:{}", server.port())).tls(tls)).await
}

fn trusting() -> TlsOptions {
    TlsOptions::new().server_ca_cert(CA).server_name("temporal.test")
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_connected_to() {
    let server = server(ServerTlsConfig::new());
    connect(&server, trusting()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let server = server(ServerTlsConfig::new());
    let error = connect(&server, TlsOptions::new().server_name("temporal.test")).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let server = server(ServerTlsConfig::new());
    let error = connect(&server, trusting().server_name("elsewhere.test")).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name \"elsewhere.test\""), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_it() {
    let server = server(ServerTlsConfig::new().client_ca_root(Certificate::from_pem(CA)));
    connect(&server, trusting().client_identity(CLIENT_CERT, CLIENT_KEY)).await.unwrap();
    for _ in 0..10 {
        // The server's alert may be lost with the connection; the error tells what to do in both cases.
        let error = connect(&server, trusting()).await.unwrap_err();
        assert!(error.to_string().contains("requires a client certificate"), "{error}");
        assert!(error.to_string().contains("TlsOptions::client_identity"), "{error}");
    }
    let wrong = connect(&server, trusting().client_identity(OTHER_CERT, OTHER_KEY)).await.unwrap_err();
    assert!(wrong.to_string().contains("the client's certificate"), "{wrong}");
}

#[tokio::test]
async fn new_certificates_are_those_of_the_next_call() {
    let server = server(ServerTlsConfig::new().client_ca_root(Certificate::from_pem(CA)));
    let options = ClientOptions::new(format!("127.0.0.1:{}", server.port()));
    let wrong = options.tls(trusting().client_identity(OTHER_CERT, OTHER_KEY));
    let client = Client::connect_lazy(wrong).unwrap().with_call_options(CallOptions::new().without_retries());
    assert!(client.count("").await.unwrap_err().is_unavailable());

    let invalid = client.connection().set_tls(trusting().server_ca_cert("no PEM")).unwrap_err();
    assert!(invalid.to_string().contains("hold no certificate"), "{invalid}");
    client.connection().set_tls(trusting().client_identity(CLIENT_CERT, CLIENT_KEY)).unwrap();
    // The call arrives: this server has no methods.
    assert!(client.count("").await.unwrap_err().is_unimplemented());
}

#[tokio::test]
async fn a_plaintext_client_of_a_tls_server_is_told_that_it_cannot_connect() {
    let server = server(ServerTlsConfig::new());
    let error = Client::connect(ClientOptions::new(format!("127.0.0.1:{}", server.port()))).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn text_without_a_certificate_is_refused_before_anything_is_sent() {
    for pem in ["no PEM", "/etc/ssl/ca.pem", "", CLIENT_KEY] {
        let tls = TlsOptions::new().server_ca_cert(pem);
        let error = Client::connect(ClientOptions::new("localhost:1").tls(tls)).await.unwrap_err();
        assert!(!error.is_unreachable() && error.to_string().contains("hold no certificate"), "{error}");
    }
}

#[tokio::test]
async fn an_invalid_certificate_is_refused() {
    let tls = TlsOptions::new().server_ca_cert(CA);
    for (tls, text) in [
        (tls.clone().client_identity("no cert", "no key"), "expected the key of `TlsOptions::client_identity`"),
        (tls.server_name("a b"), "expected `TlsOptions::server_name`"),
    ] {
        let error = Client::connect(ClientOptions::new("localhost:7233").tls(tls)).await.unwrap_err();
        assert!(!error.is_unreachable() && error.to_string().contains(text), "{error}");
    }
}
