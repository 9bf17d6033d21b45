//! Twins that use further data of a run: seeds and times, continue-as-new, versions, the server's own events.

use std::collections::BTreeMap;

use abide::prelude::*;
use abide::{Priority, SearchAttributeKey, WorkflowReplayer};
use abide_protos::Timestamp;

use super::children::child;
use super::python::echo;
use super::{fits, recorded, replayed};

/// Python draws from a Mersenne Twister seeded with the run's seed. Abide has none, so the twin includes one.
#[workflow(name = "RandomAndTime")]
async fn random_and_time(ctx: &WorkflowContext) -> Result<BTreeMap<String, String>, WorkflowError> {
    let mut random = mersenne_twister::Random::seeded(ctx.random_seed());
    let values = BTreeMap::from([
        ("seed".to_string(), ctx.random_seed().to_string()),
        ("random".to_string(), random.bits::<2>().to_string()),
        (
            "uuid4".to_string(),
            uuid::Builder::from_random_bytes(random.bits::<4>().to_be_bytes()).into_uuid().to_string(),
        ),
        ("now".to_string(), iso_format(ctx.now())),
    ]);
    for value in values.values() {
        ctx.activity(echo, value.clone()).start_to_close_timeout(secs(10)).await?;
    }
    Ok(values)
}

/// Formats a time like Python, with microseconds.
fn iso_format(time: std::time::SystemTime) -> String {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970");
    let nanos = i32::try_from(since.subsec_micros() * 1000).expect("less than a second");
    let seconds = i64::try_from(since.as_secs()).expect("a time of our days");
    Timestamp { seconds, nanos }.to_string().replace('Z', "+00:00")
}

mod mersenne_twister {
    //! MT19937, with the seeding and the output of Python's `random.Random`.

    const N: usize = 624;
    const M: usize = 397;

    pub(super) struct Random {
        state: [u32; N],
        index: usize,
    }

    impl Random {
        /// `random.Random(seed)`: the seed's 32-bit digits are the key, least significant first.
        pub(super) fn seeded(seed: u64) -> Self {
            let digits = [seed as u32, (seed >> 32) as u32];
            let key = if digits[1] == 0 { &digits[..1] } else { &digits[..] };
            let mut state = [0_u32; N];
            state[0] = 19_650_218;
            for i in 1..N {
                state[i] = mixed(state[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
            }
            let (mut i, mut j) = (1, 0);
            for _ in 0..N {
                state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_664_525)).wrapping_add(key[j] + j as u32);
                (i, j) = (i + 1, (j + 1) % key.len());
                if i == N {
                    state[0] = state[N - 1];
                    i = 1;
                }
            }
            for _ in 0..N - 1 {
                state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
                i += 1;
                if i == N {
                    state[0] = state[N - 1];
                    i = 1;
                }
            }
            state[0] = 0x8000_0000;
            Self { state, index: N }
        }

        /// `getrandbits(32 * WORDS)`: least significant word first.
        pub(super) fn bits<const WORDS: usize>(&mut self) -> u128 {
            (0..WORDS).fold(0, |bits, word| bits | u128::from(self.next()) << (32 * word))
        }

        fn next(&mut self) -> u32 {
            if self.index == N {
                for i in 0..N {
                    let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
                    let odd = if y & 1 == 0 { 0 } else { 0x9908_b0df };
                    self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
                }
                self.index = 0;
            }
            let mut y = self.state[self.index];
            self.index += 1;
            y ^= y >> 11;
            y ^= (y << 7) & 0x9d2c_5680;
            y ^= (y << 15) & 0xefc6_0000;
            y ^ (y >> 18)
        }
    }

    fn mixed(word: u32) -> u32 {
        word ^ (word >> 30)
    }
}

const TEST_KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const TEST_INT: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");

