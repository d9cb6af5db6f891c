use frostline_activations::{Activation, ByChance};
use frostline_svcca::{Chance, Fourier, Progress, Warning};

/// Every layer of one network against every layer of another by DFT-CCA.
///
/// Layers of maps, of any two sizes, share their low spatial frequencies; fully connected ones count as maps of one
/// pixel.
///
/// Source: Raghu et al. 2017, arXiv:1706.05806, figure 7.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossModel {
    /// Layers of the one network.
    pub rows: Vec<String>,
    /// Layers of the other.
    pub columns: Vec<String>,
    /// `cells[row][column]`: what both have in common, or why that isn't defined.
    pub cells: Vec<Vec<Result<InCommon, String>>>,
}

/// What two layers have in common, in short; see [`DftCca`](frostline_svcca::DftCca).
#[derive(Clone, Debug, PartialEq)]
pub struct InCommon {
    /// Mean correlation over all frequencies that both have.
    pub mean: f64,
    /// How many `[vertical, horizontal]` frequencies these are.
    pub frequencies: [usize; 2],
    /// Samples of each.
    pub samples: usize,
    /// Lowest rank of both over the frequencies.
    pub rank: [usize; 2],
    /// What noise of these ranks would give at a frequency.
    pub chance: Chance,
    /// What to know before believing it.
    pub warnings: Vec<Warning>,
}

impl CrossModel {
    /// Compares each of `rows` with each of `columns`: raw activations of the same samples in the same order, as
    /// [`record`](frostline_activations::record) keeps them. `progress` hears of every pair.
    ///
    /// Every layer is transformed once. That needs memory: 500 images in 64 channels of 32×32 are 131 MB as they
    /// are and 262 MB transformed. The transforms of all columns are held, but only one row's; and an activation is
    /// taken from its iterator when its turn comes and let go of when it is transformed, so an iterator that records
    /// one layer at a time bounds the rest. Let the smaller network be the columns, and take a few hundred samples, but
    /// more than the widest layer has channels.
    ///
    /// Shapes: `[sample, channel, height, width]` or with the channels last, sequences whose
    /// [axes](frostline_activations::Axes) are named, `[sample, neuron]`, `[sample]`.
    /// Where a layer can't be transformed, or two can't be compared, the cell says why.
    ///
    /// ```no_run
    /// # use burn::tensor::Tensor;
    /// # fn example(convnet: impl Fn(Tensor<4>) -> Tensor<2>, resnet: impl Fn(Tensor<4>) -> Tensor<2>,
    /// #     images: Tensor<4>) -> Result<(), frostline::Error> {
    /// use frostline::{CrossModel, prelude::*};
    ///
    /// let (_, columns) = record(|| convnet(images.clone()))?;
    /// let (_, rows) = record(|| resnet(images))?;
    /// let found = CrossModel::of(rows, columns, |pairs| println!("{} of {}", pairs.done, pairs.total));
    /// # Ok(()) }
    /// ```
    pub fn of<R, C>(rows: R, columns: C, mut progress: impl FnMut(Progress)) -> CrossModel
    where
        R: IntoIterator<Item = Activation, IntoIter: ExactSizeIterator>,
        C: IntoIterator<Item = Activation>,
    {
        let columns: Vec<Transformed> = columns.into_iter().map(transformed).collect();
        let rows = rows.into_iter();
        let total = rows.len() * columns.len();
        let mut found = CrossModel {
            rows: Vec::new(),
            columns: columns.iter().map(|(name, _)| name.clone()).collect(),
            cells: Vec::new(),
        };
        let mut done = 0;
        for row in rows {
            let (name, x) = transformed(row);
            let cells = columns.iter().map(|(other, y)| {
                let cell = in_common(&x, y, [&name, other]);
                done += 1;
                progress(Progress { done, total });
                cell
            });
            found.cells.push(cells.collect());
            found.rows.push(name);
        }
        found
    }

    /// The means, `[row][column]`, none where a pair has none.
    pub fn values(&self) -> Vec<Vec<Option<f64>>> {
        let value = |cell: &Result<InCommon, String>| Some(cell.as_ref().ok()?.mean);
        let row = |cells: &Vec<_>| cells.iter().map(value).collect();
        self.cells.iter().map(row).collect()
    }

    /// What chance gives in place of each mean, `[row][column]`, for a [`Heatmap`](frostline_report::Heatmap); none
    /// where a pair has none. A mean over many correlations at many frequencies hardly strays from what it is in the
    /// mean, so that the level is its own upper end.
    pub fn chance(&self) -> Vec<Vec<Option<ByChance>>> {
        let by_chance = |cell: &Result<InCommon, String>| {
            let found = cell.as_ref().ok()?;
            let by = ByChance {
                samples: found.samples,
                directions: found.rank[0].max(found.rank[1]),
                level: found.chance.mean_rho,
                upper: found.chance.mean_rho,
                corrected: None,
            };
            Some(ByChance {
                corrected: (by.level < 1.0).then(|| by.above(found.mean)),
                ..by
            })
        };
        let row = |cells: &Vec<_>| cells.iter().map(by_chance).collect();
        self.cells.iter().map(row).collect()
    }
}

/// A layer's name, and its transform or why it has none.
type Transformed = (String, Result<Fourier, String>);

fn transformed(activation: Activation) -> Transformed {
    let fourier = fourier(&activation).map_err(|why| format!("{}: {why}", activation.name()));
    (activation.name().to_string(), fourier)
}

fn fourier(activation: &Activation) -> Result<Fourier, String> {
    let maps = activation.maps().map_err(|error| error.to_string())?;
    Fourier::of(&maps).map_err(|error| error.to_string())
}

fn in_common(
    x: &Result<Fourier, String>,
    y: &Result<Fourier, String>,
    [name, other]: [&str; 2],
) -> Result<InCommon, String> {
    let (x, y) = (
        x.as_ref().map_err(String::clone)?,
        y.as_ref().map_err(String::clone)?,
    );
    let found = x.dft_cca(y).map_err(|error| match error {
        error @ frostline_svcca::Error::SampleMismatch { .. } => error.named(name, other),
        error => format!("{name} and {other}: {error}"),
    })?;
    Ok(InCommon {
        mean: found.mean,
        frequencies: found.frequencies,
        samples: found.samples,
        rank: found.rank,
        chance: found.chance,
        warnings: found.warnings,
    })
}
