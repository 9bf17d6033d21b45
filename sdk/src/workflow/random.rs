//! Random numbers that are the same on every replay, and in every run that the official Rust SDK began.
//!
//! All come from the run's seed: one generator for the workflow's own code, and one for each named stream, so that the
//! draws of a library do not shift those of others. A reset and a continue-as-new get other seeds, and so other
//! numbers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hasher;
use std::rc::Rc;

use rand_core::{Rng, SeedableRng, TryRng};
use rand_pcg::Pcg64Mcg;
use siphasher::sip::SipHasher13;

use super::context::WorkflowContext;
use super::run_state::RunState;

/// Source of a run's random numbers.
#[derive(Debug, Default)]
pub(crate) struct Random {
    seed: u64,
    /// `None` for most workflows, which draw nothing.
    generators: Option<Box<Generators>>,
}

#[derive(Debug)]
struct Generators {
    main: Pcg64Mcg,
    streams: BTreeMap<String, Pcg64Mcg>,
}

impl Random {
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Restarts all sequences with another seed.
    pub(crate) fn reseed(&mut self, seed: u64) {
        *self = Self { seed, generators: None };
    }

    fn generator(&mut self, stream: Option<&str>) -> &mut Pcg64Mcg {
        let seed = self.seed;
        let generators = self.generators.get_or_insert_with(|| {
            Box::new(Generators { main: Pcg64Mcg::seed_from_u64(seed), streams: BTreeMap::new() })
        });
        let Some(name) = stream else { return &mut generators.main };
        if !generators.streams.contains_key(name) {
            generators.streams.insert(name.to_string(), Pcg64Mcg::seed_from_u64(seed_of_stream(seed, name)));
        }
        generators.streams.get_mut(name).expect("the stream was just begun")
    }
}

/// Part of the contract. The second key separates these seeds from other values that are derived from the run's seed.
fn seed_of_stream(seed: u64, name: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, seed ^ u64::from_be_bytes(*b"temporal"));
    hasher.write(b"temporal-rust-workflow-random-stream\0");
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// A source of random numbers that are the same on every replay. Made by [`WorkflowContext::rng`] and
/// [`WorkflowContext::random_stream`].
///
/// It implements `rand_core` 0.10, so it works with the crate `rand` 0.10: shuffling, ranges and distributions. Not for
/// secrets: anyone who knows the run's id can compute the numbers.
#[derive(Clone)]
pub struct WorkflowRng {
    shared: Rc<RunState>,
    stream: Option<Rc<str>>,
}

impl WorkflowContext {
    /// Draws a random number that is the same on every replay.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// // Ten to twenty minutes.
    /// ctx.timer(mins(10).mul_f64(1.0 + ctx.random::<f64>())).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn random<T: RandomValue>(&self) -> T {
        self.rng().random()
    }

    /// The generator from which [`random`](Self::random) draws.
    pub fn rng(&self) -> WorkflowRng {
        WorkflowRng { shared: self.shared.clone(), stream: None }
    }

    /// Returns a generator of its own for each name: drawing from one does not change the numbers of the others. For
    /// libraries whose draws should not shift those of the workflows that use them.
    pub fn random_stream(&self, name: impl AsRef<str>) -> WorkflowRng {
        WorkflowRng { shared: self.shared.clone(), stream: Some(name.as_ref().into()) }
    }

    /// Draws a random UUID (version 4) that is the same on every replay, in its usual text form.
    #[track_caller]
    pub fn uuid4(&self) -> String {
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        let bits = self.random::<u128>() & !VERSION & !VARIANT | 0x4 << 76 | 0b10 << 62;
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// Seed of the run's random numbers, for your own generators. It is the same in every SDK that shares Core's
    /// contracts, and changes with a reset.
    pub fn random_seed(&self) -> u64 {
        self.shared.random.borrow().seed()
    }
}

impl WorkflowRng {
    /// Draws the next random number.
    #[track_caller]
    pub fn random<T: RandomValue>(&mut self) -> T {
        self.draw(T::draw)
    }

