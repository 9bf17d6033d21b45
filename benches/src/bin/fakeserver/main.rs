//! `fakeserver [OPTIONS] -- WORKER`: starts a worker, feeds it as fast as it takes tasks, and measures it.
//!
//! Prints one line of JSON: figures of live work; or, with `--park`, of workflows that wait, and a second line with
//! `--signals`. Fails if the worker ends, fails a task, or does nothing for 60 s.

mod frontend;
mod latencies;
mod measure;
mod options;
mod queue;
mod run;
mod server;
mod usage;

use std::future::pending;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use abide_benches::arguments::Arguments;
use abide_protos_server::workflow_service_server::WorkflowServiceServer;
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;

use frontend::Frontend;
use measure::Measurement;
use options::Options;
use server::Server;

/// Windows of HTTP/2, so that no request waits for another's window.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

#[tokio::main(worker_threads = 2)]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program: the figures are its output")]
async fn main() -> ExitCode {
    match run(Arguments::of_process()).await {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fakeserver: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Vec<Value>, String> {
    let options = Options::parse(arguments)?;
    let address = (Ipv4Addr::LOCALHOST, options.port);
    let listener = TcpListener::bind(address).await.map_err(|error| format!("port {}: {error}", options.port))?;
    let gzip = options.gzip;
    let server = Arc::new(Server::new(options));
    let mut service = WorkflowServiceServer::new(Frontend { server: Arc::clone(&server) })
        .accept_compressed(CompressionEncoding::Gzip);
    if gzip {
        service = service.send_compressed(CompressionEncoding::Gzip);
    }
    let serving = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_with_incoming_shutdown(service, TcpIncoming::from(listener).with_nodelay(Some(true)), pending());
    tokio::select! {
        served = serving => Err(format!("the server stopped: {served:?}")),
        measured = Measurement::start(server)?.run() => measured,
    }
}
