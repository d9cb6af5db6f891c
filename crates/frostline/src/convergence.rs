use frostline_report::{Estimate, LayerCurve};

use crate::{Error, two_networks::pearson};

/// In which order the layers of one run became what they are at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvergenceOrder {
    /// The similarity to its final self from which on a layer counts as converged.
    pub threshold: f64,
    /// The layers, in the order of the forward.
    pub layers: Vec<String>,
    /// For each layer the first step from which on its similarity stays at the threshold or above; none where it is
    /// below at the last checkpoint that is known.
    pub steps: Vec<Option<f64>>,
    /// Spearman's rank correlation of these steps with depth: 1 where the layers converged from the bottom up, -1
    /// from the top down. None with fewer than two layers that have a step, or where all have the same.
    pub with_depth: Option<f64>,
}

impl ConvergenceOrder {
    /// From each layer's similarity to its final self, as [`Dynamics`](crate::Dynamics) has them in `to_end`.
    ///
    /// # Formula
    /// A layer's similarity is joined by straight lines between checkpoints. With `a` the last checkpoint below the
    /// threshold τ and `b` the next, `step = a + (b - a)(τ - s_a)/(s_b - s_a)`; a layer that never was below has the
    /// first checkpoint's step. The rank correlation is Pearson's of ranks, of which equal steps share the mean.
    ///
    /// ```
    /// use frostline::ConvergenceOrder;
    /// use frostline::report::LayerCurve;
    ///
    /// let curve = |layer: &str, points: &[(usize, f64)]| LayerCurve {
    ///     layer: layer.into(),
    ///     points: points.to_vec(),
    ///     chance: vec![],
    /// };
    /// let curves = [
    ///     curve("conv1", &[(0, 0.5), (100, 1.0), (200, 1.0)]),
    ///     curve("head", &[(0, 0.25), (100, 0.5), (200, 1.0)]),
    /// ];
    /// let order = ConvergenceOrder::of(&curves, 0.75)?;
    /// assert_eq!(order.steps, [Some(50.0), Some(150.0)]);
    /// assert!(order.with_depth.unwrap() > 0.999); // bottom up
    /// # Ok::<(), frostline::Error>(())
    /// ```
    ///
    /// Errors: `BadThreshold`, `BadSimilarity`.
    pub fn of(curves: &[LayerCurve], threshold: f64) -> Result<ConvergenceOrder, Error> {
        if !(threshold > 0.0 && threshold <= 1.0) {
            return Err(Error::BadThreshold { threshold });
        }
        let steps = curves.iter().map(|curve| converged(curve, threshold));
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        let (depths, known): (Vec<f64>, Vec<f64>) = steps
            .iter()
            .enumerate()
            .filter_map(|(depth, step)| Some((depth as f64, (*step)?)))
            .unzip();
        Ok(ConvergenceOrder {
            threshold,
            layers: curves.iter().map(|curve| curve.layer.clone()).collect(),
            steps,
            with_depth: pearson(&depths, &ranks(&known)),
        })
    }

    /// The mean of the rank correlations with depth over several runs, with its 95 % interval; none where no run has
    /// one.
    ///
    /// # Formula
    /// That of [`Estimate::over`]: `m ± t · s/√k`, t of Student's law with `k - 1` degrees of freedom; cut at -1
    /// and 1, beyond which no rank correlation lies.
    pub fn over(runs: &[ConvergenceOrder]) -> Option<Estimate> {
        let known: Vec<f64> = runs.iter().filter_map(|run| run.with_depth).collect();
        let found = Estimate::over(&known)?;
        Some(Estimate {
            interval: found
                .interval
                .map(|ends| ends.map(|end| end.clamp(-1.0, 1.0))),
            ..found
        })
    }
}

fn converged(curve: &LayerCurve, threshold: f64) -> Result<Option<f64>, Error> {
    let points = &curve.points;
    if let Some(&(step, value)) = points.iter().find(|(_, value)| !value.is_finite()) {
        let layer = curve.layer.clone();
        return Err(Error::BadSimilarity { layer, step, value });
    }
    let below = points.iter().rposition(|(_, value)| *value < threshold);
    let Some(below) = below else {
        return Ok(points.first().map(|(step, _)| *step as f64));
    };
    let (from, low) = points[below];
    Ok(points.get(below + 1).map(|&(to, high)| {
        let share = (threshold - low) / (high - low);
        from as f64 + share * (to as f64 - from as f64)
    }))
}

/// From 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let lower = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        lower as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}
