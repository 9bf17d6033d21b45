//! The guide. Each chapter is one page and can be read on its own.
#![doc = include_str!("../docs/guide/README.md")]

pub mod first_steps {
    #![doc = include_str!("../docs/guide/first_steps.md")]
}
pub mod definitions {
    #![doc = include_str!("../docs/guide/definitions.md")]
}
pub mod activities {
    #![doc = include_str!("../docs/guide/activities.md")]
}
pub mod client {
    #![doc = include_str!("../docs/guide/client.md")]
}
pub mod errors {
    #![doc = include_str!("../docs/guide/errors.md")]
}
pub mod concurrency {
    #![doc = include_str!("../docs/guide/concurrency.md")]
}
pub mod messages {
    #![doc = include_str!("../docs/guide/messages.md")]
}
pub mod cancellation {
    #![doc = include_str!("../docs/guide/cancellation.md")]
}
pub mod child_workflows {
    #![doc = include_str!("../docs/guide/child_workflows.md")]
}
pub mod continue_as_new {
    #![doc = include_str!("../docs/guide/continue_as_new.md")]
}
pub mod nexus {
    #![doc = include_str!("../docs/guide/nexus.md")]
}
pub mod determinism {
    #![doc = include_str!("../docs/guide/determinism.md")]
}
pub mod testing {
    #![doc = include_str!("../docs/guide/testing.md")]
}
pub mod versioning {
    #![doc = include_str!("../docs/guide/versioning.md")]
}
pub mod production {
    #![doc = include_str!("../docs/guide/production.md")]
}
pub mod visibility {
    #![doc = include_str!("../docs/guide/visibility.md")]
}
pub mod data_conversion {
    #![doc = include_str!("../docs/guide/data_conversion.md")]
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
