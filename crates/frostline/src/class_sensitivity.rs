use burn::tensor::{Device, Tensor, TensorData};
use frostline_activations::Activations;
use frostline_svcca::{Cell, Grid, Measure, Prepared, Wanted};

use crate::Error;

/// How much each layer says about each class, by depth: at which layer does the network begin to tell it?
///
/// Every layer is compared with the column of every class, its logit or its label. The measure to take is plain CCA
/// ([`Measure::CCA`]): its one correlation with a column is the multiple correlation, how well a linear map of
/// the layer predicts the class. The paper compares convolutional layers with a logit by DFT-CCA; a map of one
/// pixel meets only the frequency 0, which holds a channel's sum, so that is CCA of the channel means, and done as
/// such here.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use frostline::{ClassSensitivity, prelude::*};
///
/// # let images = Tensor::<2>::random([100, 4], Distribution::Normal(0.0, 1.0), &Device::flex());
/// # let net = |x: Tensor<2>| (x.tap("fc1") * 2.0).tap("logits");
/// let (logits, activations) = record(|| net(images))?;
/// let found = ClassSensitivity::of(&activations, &logits, Measure::CCA)?;
/// assert_eq!(found.layers, ["fc1", "logits"]);
/// assert!(found.values[1][0].unwrap() > 0.999); // the last layer is the logits
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Raghu et al. 2017, arXiv:1706.05806, figure 6.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassSensitivity {
    /// The layers, in the order of the forward.
    pub layers: Vec<String>,
    /// How many classes.
    pub classes: usize,
    /// `[layer][class]`; none where the measure isn't defined.
    pub values: Vec<Vec<Option<f64>>>,
    /// What a layer of so many kept dimensions has in common with noise in place of a class, on average; none where the
    /// layer has no value.
    pub chance: Vec<Option<f64>>,
    /// Why values are missing, each reason once.
    pub problems: Vec<String>,
}

impl ClassSensitivity {
    /// Compares each layer, as channel means, with each column of `classes`.
    ///
    /// Shapes: `classes: [sample, class]`, logits or labels of the samples that were recorded, in the same order.
    /// Errors: `NoLayers`, `EmptyActivation`, and a device that fails.
    pub fn of(
        activations: &Activations,
        classes: &Tensor<2>,
        measure: Measure,
    ) -> Result<ClassSensitivity, Error> {
        if activations.is_empty() {
            return Err(Error::NoLayers);
        }
        let layers: Vec<String> = activations.names().map(str::to_string).collect();
        let views = layers.iter().map(|name| activations.view(name));
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let [_, width] = classes.dims();
        let columns: Vec<Tensor<2>> = (0..width)
            .map(|class| classes.clone().slice_dim(1, class..class + 1))
            .collect();
        let [rows, columns] = [&views, &columns].map(|side| measure.prepare_all(side));
        let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ())?;

        let found: Vec<Vec<Result<f64, String>>> = grid
            .cells
            .iter()
            .zip(&rows)
            .map(|(cells, row)| {
                let pairs = cells.iter().zip(&columns);
                pairs
                    .map(|(cell, column)| value(cell, row, column))
                    .collect()
            })
            .collect();
        let chance = grid.cells.iter().map(|row| {
            let similarity = row.iter().find_map(|cell| cell.similarity.as_ref())?;
            Some(similarity.chance)
        });
        Ok(ClassSensitivity {
            chance: chance.collect(),
            problems: problems(&layers, &found),
            values: found
                .into_iter()
                .map(|row| row.into_iter().map(Result::ok).collect())
                .collect(),
            classes: width,
            layers,
        })
    }

    /// The same with the labels of the samples: a class's column is 1 where the label is the class, else 0.
    ///
    /// Errors: `UnknownClass`, and those of [`of`](ClassSensitivity::of).
    pub fn of_labels(
        activations: &Activations,
        labels: &[usize],
        classes: usize,
        measure: Measure,
    ) -> Result<ClassSensitivity, Error> {
        let first = activations.iter().next().ok_or(Error::NoLayers)?;
        let columns = one_hot(labels, classes, &first.device())?;
        ClassSensitivity::of(activations, &columns, measure)
    }
}

/// `[sample, class]`: 1 where the label is the class, else 0.
fn one_hot(labels: &[usize], classes: usize, device: &Device) -> Result<Tensor<2>, Error> {
    let mut values = vec![0f32; labels.len() * classes];
    for (sample, &label) in labels.iter().enumerate() {
        if label >= classes {
            return Err(Error::UnknownClass {
                sample,
                label,
                classes,
            });
        }
        values[sample * classes + label] = 1.0;
    }
    let data = TensorData::new(values, [labels.len(), classes]);
    Ok(Tensor::from_data(data, device))
}

/// A value, or why there is none.
fn value(cell: &Cell, layer: &Side, class: &Side) -> Result<f64, String> {
    let still = |side: &Side| side.as_ref().is_ok_and(|side| !side.varies());
    match &cell.similarity {
        Some(similarity) => Ok(similarity.value),
        None if still(layer) => Err("no neuron of the layer varies".to_string()),
        None if still(class) => Err("the class's column is the same for all samples".to_string()),
        None => Err(cell.error.clone().unwrap_or_default()),
    }
}

/// A layer or a class, or why it can't be measured.
type Side = Result<Prepared, frostline_svcca::Error>;

/// Each reason once, with the first pair that it holds for.
fn problems(layers: &[String], found: &[Vec<Result<f64, String>>]) -> Vec<String> {
    let mut reasons: Vec<(&String, String, usize)> = Vec::new();
    for (layer, row) in layers.iter().zip(found) {
        for (class, value) in row.iter().enumerate() {
            let Err(reason) = value else { continue };
            match reasons.iter_mut().find(|(known, ..)| *known == reason) {
                Some((.., more)) => *more += 1,
                None => reasons.push((reason, format!("{layer} and class {class}"), 0)),
            }
        }
    }
    let told = reasons.into_iter().map(|(reason, first, more)| match more {
        0 => format!("{first}: {reason}"),
        more => format!("{first}, and {more} more pairs: {reason}"),
    });
    told.collect()
}