    #[track_caller]
    fn draw<T>(&self, draw: impl FnOnce(&mut Pcg64Mcg) -> T) -> T {
        self.shared.must_not_be_read_only("a random number");
        draw(self.shared.random.borrow_mut().generator(self.stream.as_deref()))
    }
}

impl TryRng for WorkflowRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.draw(Pcg64Mcg::next_u32))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw(Pcg64Mcg::next_u64))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.draw(|generator| generator.fill_bytes(bytes));
        Ok(())
    }
}

impl fmt::Debug for WorkflowRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowRng").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// A type that [`WorkflowContext::random`] can draw: integers over their whole range, `f32` and `f64` from 0 up to but
/// not including 1, and `bool`.
pub trait RandomValue: sealed::Draw {}

mod sealed {
    /// Draws like the standard distribution of the crate `rand`, with which other SDKs recorded their runs.
    pub trait Draw: Sized {
        #[doc(hidden)]
        fn draw(generator: &mut super::Pcg64Mcg) -> Self;
    }
}

macro_rules! random_values {
    ($($ty:ty: |$generator:ident| $draw:expr;)*) => {$(
        impl sealed::Draw for $ty {
            #[expect(clippy::allow_attributes, reason = "one of the types below needs no cast")]
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::unnecessary_cast)]
            fn draw($generator: &mut Pcg64Mcg) -> Self {
                $draw
            }
        }

        impl RandomValue for $ty {}
    )*};
}

random_values! {
    u8: |generator| generator.next_u32() as u8;
    u16: |generator| generator.next_u32() as u16;
    u32: |generator| generator.next_u32();
    u64: |generator| generator.next_u64();
    u128: |generator| u128::from(generator.next_u64()) | u128::from(generator.next_u64()) << 64;
    i8: |generator| generator.next_u32() as i8;
    i16: |generator| generator.next_u32() as i16;
    i32: |generator| generator.next_u32() as i32;
    i64: |generator| generator.next_u64() as i64;
    i128: |generator| u128::draw(generator) as i128;
    f32: |generator| (generator.next_u32() >> 8) as f32 / (1_u32 << 24) as f32;
    f64: |generator| (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    bool: |generator| (generator.next_u32() as i32) < 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values come from the crates that the official Rust SDK draws with.
    #[test]
    fn b021_numbers_are_those_of_the_official_rust_sdk() {
        let mut random = Random::default();
        random.reseed(42);
        let generator = random.generator(None);
        assert_eq!(<u8 as sealed::Draw>::draw(generator), 155);
        assert_eq!(<u16 as sealed::Draw>::draw(generator), 28271);
        assert_eq!(<u32 as sealed::Draw>::draw(generator), 2_130_306_854);
        assert_eq!(<u64 as sealed::Draw>::draw(generator), 4_158_018_624_955_442_615);
        assert_eq!(<u128 as sealed::Draw>::draw(generator), 120_853_625_425_609_332_253_157_644_243_020_726_125);
        assert_eq!(<i64 as sealed::Draw>::draw(generator), 3_428_478_456_072_830_911);
        assert!((<f32 as sealed::Draw>::draw(generator) - 0.983_322_2).abs() < f32::EPSILON);
        assert!((<f64 as sealed::Draw>::draw(generator) - 0.341_227_226_562_112_6).abs() < f64::EPSILON);
        assert!(<bool as sealed::Draw>::draw(generator));
    }

    #[test]
    fn b021_named_streams_have_sequences_of_their_own() {
        let mut random = Random::default();
        random.reseed(42);
        assert_eq!(random.generator(Some("audit")).next_u64(), 5_512_973_448_300_603_270);
        random.generator(None).next_u64();
        random.generator(Some("other")).next_u64();
        assert_eq!(random.generator(Some("audit")).next_u64(), 12_436_878_860_407_024_945);
    }

    #[test]
    fn b021_a_new_seed_begins_all_sequences_anew() {
        let mut random = Random::default();
        random.reseed(1);
        random.generator(None).next_u64();
        random.generator(Some("audit")).next_u64();
        random.reseed(42);
        assert_eq!(random.generator(Some("audit")).next_u64(), 5_512_973_448_300_603_270);
        assert_eq!(random.generator(None).next_u64(), 0x92d6_e5d9_42f4_ad9b);
    }
}
