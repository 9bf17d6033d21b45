//! The way to the server: connections made at the first call, and through an HTTP proxy.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use abide::client::{CallOptions, Client, ClientOptions, HttpProxy};
use abide_protos::temporal::api::operatorservice::v1::ListSearchAttributesRequest;
use abide_protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::transport::Server;

use super::client;
use super::server::{TestServer, Unimplemented};

fn server() -> TestServer {
    TestServer::start(0, Server::builder(), Unimplemented::new(8))
}

#[tokio::test]
async fn a_lazy_client_connects_when_the_server_is_there() {
    let first = server();
    let port = first.port();
    drop(first);
    let client = Client::connect_lazy(ClientOptions::new(format!("127.0.0.1:{port}"))).unwrap();
    let quick = client.with_call_options(CallOptions::new().without_retries());
    let error = quick.count("").await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("onnection refused"), "{error}");

    let _server = TestServer::start(port, Server::builder(), Unimplemented::new(8));
    // The call arrives: this server has no methods.
    assert!(client.count("").await.unwrap_err().is_unimplemented());
}

#[tokio::test]
async fn a_lazy_client_and_raw_calls_reach_a_real_server() {
    let Some(_) = client("a_lazy_client_and_raw_calls_reach_a_real_server").await else { return };
    let address = std::env::var("ABIDE_TEST_SERVER").unwrap();
    let client = Client::connect_lazy(ClientOptions::new(address)).unwrap();
    let timed = client.with_call_options(CallOptions::new().timeout(Duration::from_secs(20)));
    timed.count("WorkflowId = 'nobody'").await.unwrap();

    let mut service = abide::raw::workflow_service(&client);
    let answer = service.get_system_info(GetSystemInfoRequest::default()).await.unwrap().into_inner();
    assert!(!answer.server_version.is_empty());
    let mut operator = abide::raw::operator_service(&client);
    let request = ListSearchAttributesRequest { namespace: "default".to_string() };
    let answer = operator.list_search_attributes(request).await.unwrap().into_inner();
    assert!(answer.system_attributes.contains_key("WorkflowId"));
}

#[tokio::test]
async fn options_of_a_lazy_client_are_checked_at_once() {
    let error = Client::connect_lazy(ClientOptions::new("localhost:0")).unwrap_err();
    assert!(error.to_string().contains("has the port `0`"), "{error}");
    let proxy = ClientOptions::default().http_proxy(HttpProxy::new("proxy"));
    assert!(Client::connect_lazy(proxy).unwrap_err().to_string().contains("the proxy's address has no port"));
}

/// A proxy that knows one user. Keeps the first lines of what it was asked.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    _connections: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (mut connections, log) = (JoinSet::new(), Arc::clone(&asked));
        connections.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tunnels.spawn(tunnel(stream, Arc::clone(&log)));
            }
        });
        Self { address, asked, _connections: connections }
    }
}

async fn tunnel(mut client: TcpStream, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    log.lock().unwrap().push(head.lines().next().unwrap().to_string());
    let host = head.split_whitespace().nth(1).unwrap().to_string();
    // `worker:secret`
    if !head.to_lowercase().contains("proxy-authorization: basic d29ya2vyonnly3jlda==") {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
    } else if let Ok(mut server) = TcpStream::connect(host).await {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        // An error here is the end of one of the connections.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    } else {
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
    }
}

#[tokio::test]
async fn calls_go_through_the_proxy() {
    let (server, proxy) = (server(), Proxy::start().await);
    let options = ClientOptions::new(format!("127.0.0.1:{}", server.port()));
    let through = HttpProxy::new(&*proxy.address).basic_auth("worker", "secret");
    let client = Client::connect(options.http_proxy(through)).await.unwrap();
    assert!(client.count("").await.unwrap_err().is_unimplemented());
    assert_eq!(*proxy.asked.lock().unwrap(), [format!("CONNECT 127.0.0.1:{} HTTP/1.1", server.port())]);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_what_to_do() {
    let (server, proxy) = (server(), Proxy::start().await);
    let server = format!("127.0.0.1:{}", server.port());
    let refused = async |server: &str, proxy: HttpProxy| {
        let error = Client::connect(ClientOptions::new(server).http_proxy(proxy)).await.unwrap_err();
        assert!(error.is_unreachable() && !format!("{error} {error:?}").contains("secret"), "{error}");
        error.to_string()
    };
    let text = refused(&server, HttpProxy::new(&*proxy.address)).await;
    assert!(text.contains("asks for other credentials") && text.contains(&proxy.address), "{text}");
    let known = HttpProxy::new(&*proxy.address).basic_auth("worker", "secret");
    let text = refused("127.0.0.1:1", known).await;
    assert!(text.contains("refuses connections to the server"), "{text}");
    let text = refused(&server, HttpProxy::new("127.0.0.1:1")).await;
    assert!(text.contains("the proxy at 127.0.0.1:1") && text.contains("onnection refused"), "{text}");
}