#[workflow(name = "ContinueAsNew")]
async fn continue_as_new(ctx: &WorkflowContext, remaining: u32) -> Result<String, WorkflowError> {
    ctx.activity(echo, format!("run {remaining}")).start_to_close_timeout(secs(10)).await?;
    if remaining == 0 {
        let note = ctx.memo::<String>("note")?.unwrap_or_default();
        let keyword = ctx.search_attribute(&TEST_KEYWORD).unwrap_or_default();
        return Ok(format!("memo {note}, keyword {keyword}"));
    }
    ctx.upsert_search_attributes([TEST_INT.set(remaining)]);
    let policy = RetryPolicy::new().initial_interval(secs(2)).maximum_attempts(4).non_retryable_error_type("Fatal");
    ctx.continue_as_new(continue_as_new, remaining - 1)
        .without_memo()
        .memo("note", &"second".to_string())
        .search_attributes([TEST_KEYWORD.set("second")])
        .retry_policy(policy)
        .into()
}

#[workflow(name = "PinnedChild", versioning_behavior = auto_upgrade)]
async fn pinned_child(_ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok("child".into())
}

#[workflow(name = "Pinned", versioning_behavior = pinned)]
async fn pinned(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    ctx.timer(millis(50)).await?;
    Ok(vec![
        ctx.activity(echo, "pinned".into()).start_to_close_timeout(secs(10)).await?,
        ctx.child_workflow(pinned_child, ()).id("pinned-child").await?,
    ])
}

#[workflow(name = "Options")]
async fn options(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.set_current_details("step one");
    ctx.timer(millis(50)).summary("a short nap").await?;
    let urgent = Priority::new().priority_key(1).fairness_key("tenant").fairness_weight(2.0);
    let call = ctx.activity(echo, "urgent".into()).start_to_close_timeout(secs(10)).summary("an activity");
    ctx.event_group("group-1").label("The group").run(call.priority(urgent)).await?;
    ctx.local_activity(echo, "local".into()).start_to_close_timeout(secs(10)).summary("a local activity").await?;
    let call = ctx.child_workflow(child, "options".into()).id("options-child");
    Ok(call.static_summary("a child").static_details("its details").priority(Priority::new().priority_key(4)).await?)
}

/// Issues the commands of [`pinned_child`], and returns the version in its context.
#[workflow(name = "PinnedChild")]
async fn told_of_its_version(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let parent = ctx.info().parent.as_ref().map(|parent| format!("{}/{}", parent.namespace, parent.workflow_id));
    let version = ctx.current_deployment_version().map(|version| version.to_string());
    Ok(format!("{} under {}", version.unwrap_or_default(), parent.unwrap_or_default()))
}

#[workflow]
#[derive(Default)]
struct Paused {
    seen: State<Vec<String>>,
}

#[workflow_methods]
impl Paused {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.seen.with(|seen| !seen.is_empty())).await?;
        ctx.activity(echo, "after".into()).start_to_close_timeout(secs(10)).await?;
        Ok(self.seen.get())
    }

    #[signal]
    fn note(&self, value: String) {
        self.seen.update(|seen| seen.push(value));
    }
}

fn replayer() -> WorkflowReplayer {
    WorkflowReplayer::new()
        .workflow(random_and_time)
        .workflow(continue_as_new)
        .workflow(options)
        .workflow(pinned)
        .workflow(pinned_child)
        .workflow(Paused::run)
}

#[test]
fn random_numbers_and_times_are_pythons() {
    fits(&replayer(), &recorded("random_and_time"));
}

#[test]
fn both_runs_of_a_continue_as_new_fit() {
    fits(&replayer(), &recorded("continue_as_new-1"));
    fits(&replayer(), &recorded("continue_as_new-2"));
}

#[test]
fn b105_a_versioned_run_fits_and_is_told_its_version() {
    fits(&replayer(), &recorded("pinned-child"));
    let told = replayed(&WorkflowReplayer::new().workflow(told_of_its_version), &recorded("pinned-child"));
    assert_eq!(told.result::<String>().unwrap().as_deref(), Some("abide-deployment:build-1 under default/pinned"));
}

#[test]
fn a_pinned_run_fits() {
    fits(&replayer(), &recorded("pinned"));
}

#[test]
fn priorities_summaries_details_and_groups_do_not_matter_to_a_replay() {
    fits(&replayer(), &recorded("options"));
}

#[test]
fn b034_the_servers_own_events_are_skipped() {
    fits(&replayer(), &recorded("paused"));
}
