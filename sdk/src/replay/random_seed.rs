//! The seed of a run's random numbers, which is that of Core, so that runs can move between SDKs.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

/// Returns the UUID (version 4) with this number among those derived from a run's seed.
pub(crate) fn seeded_uuid(seed: u64, number: u32) -> String {
    let word = |half: u64| {
        let mut hasher = SipHasher13::new_with_keys(seed, half);
        hasher.write_u32(number);
        hasher.finish()
    };
    let (high, low) = (word(0), word(1));
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
    let (fourth, fifth) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{fifth:012x}")
}

/// Computes the seed of a run: SipHash-1-3 with zero keys over the run id as Rust hashes a `str` (its bytes, then
/// 0xFF).
pub(crate) fn random_seed(run_id: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    run_id.hash(&mut hasher);
    hasher.finish()
}
