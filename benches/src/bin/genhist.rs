//! `genhist DIR`: writes the histories with local activities, updates, children and patches to a folder, for `replay`.

use std::path::Path;
use std::process::ExitCode;

use abide_benches::arguments::Arguments;
use abide_benches::histories::{
    children, local_activities, local_activities_in_one_task, patches, signals_in_one_task, updates,
};
use abide_protos::prost::Message;
use abide_protos::temporal::api::history::v1::History;

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
    let shapes = [
        ("local_activities_100", local_activities(100)),
        ("local_activities_1000", local_activities(1_000)),
        ("local_activities_5000", local_activities(5_000)),
        ("local_activities_20000", local_activities(20_000)),
        ("local_activities_burst_100", local_activities_in_one_task(100)),
        ("local_activities_burst_5000", local_activities_in_one_task(5_000)),
        ("local_activities_burst_1000", local_activities_in_one_task(1_000)),
        ("local_activities_burst_20000", local_activities_in_one_task(20_000)),
        ("signals_burst_100", signals_in_one_task(100)),
        ("signals_burst_10000", signals_in_one_task(10_000)),
        ("signals_burst_100000", signals_in_one_task(100_000)),
        ("updates_100", updates(100)),
        ("updates_1000", updates(1_000)),
        ("updates_5000", updates(5_000)),
        ("updates_20000", updates(20_000)),
        ("children_500", children(500)),
        ("patches_100", patches(100)),
    ];
    shapes.iter().map(|(name, history)| write(Path::new(&folder), name, history)).collect()
}

fn write(folder: &Path, name: &str, history: &History) -> Result<String, String> {
    let (file, encoded) = (folder.join(name).with_extension("binpb"), history.encode_to_vec());
    std::fs::write(&file, &encoded).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(format!("{name}: {} events, {} bytes", history.events.len(), encoded.len()))
}
