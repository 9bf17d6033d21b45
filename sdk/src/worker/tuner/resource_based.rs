//! Slots that depend on the use of memory and CPU: the PID controllers of Temporal's Core, with its numbers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{SlotKind, SlotRequest, SlotSupplier, SlotTask};
use crate::metrics::temporal::{
    RESOURCE_CPU_OUTPUT, RESOURCE_CPU_USAGE, RESOURCE_MEMORY_OUTPUT, RESOURCE_MEMORY_USAGE,
};
use crate::metrics::{Gauge, Meter};
use crate::worker::host_load::{self, CpuTime};
use crate::worker::polling::sleep;

/// Weight of the difference between target and use.
const PROPORTIONAL: f64 = 5.0;
/// Weight of the speed of a change.
const DERIVATIVE: f64 = 1.0;
/// A slot is given only if the controller's output for memory is above this: at a target of 0.8, below 0.75.
const MEMORY_THRESHOLD: f64 = 0.25;
/// The same for the CPU: at a target of 0.9, below 0.89.
const CPU_THRESHOLD: f64 = 0.05;
/// Time for which a measurement holds.
const SAMPLE_TIME: Duration = Duration::from_millis(100);
/// Time until a supplier that could give no slot looks again.
const RETRY_TIME: Duration = Duration::from_millis(10);

/// Watches the host's use of memory and CPU for [`ResourceBasedSlots`]. Clones share the measurements.
///
/// Workers of one process share one controller. In a container with limits of its own (cgroup version 2), memory and CPU
/// are those of the container. Measured on Linux only: elsewhere, the slots do not grow beyond their minimum, and a warning
/// is logged.
#[derive(Clone)]
pub struct ResourceController {
    shared: Arc<Shared>,
}

struct Shared {
    memory_target: f64,
    cpu_target: f64,
    measure: Box<Measure>,
    state: Mutex<State>,
    gauges: OnceLock<Gauges>,
}

/// Measures, and keeps the time of the processors for the next measurement. `None` if it cannot.
type Measure = dyn Fn(&mut Option<CpuTime>) -> Option<Use> + Send + Sync;

/// Shares in use, from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    memory: f64,
    cpu: f64,
}

#[derive(Default)]
struct State {
    measured_at: Option<Instant>,
    before: Option<CpuTime>,
    last: Use,
    may_grow: bool,
    has_warned: bool,
}

struct Gauges {
    memory: Gauge,
    cpu: Gauge,
    memory_output: Gauge,
    cpu_output: Gauge,
}

impl ResourceController {
    /// Creates a controller with these targets, as shares from 0 to 1. Temporal's SDKs use 0.8 and 0.9 in their examples.
    pub fn new(memory_target: f64, cpu_target: f64) -> Self {
        Self::measuring(memory_target, cpu_target, |before| {
            let memory = f64::from(host_load::memory_usage()?);
            let now = CpuTime::now()?;
            let cpu = before.replace(now).map_or(0.0, |before| f64::from(now.usage_since(before)));
            Some(Use { memory, cpu })
        })
    }

    fn measuring(
        memory_target: f64,
        cpu_target: f64,
        measure: impl Fn(&mut Option<CpuTime>) -> Option<Use> + Send + Sync + 'static,
    ) -> Self {
        let (memory_target, cpu_target) = (memory_target.clamp(0.0, 1.0), cpu_target.clamp(0.0, 1.0));
        let (state, gauges) = Default::default();
        Self { shared: Arc::new(Shared { memory_target, cpu_target, measure: Box::new(measure), state, gauges }) }
    }

    /// Returns a supplier of 1 to 10,000 slots, of which at most one more is given every 50 ms.
    pub fn slots(&self) -> ResourceBasedSlots {
        ResourceBasedSlots {
            resources: self.clone(),
            minimum: 1,
            maximum: 10_000,
            ramp_throttle: Duration::from_millis(50),
            given: Mutex::default(),
        }
    }

    /// Returns true if memory and CPU allow one more task.
    fn may_grow(&self) -> bool {
        let shared = &*self.shared;
        let mut state = lock(&shared.state);
        let now = Instant::now();
        if state.measured_at.is_some_and(|at| now.saturating_duration_since(at) < SAMPLE_TIME) {
            return state.may_grow;
        }
        let is_first = state.measured_at.replace(now).is_none();
        let Some(current) = (shared.measure)(&mut state.before) else {
            if !std::mem::replace(&mut state.has_warned, true) {
                tracing::warn!(
                    "the use of memory and CPU cannot be measured here, so resource-based slots stay at their minimum; \
                     expected Linux with /proc: use fixed slots, or a slot supplier of your own"
                );
            }
            state.may_grow = false;
            return false;
        };
        let last = std::mem::replace(&mut state.last, current);
        let last = if is_first { current } else { last };
        let output = |target: f64, used: f64, last: f64| PROPORTIONAL * (target - used) - DERIVATIVE * (used - last);
        let memory = output(shared.memory_target, current.memory, last.memory);
        let cpu = output(shared.cpu_target, current.cpu, last.cpu);
        state.may_grow = memory > MEMORY_THRESHOLD && cpu > CPU_THRESHOLD;
        if let Some(gauges) = shared.gauges.get() {
            // Core reports the use in percent.
            gauges.memory.set(current.memory * 100.0);
            gauges.cpu.set(current.cpu * 100.0);
            gauges.memory_output.set(memory);
            gauges.cpu_output.set(cpu);
        }
        state.may_grow
    }
}

