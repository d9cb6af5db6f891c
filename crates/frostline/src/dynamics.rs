use burn::tensor::Device;
use frostline_activations::{Activations, Run};
use frostline_report::{LayerCurve, Pane};
use frostline_svcca::{Grid, Measure, Prepared, Wanted};

/// How a network's layers went towards what they are at the end of training, from the checkpoints of
/// one run. Source: Raghu et al. 2017, arXiv:1706.05806, section 4.1 and figure 4.
#[derive(Clone, Debug, Default)]
pub struct Dynamics {
    /// Every layer during training (rows) against every layer at its end (columns).
    pub panes: Vec<Pane>,
    /// Each layer against its final self, at every checkpoint.
    pub to_end: Vec<LayerCurve>,
    /// Checkpoints that could not be read.
    pub problems: Vec<String>,
}

/// How far the computation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Checkpoints done.
    pub done: usize,
    /// Checkpoints in all.
    pub total: usize,
}

impl Dynamics {
    /// Compares all tapped layers at every checkpoint of the run with the last checkpoint, and draws
    /// panes at the checkpoints nearest to these fractions of the run's length.
    ///
    /// Where two layers can't be compared (too few samples for their width) the value is none. A
    /// checkpoint that can't be read is passed over and told in `problems`.
    pub fn of(
        run: &Run,
        fractions: &[f64],
        measure: Measure,
        device: &Device,
        mut progress: impl FnMut(Progress),
    ) -> Dynamics {
        let mut dynamics = Dynamics::default();
        let total = run.checkpoints().len();
        // The end is the last checkpoint that can be read.
        let mut readable = run.checkpoints().to_vec();
        let end = loop {
            let Some(&last) = readable.last() else {
                return dynamics;
            };
            match run.activations(last, device) {
                Ok(activations) => break Layers::of(&activations, measure),
                Err(error) => dynamics.problems.push(error.to_string()),
            }
            readable.pop();
        };
        let pane_steps = nearest(&readable, fractions, run.info.length.steps);
        dynamics.to_end = end
            .names
            .iter()
            .map(|name| LayerCurve {
                layer: name.clone(),
                points: Vec::new(),
            })
            .collect();
        for (done, &step) in readable.iter().enumerate() {
            progress(Progress { done, total });
            let then = match run.activations(step, device) {
                Ok(activations) => Layers::of(&activations, measure),
                Err(error) => {
                    dynamics.problems.push(error.to_string());
                    continue;
                }
            };
            for (layer, curve) in dynamics.to_end.iter_mut().enumerate() {
                let same = then.names.iter().position(|name| *name == curve.layer);
                let similarity = same.and_then(|same| {
                    let then = then.prepared[same].as_ref().ok()?;
                    then.similarity(end.prepared[layer].as_ref().ok()?).ok()
                });
                curve
                    .points
                    .extend(similarity.map(|similarity| (step, similarity.value)));
            }
            if !pane_steps.contains(&step) {
                continue;
            }
            match Grid::of(&then.prepared, &end.prepared, Wanted::Values, |_| ()) {
                Ok(grid) => dynamics.panes.push(Pane {
                    step,
                    fraction: run.info.length.progress(step),
                    values: grid.values(),
                    rows: then.names,
                    columns: end.names.clone(),
                }),
                Err(error) => dynamics.problems.push(error.to_string()),
            }
        }
        progress(Progress { done: total, total });
        dynamics
    }
}

/// The layers of one checkpoint, ready to be compared.
struct Layers {
    names: Vec<String>,
    prepared: Vec<Result<Prepared, frostline_svcca::Error>>,
}

impl Layers {
    fn of(activations: &Activations, measure: Measure) -> Self {
        let named = activations.names().filter_map(|name| {
            let view = activations.view(name).ok()?;
            Some((name.to_string(), view))
        });
        let (names, views): (Vec<_>, Vec<_>) = named.unzip();
        Layers {
            prepared: measure.prepare_all(&views),
            names,
        }
    }
}

/// For each fraction the step among `steps` that is nearest to it, each step once, ascending.
fn nearest(steps: &[usize], fractions: &[f64], length: usize) -> Vec<usize> {
    let mut nearest: Vec<usize> = fractions
        .iter()
        .filter_map(|fraction| {
            let wanted = fraction * length as f64;
            let distance = |step: usize| (step as f64 - wanted).abs();
            let closer = |a: &usize, b: &usize| distance(*a).total_cmp(&distance(*b));
            steps.iter().copied().min_by(closer)
        })
        .collect();
    nearest.sort_unstable();
    nearest.dedup();
    nearest
}
