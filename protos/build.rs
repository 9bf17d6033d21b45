//! Generates what the published message crate omits, from the descriptor set that it passes to its dependents: the
//! descriptors of histories (for their JSON form), the fields with payloads, and the descriptors of the services, from
//! which `abide-protos-server` generates its traits.

#[path = "build/payload_fields.rs"]
mod payload_fields;

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::PathBuf;

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build/payload_fields.rs");
    let path = std::env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH")?;
    println!("cargo:rerun-if-changed={path}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let all = FileDescriptorSet::decode(&*std::fs::read(path)?)?;

    let history = closure(&all, |file| matches!(file.package(), "temporal.api.history.v1" | "temporal.api.command.v1"));
    std::fs::write(out.join("history_descriptors.bin"), history.encode_to_vec())?;

    // Only tests read these.
    let every = FileDescriptorSet { file: all.file.iter().map(without_comments).collect() };
    std::fs::write(out.join("all_descriptors.bin"), every.encode_to_vec())?;
    std::fs::write(out.join("payload_fields.rs"), payload_fields::generate(&all))?;
    std::fs::write(out.join("failure_ways.rs"), payload_fields::failure_ways(&all))?;

    let names = ["workflowservice", "operatorservice", "testservice"].map(|s| format!("temporal.api.{s}.v1"));
    let services =
        closure(&all, |file| file.package() == "grpc.health.v1" || names.iter().any(|name| name == file.package()));
    let path = out.join("services.bin");
    std::fs::write(&path, services.encode_to_vec())?;
    println!("cargo:services={}", path.display());
    Ok(())
}

/// Returns the files selected by `wanted` with all their imports, in the order of the whole set, without comments.
fn closure(all: &FileDescriptorSet, wanted: impl Fn(&FileDescriptorProto) -> bool) -> FileDescriptorSet {
    let by_name: HashMap<&str, &FileDescriptorProto> = all.file.iter().map(|file| (file.name(), file)).collect();
    let mut keep: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = all.file.iter().filter(|file| wanted(file)).map(|file| file.name()).collect();
    while let Some(name) = open.pop() {
        if keep.insert(name) {
            open.extend(by_name[name].dependency.iter().map(String::as_str));
        }
    }
    let file = all.file.iter().filter(|file| keep.contains(file.name())).map(without_comments).collect();
    FileDescriptorSet { file }
}

fn without_comments(file: &FileDescriptorProto) -> FileDescriptorProto {
    FileDescriptorProto { source_code_info: None, ..file.clone() }
}
