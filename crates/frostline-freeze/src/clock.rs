use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ProcessTime;

/// Tells the seconds of training from those of measuring and those that count as neither.
#[derive(Debug)]
pub(crate) struct Clock {
    training: Duration,
    measuring: Duration,
    /// Processor time of both, of all threads.
    processor: Duration,
    since: Instant,
    processor_since: ProcessTime,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock {
            training: Duration::ZERO,
            measuring: Duration::ZERO,
            processor: Duration::ZERO,
            since: Instant::now(),
            processor_since: ProcessTime::now(),
        }
    }

    /// Goes on from so many seconds of training, of measuring and of the processor.
    pub(crate) fn resume([training, measuring, processor]: [f64; 3]) -> Self {
        // What a damaged history may hold, a duration can't.
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Clock {
            training: seconds(training),
            measuring: seconds(measuring),
            processor: seconds(processor),
            ..Clock::start()
        }
    }

    /// The time since the last call was training.
    pub(crate) fn trained(&mut self) {
        let lap = self.counted_lap();
        self.training += lap;
    }

    /// The time since the last call was measuring.
    pub(crate) fn measured(&mut self) {
        let lap = self.counted_lap();
        self.measuring += lap;
    }

    /// The time since the last call counts as neither.
    pub(crate) fn passed(&mut self) {
        self.lap();
    }

    pub(crate) fn training_seconds(&self) -> f64 {
        self.training.as_secs_f64()
    }

    /// The same, the time since the last call counted in.
    pub(crate) fn training_seconds_now(&self) -> f64 {
        (self.training + self.since.elapsed()).as_secs_f64()
    }

    /// Seconds of training, of measuring and of the processor, the time since the last call counted as training.
    pub(crate) fn seconds_now(&self) -> [f64; 3] {
        let processor = self.processor + self.processor_since.elapsed();
        [
            self.training_seconds_now(),
            self.measuring_seconds(),
            processor.as_secs_f64(),
        ]
    }

    pub(crate) fn measuring_seconds(&self) -> f64 {
        self.measuring.as_secs_f64()
    }

    pub(crate) fn processor_seconds(&self) -> f64 {
        self.processor.as_secs_f64()
    }

    /// The time since the last lap, its processor time counted.
    fn counted_lap(&mut self) -> Duration {
        self.processor += self.processor_since.elapsed();
        self.lap()
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.since;
        self.since = now;
        self.processor_since = ProcessTime::now();
        lap
    }
}

/// The wall-clock time, in seconds since the start of 1970 (UTC).
pub(crate) fn wall_seconds() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}
