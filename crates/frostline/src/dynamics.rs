use burn::tensor::Device;
use frostline_activations::{Activations, Run};
use frostline_report::{LayerCurve, Pane};
use frostline_svcca::{Measure, Prepared};

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
                let similarity =
                    same.and_then(|same| similarity(&then.prepared[same], &end.prepared[layer]));
                curve
                    .points
                    .extend(similarity.map(|similarity| (step, similarity)));
            }
            if pane_steps.contains(&step) {
                dynamics.panes.push(Pane {
                    step,
                    fraction: run.info.length.progress(step),
                    values: all_pairs(&then, &end),
                    rows: then.names,
                    columns: end.names.clone(),
                });
            }
        }
        progress(Progress { done: total, total });
        dynamics
    }
}

/// The layers of one checkpoint, ready to be compared.
struct Layers {
    names: Vec<String>,
    /// None where the layer can't be compared with anything.
    prepared: Vec<Option<Prepared>>,
}

impl Layers {
    fn of(activations: &Activations, measure: Measure) -> Self {
        let names: Vec<String> = activations.names().map(str::to_string).collect();
        let views: Vec<_> = names
            .iter()
            .map(|name| activations.view(name).ok())
            .collect();
        let mut ready = measure.prepare_all(views.iter().flatten()).into_iter();
        let prepared = views.iter().map(|view| {
            view.as_ref()?;
            ready.next()?.ok()
        });
        Layers {
            prepared: prepared.collect(),
            names,
        }
    }
}

fn all_pairs(then: &Layers, end: &Layers) -> Vec<Vec<Option<f64>>> {
    let row = |then: &Option<Prepared>| {
        let row = end.prepared.iter().map(|end| similarity(then, end));
        row.collect()
    };
    then.prepared.iter().map(row).collect()
}

fn similarity(x: &Option<Prepared>, y: &Option<Prepared>) -> Option<f64> {
    let compared = x.as_ref()?.similarity(y.as_ref()?).ok()?;
    Some(compared.value)
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
