use std::time::{Duration, Instant};

/// Tells the seconds of training from those of measuring and those that count as neither.
#[derive(Debug)]
pub(crate) struct Clock {
    training: Duration,
    measuring: Duration,
    since: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock {
            training: Duration::ZERO,
            measuring: Duration::ZERO,
            since: Instant::now(),
        }
    }

    /// The time since the last call was training.
    pub(crate) fn trained(&mut self) {
        let lap = self.lap();
        self.training += lap;
    }

    /// The time since the last call was measuring.
    pub(crate) fn measured(&mut self) {
        let lap = self.lap();
        self.measuring += lap;
    }

    /// The time since the last call counts as neither.
    pub(crate) fn passed(&mut self) {
        self.lap();
    }

    pub(crate) fn training_seconds(&self) -> f64 {
        self.training.as_secs_f64()
    }

    pub(crate) fn measuring_seconds(&self) -> f64 {
        self.measuring.as_secs_f64()
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.since;
        self.since = now;
        lap
    }
}
