//! What Burn's own outputs say of a step and of a test.

use std::any::Any;

use burn::tensor::{FloatDType, Tensor};
use burn::train::{
    ClassificationOutput, MultiLabelClassificationOutput, RegressionOutput, SequenceOutput,
};

use crate::freezing::Test;

/// The numbers of one output, on its device.
pub(super) struct Known {
    /// The mean loss, as one value.
    loss: Tensor<1>,
    /// How many answers were right, as one value; none where an answer can't be right or wrong.
    right: Option<Tensor<1>>,
    /// The samples behind the loss.
    samples: usize,
}

impl Known {
    /// Reads an output of one of Burn's kinds; none for any other.
    pub(super) fn of<T: 'static>(output: &T) -> Option<Self> {
        let output: &dyn Any = output;
        if let Some(output) = output.downcast_ref::<ClassificationOutput>() {
            let [samples, classes] = output.output.dims();
            let answers = output.output.clone().without_autodiff().argmax(1);
            let answers = answers.reshape([samples]);
            let right = answers.equal(output.targets.clone()).int().sum().float();
            // One class alone is always the most likely.
            let right = (classes > 1).then_some(right);
            return Some(Known::new(&output.loss, right, samples));
        }
        if let Some(output) = output.downcast_ref::<RegressionOutput>() {
            return Some(Known::new(&output.loss, None, output.output.dims()[0]));
        }
        if let Some(output) = output.downcast_ref::<MultiLabelClassificationOutput>() {
            return Some(Known::new(&output.loss, None, output.output.dims()[0]));
        }
        let output = output.downcast_ref::<SequenceOutput>()?;
        Some(Known::new(&output.loss, None, output.targets.dims()[0]))
    }

    fn new(loss: &Tensor<1>, right: Option<Tensor<1>>, samples: usize) -> Self {
        Known {
            // Sums of half-precision losses would round, or overflow.
            loss: single(loss.clone()).mean(),
            right: right.map(single),
            samples,
        }
    }

    /// The loss, and the share of right answers; waits for the device.
    pub(super) fn read(self) -> (Option<f64>, Option<f64>) {
        let judged = self.right.is_some();
        let right = self.right.unwrap_or_else(|| self.loss.zeros_like());
        let Some([loss, right]) = read(Tensor::cat(vec![self.loss, right], 0)) else {
            return (None, None);
        };
        let share = right / self.samples as f64;
        (Some(loss), judged.then_some(share))
    }
}

fn single(tensor: Tensor<1>) -> Tensor<1> {
    tensor.without_autodiff().cast(FloatDType::F32)
}

/// Two numbers from their device. None where that fails: the trainer, which reads the same output, says why.
fn read(two: Tensor<1>) -> Option<[f64; 2]> {
    let data = two.try_into_data().ok()?;
    let values: Vec<f64> = data.iter::<f64>().collect();
    values.try_into().ok()
}

/// The outputs of a test, added up on their device: its batches don't wait for each other.
#[derive(Default)]
pub(super) struct Sums {
    /// Losses by samples, and right answers.
    sums: Option<Tensor<1>>,
    /// The answers of every output can be right or wrong.
    judged: bool,
    samples: usize,
}

impl Sums {
    pub(super) fn add(&mut self, known: Known) {
        let loss = known.loss * known.samples as f64;
        self.judged = known.right.is_some() && (self.judged || self.sums.is_none());
        let right = known.right.unwrap_or_else(|| loss.clone().zeros_like());
        let both = Tensor::cat(vec![loss, right], 0);
        self.sums = Some(match self.sums.take() {
            Some(sums) => {
                let both = both.to_device(&sums.device());
                sums + both
            }
            None => both,
        });
        self.samples += known.samples;
    }

    /// What the test found; none without outputs.
    pub(super) fn test(self) -> Option<Test> {
        let [loss, right] = read(self.sums?)?.map(|sum| sum / self.samples as f64);
        Some(Test {
            loss: Some(loss),
            accuracy: self.judged.then_some(right),
            samples: Some(self.samples),
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int};

    use super::*;

    fn classified(loss: f32, answers: [[f32; 2]; 2]) -> ClassificationOutput {
        let device = Device::flex();
        let targets = Tensor::<1, Int>::from_ints([0, 1], &device);
        let answers = Tensor::<2>::from_floats(answers, &device);
        ClassificationOutput::new(Tensor::from_floats([loss], &device), answers, targets)
    }

    #[test]
    fn loss_and_accuracy_of_a_classification_are_read() {
        let output = classified(0.5, [[0.9, 0.1], [0.8, 0.2]]);
        assert_eq!(Known::of(&output).unwrap().read(), (Some(0.5), Some(0.5)));
    }

    #[test]
    fn a_regression_has_a_loss_and_no_accuracy() {
        let device = Device::flex();
        let values = Tensor::<2>::from_floats([[1.0], [2.0], [4.0]], &device);
        // One loss a sample: what counts is their mean.
        let losses = Tensor::from_floats([1.0, 2.0, 3.0], &device);
        let output = RegressionOutput::new(losses, values.clone(), values);
        assert_eq!(Known::of(&output).unwrap().read(), (Some(2.0), None));
    }

    #[test]
    fn a_test_is_the_mean_over_the_samples_of_its_batches() {
        let mut sums = Sums::default();
        for (loss, second) in [(0.25, [0.1, 0.9]), (0.75, [0.9, 0.1])] {
            let output = classified(loss, [[0.9, 0.1], second]);
            sums.add(Known::of(&output).unwrap());
        }
        let test = sums.test().unwrap();
        assert_eq!((test.loss, test.accuracy), (Some(0.5), Some(0.75)));
        assert_eq!(test.samples, Some(4));
        assert!(Sums::default().test().is_none());
    }

    #[test]
    fn an_output_of_one_s_own_says_nothing() {
        assert!(Known::of(&"something else").is_none());
    }
}
