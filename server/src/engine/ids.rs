//! Identifiers made from a seed: the same requests at the same times give the same ids.

use super::time::Time;

/// Generates run ids, request ids and so on, in a real server's format.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns a time-ordered id (UUID version 7), used as the run id of a plain start.
    pub(crate) fn v7(&mut self, now: Time) -> String {
        let random = self.random();
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[..10]);
        uuid::Builder::from_unix_timestamp_millis(now.millis(), &tail).into_uuid().to_string()
    }

    /// Returns a random id (UUID version 4), for runs that continue others, requests and namespaces.
    pub(crate) fn v4(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random()).into_uuid().to_string()
    }

    fn random(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        bytes
    }

    /// One step of SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