impl fmt::Debug for ResourceController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceController")
            .field("memory_target", &self.shared.memory_target)
            .field("cpu_target", &self.shared.cpu_target)
            .finish_non_exhaustive()
    }
}

/// Slots that are given while memory and CPU are below their targets. Made by [`ResourceController::slots`].
///
/// A worker always gets the minimum. Beyond that, it gets a slot if the controller allows it, and if the last one was given
/// some time ago: the effect of a task is not seen at once.
#[derive(Debug)]
pub struct ResourceBasedSlots {
    resources: ResourceController,
    minimum: usize,
    maximum: usize,
    ramp_throttle: Duration,
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    count: usize,
    last: Option<Instant>,
}

impl ResourceBasedSlots {
    /// Sets the number of slots that are given whatever is in use. Default: 1.
    pub fn minimum(mut self, slots: usize) -> Self {
        self.minimum = slots;
        self
    }

    /// Sets the maximum number of slots. Default: 10,000.
    pub fn maximum(mut self, slots: usize) -> Self {
        self.maximum = slots;
        self
    }

    /// Sets the minimum time between two slots beyond the minimum. Default: 50 ms.
    pub fn ramp_throttle(mut self, time: Duration) -> Self {
        self.ramp_throttle = time;
        self
    }
}

#[async_trait]
impl SlotSupplier for ResourceBasedSlots {
    async fn reserve(&self, request: &SlotRequest) {
        while !self.try_reserve(request) {
            sleep(RETRY_TIME).await;
        }
    }

    fn try_reserve(&self, _: &SlotRequest) -> bool {
        let mut given = lock(&self.given);
        if given.count >= self.minimum {
            let now = Instant::now();
            let is_early = given.last.is_some_and(|last| now.saturating_duration_since(last) < self.ramp_throttle);
            if given.count >= self.maximum || is_early || !self.resources.may_grow() {
                return false;
            }
            given.last = Some(now);
        }
        given.count += 1;
        true
    }

    fn release(&self, _: Option<&SlotTask>) {
        let mut given = lock(&self.given);
        given.count = given.count.saturating_sub(1);
    }

    fn worker_started(&self, _: SlotKind, meter: &Meter) {
        self.resources.shared.gauges.get_or_init(|| {
            let meter = meter.temporal();
            Gauges {
                memory: meter.gauge(&RESOURCE_MEMORY_USAGE),
                cpu: meter.gauge(&RESOURCE_CPU_USAGE),
                memory_output: meter.gauge(&RESOURCE_MEMORY_OUTPUT),
                cpu_output: meter.gauge(&RESOURCE_CPU_OUTPUT),
            }
        });
    }

    fn kind(&self) -> &str {
        "ResourceBased"
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: SlotRequest = SlotRequest { kind: SlotKind::Activity, held: 0 };

    /// A controller of a machine that has this in use, one after another, each for one sample.
    fn controller(uses: &'static [(f64, f64)]) -> ResourceController {
        let uses = Mutex::new(uses.iter().copied());
        ResourceController::measuring(0.8, 0.9, move |_| {
            let (memory, cpu) = lock(&uses).next()?;
            Some(Use { memory, cpu })
        })
    }

    async fn samples(resources: &ResourceController, count: usize) -> Vec<bool> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(resources.may_grow());
            tokio::time::advance(SAMPLE_TIME).await;
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_given_below_both_targets_with_cores_thresholds() {
        // Memory: 5 * (0.8 - 0.74) = 0.3; 5 * (0.8 - 0.76) = 0.2.
        assert_eq!(samples(&controller(&[(0.74, 0.1), (0.74, 0.1), (0.76, 0.1)]), 3).await, [true, true, false]);
        // CPU: 5 * (0.9 - 0.88) = 0.1; 5 * (0.9 - 0.895) = 0.025.
        assert_eq!(samples(&controller(&[(0.1, 0.88), (0.1, 0.88), (0.1, 0.895)]), 3).await, [true, true, false]);
        // A rise counts against it: 5 * (0.8 - 0.7) - (0.7 - 0.4) = 0.2.
        assert_eq!(samples(&controller(&[(0.4, 0.1), (0.7, 0.1), (0.7, 0.1)]), 3).await, [true, false, true]);
        // Without a measurement, the slots do not grow.
        assert_eq!(samples(&controller(&[]), 2).await, [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_measurement_holds_for_its_time() {
        let resources = controller(&[(0.1, 0.1), (0.9, 0.1)]);
        assert!(resources.may_grow() && resources.may_grow());
        tokio::time::advance(SAMPLE_TIME).await;
        assert!(!resources.may_grow());
    }

    #[tokio::test(start_paused = true)]
    async fn the_minimum_is_given_whatever_is_in_use_and_the_rest_one_after_another() {
        let slots = controller(&[(0.99, 0.99)]).slots().minimum(2);
        assert!(slots.try_reserve(&REQUEST) && slots.try_reserve(&REQUEST));
        assert!(!slots.try_reserve(&REQUEST));
        slots.release(None);
        assert!(slots.try_reserve(&REQUEST));

        let slots = controller(&[(0.1, 0.1), (0.1, 0.1)]).slots().maximum(3);
        let began = Instant::now();
        for _ in 0..3 {
            slots.reserve(&REQUEST).await;
        }
        assert_eq!(began.elapsed(), Duration::from_millis(50), "the first two at once, the third after the throttle");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!slots.try_reserve(&REQUEST), "the maximum");
    }
}
