//! Connecting: the errors that users see if there is no server, or the wrong one.

use abide::client::{Client, ClientOptions, StartError};

use super::workflows::ProcessOrder;
use super::{client, unique};

/// Returns a port without a listener: one that the system assigned and that was released.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_sentence_with_the_address_and_what_to_do() {
    let port = closed_port();
    let error = Client::connect(ClientOptions::new(format!("127.0.0.1:{port}"))).await.unwrap_err();
    assert!(error.is_unreachable());
    let text = error.to_string();
    assert!(text.starts_with(&format!("no Temporal server answers at http://127.0.0.1:{port} (")), "{text}");
    assert!(
        text.contains("onnection refused")
            && text.ends_with("or set TEMPORAL_ADDRESS to the address of a running server"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

#[tokio::test]
async fn options_that_mean_nothing_are_refused_before_anything_is_sent() {
    let refused = async |options: ClientOptions| Client::connect(options).await.unwrap_err();
    let address = refused(ClientOptions::new("not an address")).await;
    assert!(!address.is_unreachable() && address.to_string().contains("expected `host:port`"), "{address}");
    let header = refused(ClientOptions::default().rpc_metadata("UPPER CASE", "x")).await;
    assert!(header.to_string().contains("not a valid name of a header"), "{header}");
    let key = refused(ClientOptions::default().plaintext().api_key_without_tls("two\nlines")).await;
    assert!(key.to_string().starts_with("the API key") && !key.to_string().contains("two"), "{key}");
    for (options, text) in [
        (ClientOptions::default().namespace(""), "the namespace is empty"),
        (ClientOptions::default().identity(""), "the client's identity is empty"),
        (ClientOptions::new("localhost:7233").api_key(" "), "the API key is empty"),
        (ClientOptions::default().rpc_metadata("grpc-timeout", "1S"), "`grpc-timeout` in `rpc_metadata` begins with"),
        (ClientOptions::default().rpc_metadata("x-bin", "AA"), "not the suffix `-bin`"),
    ] {
        let error = refused(options).await;
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_named() {
    let Some(_) = client("a_namespace_that_is_not_there_is_named").await else { return };
    let address = std::env::var("ABIDE_TEST_SERVER").unwrap();
    let client = Client::connect(ClientOptions::new(address).namespace("nowhere")).await.unwrap();
    let error = client.start(ProcessOrder, "a".to_string()).id(unique("nowhere")).task_queue("q").await.unwrap_err();
    let StartError::Rpc(error) = error else { panic!("{error:?}") };
    assert!(error.is_namespace_not_found() && error.to_string().contains("nowhere"), "{error}");
}
