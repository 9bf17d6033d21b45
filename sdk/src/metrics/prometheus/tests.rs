//! Tests of the text format and of the endpoint.

use std::time::Duration;

use expect_test::expect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

#[test]
fn a_scrape_has_types_labels_and_cumulative_buckets() {
    let builder = Metrics::builder().global_label("env", "te\"st").without_service_name();
    let metrics = builder.histogram_buckets("wait", [1.0, 2.5, 10.0]).build().unwrap();
    let meter = metrics.meter().with_label("kind", "a");
    meter.counter("orders", "Orders taken", "").add(3);
    metrics.meter().counter("orders", "", "").add(1);
    meter.gauge("open-orders", "", "").set(-1.5);
    meter.gauge("open.orders", "becomes the same name", "").set(7.0);
    let wait = meter.duration_histogram("wait", "Time\nwaited");
    [1, 2, 3, 30].into_iter().for_each(|millis| wait.record_duration(Duration::from_millis(millis)));
    expect![[r##"
        # TYPE open_orders gauge
        open_orders{env="te\"st",kind="a"} -1.5
        # HELP orders Orders taken
        # TYPE orders counter
        orders{env="te\"st"} 1
        orders{env="te\"st",kind="a"} 3
        # HELP wait Time\nwaited
        # TYPE wait histogram
        wait_bucket{env="te\"st",kind="a",le="1"} 1
        wait_bucket{env="te\"st",kind="a",le="2.5"} 2
        wait_bucket{env="te\"st",kind="a",le="10"} 3
        wait_bucket{env="te\"st",kind="a",le="+Inf"} 4
        wait_sum{env="te\"st",kind="a"} 36
        wait_count{env="te\"st",kind="a"} 4
    "##]]
    .assert_eq(&metrics.prometheus_text());
}

#[test]
fn names_and_labels_have_only_characters_that_prometheus_allows() {
    let metrics = Metrics::builder().without_service_name().build().unwrap();
    let meter = metrics.meter().with_label("task-queue", "a-b").with_label("task.queue", "c").with_label("x:y", "z");
    meter.counter("7 orders:all", "", "").add(1);
    let text = metrics.prometheus_text();
    assert_eq!(text, "# TYPE _7_orders:all counter\n_7_orders:all{task_queue=\"a-b\",x_y=\"z\"} 1\n");
}

/// Sends a request and returns the answer.
async fn ask(endpoint: &PrometheusEndpoint, request: &str) -> String {
    let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_endpoint_serves_one_path_on_loopback_and_ends_when_dropped() {
    let metrics = Metrics::builder().without_service_name().build().unwrap();
    metrics.meter().counter("orders", "", "").add(3);
    let endpoint = serve(&metrics, 0).await.unwrap();
    assert!(endpoint.address().ip().is_loopback());
    let scraped = ask(&endpoint, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(scraped.starts_with("HTTP/1.1 200 OK\r\n") && scraped.contains("text/plain; version=0.0.4"), "{scraped}");
    assert!(scraped.ends_with("\r\n\r\n# TYPE orders counter\norders 3\n"), "{scraped}");
    let head = ask(&endpoint, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let elsewhere = ask(&endpoint, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(elsewhere.starts_with("HTTP/1.1 404 ") && elsewhere.contains("/metrics"), "{elsewhere}");
    let posted = ask(&endpoint, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    let long = ask(&endpoint, &format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000))).await;
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
    let address = endpoint.address();
    assert!(serve(&metrics, address.port()).await.is_err(), "the port is taken");
    drop(endpoint);
    // The task that listens is dropped by the runtime, not by this one.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_cut() {
    let endpoint = serve(&Metrics::default(), 0).await.unwrap();
    assert_eq!(ask(&endpoint, "GET /metr").await, "");
}
