use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use crate::FreezeTraining;
use crate::freezing::lock;

/// The metrics of [`Handle::metrics`](crate::Handle::metrics), as `SupervisedTraining::metrics` takes them.
pub type FreezeMetrics = (FreezeMetric, FreezeMetric, FreezeMetric, FreezeMetric);

/// One number about the freezing, as it was at the last check.
#[derive(Clone, Debug)]
pub struct FreezeMetric {
    name: MetricName,
    which: Which,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Which {
    FrozenLayers,
    FrozenShare,
    Similarity,
    Measuring,
}

/// What the metrics show.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    flops: Vec<f64>,
    frozen: usize,
    similarity: Option<f64>,
    measuring: f64,
}

impl Shown {
    pub(super) fn of<M: Module>(training: &FreezeTraining<M>) -> Self {
        let mut shown = Shown::default();
        shown.update(training);
        shown
    }

    pub(super) fn update<M: Module>(&mut self, training: &FreezeTraining<M>) {
        self.flops = training.flops().unwrap_or_default().to_vec();
        self.frozen = training.frozen();
        if let Some(check) = training.history().latest() {
            self.similarity = check.similarity.get(check.frozen).copied().flatten();
            let all = check.training_seconds + check.measuring_seconds;
            self.measuring = if all > 0.0 {
                check.measuring_seconds / all
            } else {
                0.0
            };
        }
    }

    fn value(&self, which: Which) -> f64 {
        let whole: f64 = self.flops.iter().sum();
        match which {
            Which::FrozenLayers => self.frozen as f64,
            Which::FrozenShare if whole > 0.0 => {
                100.0 * self.flops[..self.frozen].iter().sum::<f64>() / whole
            }
            Which::FrozenShare => 0.0,
            // Nothing was compared yet: nothing is alike.
            Which::Similarity => self.similarity.unwrap_or(0.0),
            Which::Measuring => 100.0 * self.measuring,
        }
    }
}

pub(super) fn all(shown: &Arc<Mutex<Shown>>) -> FreezeMetrics {
    let metric = |name: &str, which| FreezeMetric {
        name: Arc::new(name.to_string()),
        which,
        shown: shown.clone(),
    };
    (
        metric("Frozen Layers", Which::FrozenLayers),
        metric("Frozen Share of Forward", Which::FrozenShare),
        metric("Similarity at Frost Line", Which::Similarity),
        metric("Time Measuring", Which::Measuring),
    )
}

impl FreezeMetric {
    fn number(&self) -> f64 {
        lock(&self.shown).value(self.which)
    }

    fn unit(&self) -> Option<&'static str> {
        matches!(self.which, Which::FrozenShare | Which::Measuring).then_some("%")
    }
}

impl Metric for FreezeMetric {
    type Input = ();

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: self.unit().map(str::to_string),
            higher_is_better: self.which != Which::Measuring,
        }
        .into()
    }

    fn update(&mut self, _: &(), _: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        self.compute()
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let number = self.number();
        let digits = match self.which {
            Which::FrozenLayers => 0,
            Which::Similarity => 4,
            _ => 1,
        };
        let unit = self.unit().unwrap_or_default();
        let shown = format!("{number:.digits$} {unit}");
        Ok(SerializedEntry::new(
            shown.trim_end().to_string(),
            NumericEntry::Value(number).serialize(),
        ))
    }

    fn clear(&mut self) {}
}

impl Numeric for FreezeMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(NumericEntry::Value(self.number()))
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(NumericEntry::Value(self.number()))
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Value(self.number())
    }
}
