//! `replay FILE.binpb [--reps N] [--warm N]`: measures one replay of a recorded history, compared to just decoding it.
//!
//! Prints one JSON line; fails if the replay does not run the workflow to its end.

use std::process::ExitCode;

use abide_benches::arguments::Arguments;
use abide_benches::history_pages::HistoryPages;
use abide_benches::process::{median, peak_rss_kb, thread_cpu_ns};
use abide_benches::replaying::Replays;

/// Minimum events per repetition. A short history is replayed several times, because one pass would be too short to
/// measure.
const EVENTS_PER_REPETITION: usize = 30_000;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program: the figures are its output")]
fn main() -> ExitCode {
    match measure(Arguments::of_process()) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(mut arguments: Arguments) -> Result<serde_json::Value, String> {
    let reps: usize = arguments.option("--reps", 15)?;
    let warm: usize = arguments.option("--warm", 3)?;
    let [file] = arguments.finish("replay FILE.binpb [--reps N] [--warm N]")?;
    let encoded = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
    let pages = HistoryPages::cut(&encoded).map_err(|error| format!("{file}: {error}"))?;
    drop(encoded);

    let replays = Replays::default();
    let passes = EVENTS_PER_REPETITION.div_ceil(pages.events);
    let one_replay = || replays.replay(&pages);
    let one_decoding = || pages.decode_all();
    for _ in 0..warm.max(1) {
        cpu_ns(passes, one_replay)?;
    }
    let peak_rss_kb = peak_rss_kb()?;
    // Alternated, so that other load on the machine affects both.
    let (mut replayed, mut decoded) = (Vec::new(), Vec::new());
    for _ in 0..reps {
        replayed.push(cpu_ns(passes, one_replay)?);
        decoded.push(cpu_ns(passes, one_decoding)?);
    }
    let per_event = |figures| median(figures) / 1e3 / (passes * pages.events) as f64;
    let (replay, decode) = (per_event(replayed), per_event(decoded));
    Ok(serde_json::json!({
        "file": file.rsplit('/').next(),
        "events": pages.events,
        "cpu_us_per_event": round(replay),
        "decode_us_per_event": round(decode),
        "ratio": round(replay / decode),
        "peak_rss_kb": peak_rss_kb,
    }))
}

/// Returns the CPU time of one repetition, in nanoseconds.
fn cpu_ns(passes: usize, pass: impl Fn() -> Result<(), String>) -> Result<f64, String> {
    let before = thread_cpu_ns()?;
    for _ in 0..passes {
        pass()?;
    }
    Ok((thread_cpu_ns()? - before) as f64)
}

fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
