use frostline_activations::{Ledger, Outcome};

use crate::axis::drawable;

/// What accuracy is weighed against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Seconds of training and measuring.
    Seconds,
    /// Processor seconds of training and measuring, of all threads together.
    CpuSeconds,
    /// Floating-point operations of training and measuring.
    Flops,
}

impl Cost {
    /// Every cost.
    pub const ALL: [Cost; 3] = [Cost::Seconds, Cost::CpuSeconds, Cost::Flops];

    /// What a training cost; none where nobody counted, or the number is not finite.
    pub fn of(self, outcome: &Outcome) -> Option<f64> {
        let cost = match self {
            Cost::Seconds => Some(outcome.training_seconds + outcome.measuring_seconds),
            Cost::CpuSeconds => outcome.cpu_seconds,
            Cost::Flops => outcome.ledger.as_ref().and_then(spent),
        };
        cost.filter(|&cost| drawable(cost))
    }

    /// Its name, as a heading has it.
    pub fn name(self) -> &'static str {
        match self {
            Cost::Seconds => "seconds",
            Cost::CpuSeconds => "processor seconds",
            Cost::Flops => "floating-point operations",
        }
    }

    /// A cost with its unit.
    pub(crate) fn written(self, cost: f64) -> String {
        match self {
            Cost::Seconds | Cost::CpuSeconds => format!("{cost:.1} s"),
            Cost::Flops => flops_text(cost),
        }
    }

    /// The largest unit that leaves a whole number of it in `largest`: what it is worth and its name.
    pub(crate) fn unit(self, largest: f64) -> (f64, &'static str) {
        match self {
            Cost::Seconds | Cost::CpuSeconds => (1.0, "s"),
            Cost::Flops => flops_unit(largest),
        }
    }
}

/// The operations of training and measuring, where they were counted.
pub(crate) fn spent(ledger: &Ledger) -> Option<f64> {
    // Without layers the operations of a step were not known.
    (!ledger.layers.is_empty()).then(|| ledger.spent_flops())
}

/// A number of operations in four digits at most: `3.21 TFLOP`.
pub(crate) fn flops_text(flops: f64) -> String {
    let (worth, unit) = flops_unit(flops);
    format!("{} {unit}", crate::axis::short(flops / worth))
}

fn flops_unit(largest: f64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 6] = [
        (1e18, "EFLOP"),
        (1e15, "PFLOP"),
        (1e12, "TFLOP"),
        (1e9, "GFLOP"),
        (1e6, "MFLOP"),
        (1.0, "FLOP"),
    ];
    let fitting = UNITS.into_iter().find(|(worth, _)| largest.abs() >= *worth);
    fitting.unwrap_or((1.0, "FLOP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_written_in_the_largest_unit_that_fits() {
        let written = [0.0, 999.0, 3.21e12, -4.5e9, 2e19].map(flops_text);
        assert_eq!(
            written,
            ["0 FLOP", "999 FLOP", "3.21 TFLOP", "-4.5 GFLOP", "20 EFLOP"]
        );
    }
}
