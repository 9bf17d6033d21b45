//! Versions and side effects of the Go and Java SDKs.
//!
//! The histories in `markers/` were recorded for this project on server 1.32.0 by workers of the Go SDK 1.50.0 and the
//! Java SDK 1.32.0. Java lists its versions in `TemporalChangeVersion` only if it is told to (`java-listed`).

use std::path::Path;

use abide::WorkflowReplayer;
use abide::prelude::*;
use abide::replay::NondeterminismKind;
use abide::workflow::DEFAULT_VERSION;

use super::{Recorded, differs, fits, one};

/// Asks for two changes, for the first one twice.
#[workflow(name = "Versions")]
async fn versions(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.version("first-change", DEFAULT_VERSION, 2);
    ctx.timer(millis(100)).await?;
    let again = ctx.version("first-change", DEFAULT_VERSION, 2);
    let second = ctx.version("second-change", DEFAULT_VERSION, 1);
    ctx.timer(millis(100)).await?;
    Ok(format!("{first} {again} {second}"))
}

/// The calls are gone.
#[workflow(name = "Versions")]
async fn versions_forgotten(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(100)).await?;
    ctx.timer(millis(100)).await?;
    Ok("2 2 1".to_string())
}

/// The first change is no longer supported.
#[workflow(name = "Versions")]
async fn versions_newer(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.version("first-change", 3, 3);
    Ok(String::new())
}

/// Patches instead of versions.
#[workflow(name = "Versions")]
async fn versions_as_patches(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = if ctx.patched("first-change") { 2 } else { DEFAULT_VERSION };
    ctx.timer(millis(100)).await?;
    let again = if ctx.patched("first-change") { 2 } else { DEFAULT_VERSION };
    let second = if ctx.patched("second-change") { 1 } else { DEFAULT_VERSION };
    ctx.timer(millis(100)).await?;
    Ok(format!("{first} {again} {second}"))
}

#[workflow(name = "SideEffects")]
async fn side_effects(ctx: &WorkflowContext) -> Result<Vec<i64>, WorkflowError> {
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(ctx.side_effect(|| unreachable!("a replay does not compute values")));
        ctx.timer(millis(100)).await?;
    }
    Ok(seen)
}

#[workflow(name = "MutableSideEffects")]
async fn mutable_side_effects(ctx: &WorkflowContext) -> Result<Vec<i32>, WorkflowError> {
    let look = || ctx.mutable_side_effect("setting", || unreachable!("a replay does not compute values"));
    let mut seen = Vec::new();
    for turn in 0..3 {
        seen.push(look());
        seen.push(look());
        seen.push(ctx.version(&format!("turn-{turn}"), DEFAULT_VERSION, 1));
        seen.push(look());
        ctx.timer(millis(100)).await?;
    }
    Ok(seen)
}

fn marked(name: &str) -> Recorded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay_histories/markers");
    Recorded { name: format!("markers/{name}"), history: one(&folder.join(format!("{name}.json"))) }
}

const ALL_VERSIONS: [&str; 3] = ["go-versions", "java-versions", "java-listed-versions"];

#[test]
fn versions_of_go_and_java_are_those_of_the_run() {
    for name in ALL_VERSIONS {
        fits(&WorkflowReplayer::new().workflow(versions), &marked(name));
    }
}

#[test]
fn versions_of_go_and_java_read_as_patches() {
    for name in ALL_VERSIONS {
        fits(&WorkflowReplayer::new().workflow(versions_as_patches), &marked(name));
    }
}

#[test]
fn calls_for_versions_may_be_removed() {
    for name in ALL_VERSIONS {
        let replayed = WorkflowReplayer::new().workflow(versions_forgotten).replay(&marked(name));
        assert!(replayed.is_ok_and(|replayed| replayed.same_outcome()), "{name}");
    }
}

#[test]
fn a_version_that_is_no_longer_supported_is_named() {
    for name in ALL_VERSIONS {
        let found = differs(&WorkflowReplayer::new().workflow(versions_newer), &marked(name));
        assert_eq!((found.kind(), found.event_id()), (NondeterminismKind::UnsupportedVersion, 3), "{name}: {found}");
        assert!(found.recorded().contains("version 2 of `first-change`"), "{name}: {found}");
    }
}

#[test]
fn side_effects_of_go_and_java_are_read() {
    for name in ["go-side-effects", "java-side-effects"] {
        fits(&WorkflowReplayer::new().workflow(side_effects), &marked(name));
    }
}

#[test]
fn mutable_side_effects_of_go_and_java_are_read() {
    for name in ["go-mutable-side-effects", "java-mutable-side-effects"] {
        fits(&WorkflowReplayer::new().workflow(mutable_side_effects), &marked(name));
    }
}
