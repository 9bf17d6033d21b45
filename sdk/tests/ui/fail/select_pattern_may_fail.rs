use abide::prelude::*;

async fn race() -> u32 {
    abide::select! {
        Some(value) = std::future::ready(Some(1)) => value,
        _ = std::future::ready(()) => 2,
    }
}

fn main() {}
