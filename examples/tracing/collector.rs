//! A collector that takes spans over OTLP (gRPC) and shows them as trees. Your own collector takes its place.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on a free port of this machine. Returns its address.
    #[expect(clippy::disallowed_methods, reason = "the collector stands for another program")]
    pub fn listen(&self) -> io::Result<String> {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
        let address = incoming.local_addr()?;
        let service = TraceServiceServer::new(self.clone());
        tokio::spawn(Server::builder().serve_with_incoming(service, incoming));
        Ok(format!("http://{address}"))
    }

    /// The spans as trees, one line for each, children below their parents and sorted by name.
    pub fn trees(&self) -> String {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_by_key(|span| (span.name.clone(), span.start_time_unix_nano));
        let mut below: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
        for span in spans {
            below.entry(span.parent_span_id.clone()).or_default().push(span);
        }
        let mut lines = Vec::new();
        write_below(&mut lines, &below, &[], 0);
        lines.join("\n")
    }
}

fn write_below(lines: &mut Vec<String>, below: &BTreeMap<Vec<u8>, Vec<Span>>, parent: &[u8], depth: usize) {
    for span in below.get(parent).into_iter().flatten() {
        let error = span.status.as_ref().map(|status| status.message.as_str()).filter(|message| !message.is_empty());
        let error = error.map(|error| format!(" ({error})")).unwrap_or_default();
        lines.push(format!("{}{}{error}", "  ".repeat(depth), span.name));
        write_below(lines, below, &span.span_id, depth + 1);
    }
}
