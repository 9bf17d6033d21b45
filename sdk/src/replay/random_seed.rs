//! The seed of a run's random numbers: the same as Core's, so that runs can move between SDKs.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

/// SipHash-1-3 with zero keys over the run id as Rust hashes a `str` (its bytes, then 0xFF).
pub(crate) fn random_seed(run_id: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    run_id.hash(&mut hasher);
    hasher.finish()
}
