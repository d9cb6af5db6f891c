use burn::tensor::Device;
use frostline_activations::{Activations, ByChance, Length, Run};
use frostline_freeze::by_chance;
use frostline_report::{LayerCurve, Pane};
use frostline_svcca::{Cell, Grid, Measure, Prepared, Wanted};

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
    /// panes at the moments nearest to these fractions of the run's length.
    ///
    /// The panes are of the run's own [probe for panes](frostline_activations::RunInfo::panes_probe) where that was
    /// evaluated to the end, else of the checkpoints. Where two layers can't be compared (too few samples for their
    /// width) the value is none. A checkpoint that can't be read is passed over and reported in `problems`.
    pub fn of(
        run: &Run,
        fractions: &[f64],
        measure: Measure,
        device: &Device,
        mut progress: impl FnMut(Progress),
    ) -> Dynamics {
        let mut dynamics = Dynamics::default();
        let checks = |step| run.activations(step, device);
        let found = Recorded::ending(run.checkpoints(), &checks, measure, &mut dynamics.problems);
        let Some(checks) = found else {
            return dynamics;
        };
        let of_panes = |step| run.pane_activations(step, device);
        let panes = Recorded::ending(run.pane_steps(), &of_panes, measure, &mut dynamics.problems)
            // One that ends before the checks do is of a training that was cut short.
            .filter(|panes| panes.steps.last() >= checks.steps.last());
        let length = run.info.length;
        let pane_steps =
            |recorded: &Recorded<'_>| nearest(&recorded.steps, fractions, length.steps);
        let (of_checks, of_panes) = match &panes {
            Some(panes) => (Vec::new(), pane_steps(panes)),
            None => (pane_steps(&checks), Vec::new()),
        };

        let total = run.checkpoints().len() + run.pane_steps().len();
        dynamics.to_end = checks
            .end
            .names
            .iter()
            .map(|name| LayerCurve {
                layer: name.clone(),
                ..LayerCurve::default()
            })
            .collect();
        for (done, &step) in checks.steps.iter().enumerate() {
            progress(Progress { done, total });
            let Some(then) = checks.at(step, measure, &mut dynamics.problems) else {
                continue;
            };
            for (curve, end) in dynamics.to_end.iter_mut().zip(&checks.end.prepared) {
                let same = then.names.iter().position(|name| *name == curve.layer);
                let similarity = same.and_then(|same| {
                    let then = then.prepared[same].as_ref().ok()?;
                    then.similarity(end.as_ref().ok()?).ok()
                });
                if let Some(similarity) = similarity {
                    curve.points.push((step, similarity.value));
                    curve.chance.push(Some(by_chance(&similarity)));
                }
            }
            if of_checks.contains(&step) {
                dynamics.add_pane(length, step, then, &checks.end);
            }
        }
        let later = panes
            .iter()
            .flat_map(|panes| of_panes.iter().map(move |step| (panes, *step)));
        for (done, (panes, step)) in later.enumerate() {
            let done = run.checkpoints().len() + done;
            progress(Progress { done, total });
            if let Some(then) = panes.at(step, measure, &mut dynamics.problems) {
                dynamics.add_pane(length, step, then, &panes.end);
            }
        }
        progress(Progress { done: total, total });
        dynamics
    }

    /// The layers at a step against those at the end.
    fn add_pane(&mut self, length: Length, step: usize, then: Layers, end: &Layers) {
        match Grid::of(&then.prepared, &end.prepared, Wanted::Values, |_| ()) {
            Ok(grid) => self.panes.push(Pane {
                step,
                fraction: length.progress(step),
                values: grid.values(),
                chance: grid_chance(&grid),
                rows: then.names,
                columns: end.names.clone(),
            }),
            Err(error) => self.problems.push(error.to_string()),
        }
    }
}

/// What chance gives in place of each value of a grid, `[row][column]`, for a
/// [`Heatmap`](frostline_report::Heatmap); none where a pair has no value.
pub fn grid_chance(grid: &Grid) -> Vec<Vec<Option<ByChance>>> {
    let by_chance = |cell: &Cell| cell.similarity.as_ref().map(by_chance);
    let row = |cells: &Vec<Cell>| cells.iter().map(by_chance).collect();
    grid.cells.iter().map(row).collect()
}

/// The activations of one probe over a training.
struct Recorded<'a> {
    /// Up to the last that can be read.
    steps: Vec<usize>,
    end: Layers,
    read: &'a dyn Fn(usize) -> Result<Activations, frostline_activations::Error>,
}

impl<'a> Recorded<'a> {
    /// What was recorded at these steps, the layers at the end prepared; none where nothing can be read.
    fn ending(
        steps: &[usize],
        read: &'a dyn Fn(usize) -> Result<Activations, frostline_activations::Error>,
        measure: Measure,
        problems: &mut Vec<String>,
    ) -> Option<Self> {
        let mut steps = steps.to_vec();
        while let Some(&last) = steps.last() {
            match read(last) {
                Ok(activations) => {
                    let end = Layers::of(&activations, measure);
                    return Some(Recorded { steps, end, read });
                }
                Err(error) => problems.push(error.to_string()),
            }
            steps.pop();
        }
        None
    }

    fn at(&self, step: usize, measure: Measure, problems: &mut Vec<String>) -> Option<Layers> {
        match (self.read)(step) {
            Ok(activations) => Some(Layers::of(&activations, measure)),
            Err(error) => {
                problems.push(error.to_string());
                None
            }
        }
    }
}

/// The layers of one checkpoint, ready to be compared.
struct Layers {
    names: Vec<String>,
    prepared: Vec<Result<Prepared, frostline_svcca::Error>>,
}

impl Layers {
    fn of(activations: &Activations, measure: Measure) -> Self {
        let named = activations.iter().filter_map(|layer| {
            let view = activations.view(layer.name()).ok()?;
            Some((layer.name().to_string(), (view, layer.errors())))
        });
        let (names, views): (Vec<_>, Vec<_>) = named.unzip();
        let views = views.iter().map(|(view, errors)| (view, *errors));
        Layers {
            prepared: measure.prepare_all_with_errors(views, activations.inputs()),
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
