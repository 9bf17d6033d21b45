//! `genhist DIR`: writes the histories of `benches/run` into a folder, for `replay`.

use std::path::Path;
use std::process::ExitCode;

use abide_benches::arguments::Arguments;
use abide_benches::histories::{
    children, fan_out, local_activities, local_activities_in_one_task, patches, seq_activities, seq_timers, signals,
    signals_in_one_task, small, updates,
};
use abide_protos::prost::Message;
use abide_protos::temporal::api::history::v1::History;

/// File name, number of units, and the function that makes the history.
type Shape = (&'static str, u32, fn(u32) -> History);

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program: what it wrote is its output")]
fn main() -> ExitCode {
    match write_all(Arguments::of_process()) {
        Ok(lines) => {
            println!("{}", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("genhist: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(arguments: Arguments) -> Result<Vec<String>, String> {
    let [folder] = arguments.finish("genhist DIR")?;
    // Each is made when its turn comes: all at once would take a gigabyte.
    let shapes: [Shape; 27] = [
        ("seq_activities_100", 100, seq_activities),
        ("seq_activities_1000", 1_000, seq_activities),
        ("seq_activities_5000", 5_000, seq_activities),
        ("seq_timers_100", 100, seq_timers),
        ("seq_timers_1000", 1_000, seq_timers),
        ("seq_timers_5000", 5_000, seq_timers),
        ("fanout_1000", 1_000, fan_out),
        ("small_11", 1, |_| small()),
        ("signals_seq_1000", 1_000, signals),
        ("signals_burst_100", 100, signals_in_one_task),
        ("signals_burst_1000", 1_000, signals_in_one_task),
        ("signals_burst_10000", 10_000, signals_in_one_task),
        ("signals_burst_100000", 100_000, signals_in_one_task),
        ("local_activities_100", 100, local_activities),
        ("local_activities_1000", 1_000, local_activities),
        ("local_activities_5000", 5_000, local_activities),
        ("local_activities_20000", 20_000, local_activities),
        ("local_activities_burst_100", 100, local_activities_in_one_task),
        ("local_activities_burst_5000", 5_000, local_activities_in_one_task),
        ("local_activities_burst_1000", 1_000, local_activities_in_one_task),
        ("local_activities_burst_20000", 20_000, local_activities_in_one_task),
        ("updates_100", 100, updates),
        ("updates_1000", 1_000, updates),
        ("updates_5000", 5_000, updates),
        ("updates_20000", 20_000, updates),
        ("children_500", 500, children),
        ("patches_100", 100, patches),
    ];
    shapes.iter().map(|(name, n, shape)| write(Path::new(&folder), name, &shape(*n))).collect()
}

fn write(folder: &Path, name: &str, history: &History) -> Result<String, String> {
    let (file, encoded) = (folder.join(name).with_extension("binpb"), history.encode_to_vec());
    std::fs::write(&file, &encoded).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(format!("{name}: {} events, {} bytes", history.events.len(), encoded.len()))
}
