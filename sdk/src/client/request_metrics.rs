//! Counts the requests of a connection by method: as many as are sent, so a call that is retried counts several times.

use std::sync::OnceLock;

use tokio::time::Instant;

use super::rpc::{RPC_COUNT, Rpc};
use crate::metrics::temporal::{
    LONG_REQUEST, LONG_REQUEST_FAILURE, LONG_REQUEST_LATENCY, REQUEST, REQUEST_FAILURE, REQUEST_LATENCY, TemporalMeter,
};
use crate::metrics::{Counter, Histogram, Metrics};

/// The two kinds of requests, which have metrics of their own: a long poll takes up to a minute.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestKind {
    Short,
    LongPoll,
}

/// The request metrics of a connection.
pub(super) struct RequestMetrics {
    meter: TemporalMeter,
    /// By the method's number. On the heap, because the connection moves while it is made.
    short: Box<[OnceLock<OfMethod>]>,
    long: Box<[OnceLock<OfMethod>]>,
}

struct OfMethod {
    meter: TemporalMeter,
    requests: Counter,
    latency: Histogram,
}

/// A request in progress.
pub(super) struct Request<'a> {
    kind: RequestKind,
    method: &'a OfMethod,
    began: Instant,
}

impl RequestMetrics {
    pub(super) fn new(metrics: &Metrics, namespace: &str) -> Self {
        let meter = metrics.temporal().with("namespace", namespace);
        let methods = || (0..RPC_COUNT).map(|_| OnceLock::new()).collect();
        Self { meter, short: methods(), long: methods() }
    }

    /// Counts a request that is about to be sent.
    pub(super) fn begin<R: Rpc>(&self, kind: RequestKind) -> Request<'_> {
        let (methods, requests, latency) = match kind {
            RequestKind::Short => (&self.short, REQUEST, REQUEST_LATENCY),
            RequestKind::LongPoll => (&self.long, LONG_REQUEST, LONG_REQUEST_LATENCY),
        };
        let method = methods[R::INDEX].get_or_init(|| {
            let meter = self.meter.with("operation", R::NAME);
            OfMethod { requests: meter.counter(&requests), latency: meter.histogram(&latency), meter }
        });
        method.requests.add(1);
        Request { kind, method, began: Instant::now() }
    }
}

impl Request<'_> {
    /// Records that the request has ended; `failure` is its status code, if it failed.
    pub(super) fn ended(self, failure: Option<&str>) {
        self.method.latency.record_duration(self.began.elapsed());
        let Some(code) = failure else { return };
        let definition = match self.kind {
            RequestKind::Short => REQUEST_FAILURE,
            RequestKind::LongPoll => LONG_REQUEST_FAILURE,
        };
        // Failures are rare, so their series are looked up.
        self.method.meter.with("status_code", code).counter(&definition).add(1);
    }
}
