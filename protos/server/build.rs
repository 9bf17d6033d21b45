//! Generates the server traits from the descriptors that `abide-protos` passes to its dependents' build scripts.

use std::error::Error;

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let path = std::env::var("DEP_ABIDE_PROTOS_SERVICES")?;
    println!("cargo:rerun-if-changed={path}");
    let services = FileDescriptorSet::decode(&*std::fs::read(path)?)?;
    tonic_prost_build::configure()
        .build_client(false)
        .generate_default_stubs(true)
        .extern_path(".temporal.api", "::temporal_sdk_core_protos::temporal::api")
        .extern_path(".grpc.health.v1", "::temporal_sdk_core_protos::grpc::health::v1")
        .include_file("server.rs")
        .compile_fds(services)?;
    Ok(())
}
