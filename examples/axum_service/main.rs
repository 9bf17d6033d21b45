//! A web service with a worker in the same process. `cargo run --example axum_service`, or `.. -- serve` until Ctrl-C

mod service;
mod workflow;

use std::net::SocketAddr;

use abide::prelude::*;
use abide_examples::{Server, unique};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::workflow::{Order, ship};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let worker = Worker::builder(server.client(), "axum_service").workflow(Order::run).activities(ship).build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = async move {
        let ended = if std::env::args().any(|arg| arg == "serve") {
            println!("http://{address}/orders");
            tokio::signal::ctrl_c().await
        } else {
            visit(address).await
        };
        ended.unwrap_or_else(|error| println!("{error}"));
    };
    // The worker stops after the service has answered its last request, because an answer may need the worker.
    let service = axum::serve(listener, service::routes(server.client().clone())).with_graceful_shutdown(stop);
    worker.run_until(service.into_future()).await??;
    println!("stopped");
    Ok(())
}

/// Makes three requests, as simple as HTTP allows.
async fn visit(address: SocketAddr) -> std::io::Result<()> {
    let id = unique("order");
    let body = format!(r#"{{ "id": "{id}", "article": "book" }}"#);
    for (request, body) in [("POST /orders", &*body), ("GET /orders/{id}", ""), ("POST /orders/{id}/payment", "")] {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("{} HTTP/1.0\r\ncontent-type: application/json\r\n", request.replace("{id}", &id));
        stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.0 ");
        println!("{request}: {}", [status, body].join(" ").trim_end());
    }
    Ok(())
}
