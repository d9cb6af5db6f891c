use frostline_activations::{Check, MetricsPoint};

use crate::record;

/// Values of one step, each under its tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalars {
    /// Seconds since the start of 1970 (UTC).
    pub wall_time: f64,
    /// Optimiser steps done.
    pub step: usize,
    /// Tags and values.
    pub values: Vec<(String, f64)>,
}

impl Scalars {
    /// What a point of a run's metrics says; the mean of what it is over.
    pub fn of_point(point: &MetricsPoint) -> Self {
        let mut values = vec![
            ("loss", point.loss.map(|loss| loss.mean)),
            ("train_accuracy", point.train_accuracy.map(|a| a.mean)),
            ("test_loss", point.test_loss.map(|loss| loss.mean)),
            ("accuracy", point.test_accuracy.map(|a| a.mean)),
        ];
        if !point.is_test() {
            values.extend([
                ("learning_rate", point.learning_rate.map(|rate| rate.mean)),
                ("frozen_layers", Some(point.frozen as f64)),
                ("seconds/training", Some(point.training_seconds)),
                ("operations", point.flops),
            ]);
        }
        Scalars {
            wall_time: point.wall_seconds,
            step: point.step,
            values: known(values),
        }
    }

    /// What a check saw that the metrics don't say.
    pub fn of_check(check: &Check, layers: &[String], wall_time: f64) -> Self {
        let mut values = known(vec![
            ("seconds/measuring", Some(check.measuring_seconds)),
            ("seconds/cpu", check.cpu_seconds),
        ]);
        for (layer, similarity) in layers.iter().zip(&check.similarity) {
            let tag = format!("similarity_to_previous/{layer}");
            values.extend(similarity.map(|similarity| (tag, similarity)));
        }
        Scalars {
            wall_time,
            step: check.step,
            values,
        }
    }

    /// All that a check of a run without metrics says.
    pub fn of_lone_check(check: &Check, layers: &[String], wall_time: f64) -> Self {
        let mut scalars = Scalars::of_check(check, layers, wall_time);
        scalars.values.extend(known(vec![
            ("loss", check.loss),
            ("accuracy", check.accuracy),
            ("learning_rate", check.learning_rate),
            ("frozen_layers", Some(check.frozen as f64)),
            ("seconds/training", Some(check.training_seconds)),
        ]));
        scalars
    }

    /// These values as a record of an event file.
    pub fn record(&self) -> Vec<u8> {
        record::scalars(self.wall_time, self.step, &self.values)
    }
}

fn known(values: Vec<(&str, Option<f64>)>) -> Vec<(String, f64)> {
    let known = values.into_iter();
    known
        .filter_map(|(tag, value)| Some((tag.to_string(), value?)))
        .collect()
}
