//! The guide. Each chapter is one page and can be read on its own.
#![doc = include_str!("../docs/guide/README.md")]

pub mod first_test {
    #![doc = include_str!("../docs/guide/first_test.md")]
}
pub mod time {
    #![doc = include_str!("../docs/guide/time.md")]
}
pub mod activities {
    #![doc = include_str!("../docs/guide/activities.md")]
}
pub mod failing_tests {
    #![doc = include_str!("../docs/guide/failing_tests.md")]
}
pub mod server {
    #![doc = include_str!("../docs/guide/server.md")]
}
