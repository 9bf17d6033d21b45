//! `fakeserver` with each worker: all workflows complete, and a worker that does not do its work is reported.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output};

use serde_json::Value;

const FAKESERVER: &str = env!("CARGO_BIN_EXE_fakeserver");
const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const BARE: &str = env!("CARGO_BIN_EXE_bare");

#[test]
fn live_workflows_complete() {
    let small = "--n 20 --warm 5 --conc 4";
    let cases = [
        (small, BARE),
        (small, WORKER),
        ("--n 5 --warm 1 --conc 2 --gzip --wf SeqActivities --input 3", WORKER),
        ("--n 5 --warm 1 --conc 2 --wf SeqTimers --input 3", WORKER),
        ("--n 5 --warm 1 --conc 2 --wf FanOut --input 20", WORKER),
    ];
    for (options, worker) in cases {
        let lines = figures(options, worker);
        let wanted: f64 = options.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("--n comes first");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0]["n"].as_f64() >= Some(wanted), "{lines:?}");
        assert!(lines[0]["wft_turnaround_us"]["p50"].as_u64() > Some(0), "{lines:?}");
    }
}

#[test]
fn parked_workflows_wait_and_then_complete() {
    let lines = figures("--n 20 --park --wf SignalCount --input 2 --signals 2", WORKER);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0]["rss_kb"].as_u64() > Some(0), "{lines:?}");
    assert_eq!(lines[1]["wfts"], 40.0, "one task for each signal: {lines:?}");
}

#[test]
fn a_worker_that_ends_is_reported() {
    let ended = fakeserver("--n 1", "false");
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && ended.stdout.is_empty());
    assert!(error.contains("the worker ended too early (exit status: 1): first poll: 0 of 1"), "{error}");
}

#[test]
fn a_workflow_that_the_worker_does_not_know_is_reported() {
    let ended = fakeserver("--n 1 --warm 0 --conc 1 --wf Unknown", WORKER);
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && ended.stdout.is_empty());
    assert!(error.contains("fakeserver: the worker failed a workflow task"), "{error}");
}

/// Returns the lines of JSON of a measurement.
fn figures(options: &str, worker: &str) -> Vec<Value> {
    let output = fakeserver(options, worker);
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{options}: {error}");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Runs a measurement on a free port.
fn fakeserver(options: &str, worker: &str) -> Output {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let port = free.local_addr().expect("it has an address").port().to_string();
    drop(free);
    let mut command = Command::new(FAKESERVER);
    command.args(options.split(' ')).args(["--port", &port, "--", worker]);
    if worker == WORKER || worker == BARE {
        command.args(["--address", &format!("127.0.0.1:{port}")]);
    }
    command.output().expect("it starts")
}
