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
    measuring: Option<f64>,
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
            // The look at the untrained model is no share of anything yet.
            self.measuring = (check.step > 0).then(|| check.measuring_seconds / all);
        }
    }

    /// None while nothing was compared or trained.
    fn value(&self, which: Which) -> Option<f64> {
        // Adding to zero keeps the sum of nothing from being -0.
        let sum = |flops: &[f64]| flops.iter().fold(0.0, |sum, flops| sum + flops);
        match which {
            Which::FrozenLayers => Some(self.frozen as f64),
            Which::FrozenShare => {
                let share = sum(&self.flops[..self.frozen]) / sum(&self.flops);
                share.is_finite().then_some(100.0 * share)
            }
            Which::Similarity => self.similarity,
            Which::Measuring => self.measuring.map(|share| 100.0 * share),
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
    fn number(&self) -> Option<f64> {
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
        let Some(number) = self.number() else {
            return Ok(SerializedEntry::not_available(self.unit()));
        };
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
        self.number().map(NumericEntry::Value)
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.value()
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Value(self.number().unwrap_or_default())
    }
}
