//! The guide: nine chapters to read in order, then pages to look things up.
#![doc = include_str!("../docs/guide/README.md")]

// The programs of the chapters and of the page about interceptors run on the embedded server, so they are doc tests of
// `abide-testing`, which includes them too. The programs of the other pages are doc tests of this crate.

pub mod first_workflow {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/first_workflow.md"))]
}
pub mod failures_and_retries {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/failures_and_retries.md"))]
}
pub mod time {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/time.md"))]
}
pub mod messages {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/messages.md"))]
}
pub mod concurrency {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/concurrency.md"))]
}
pub mod children {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/children.md"))]
}
pub mod versioning {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/versioning.md"))]
}
pub mod testing {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/testing.md"))]
}
pub mod production {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/production.md"))]
}
pub mod activities {
    #![doc = include_str!("../docs/guide/activities.md")]
}
pub mod client {
    #![doc = include_str!("../docs/guide/client.md")]
}
pub mod schedules {
    #![doc = include_str!("../docs/guide/schedules.md")]
}
pub mod definitions {
    #![doc = include_str!("../docs/guide/definitions.md")]
}
pub mod message_handlers {
    #![doc = include_str!("../docs/guide/message_handlers.md")]
}
pub mod cancellation {
    #![doc = include_str!("../docs/guide/cancellation.md")]
}
pub mod continue_as_new {
    #![doc = include_str!("../docs/guide/continue_as_new.md")]
}
pub mod determinism {
    #![doc = include_str!("../docs/guide/determinism.md")]
}
pub mod data_conversion {
    #![doc = include_str!("../docs/guide/data_conversion.md")]
}
pub mod visibility {
    #![doc = include_str!("../docs/guide/visibility.md")]
}
pub mod operators {
    #![doc = include_str!("../docs/guide/operators.md")]
}
pub mod interceptors {
    #![cfg_attr(not(doctest), doc = include_str!("../docs/guide/interceptors.md"))]
}
pub mod metrics {
    #![doc = include_str!("../docs/guide/metrics.md")]
}
pub mod traces {
    #![doc = include_str!("../docs/guide/traces.md")]
}
pub mod nexus {
    #![doc = include_str!("../docs/guide/nexus.md")]
}
pub mod compatibility {
    #![doc = include_str!("../docs/guide/compatibility.md")]
}
pub mod coming_from {
    #![doc = include_str!("../docs/guide/coming_from.md")]
}
pub mod driving_the_core {
    #![doc = include_str!("../docs/guide/driving_the_core.md")]
}
