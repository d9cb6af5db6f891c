use burn::module::Module;
use burn::tensor::Device;
use frostline_activations::{
    Activations, ByChance, Check, OwnAndInherited, ProbeInfo, Run, Status,
};
use frostline_svcca::{Snapshot, View};

use super::settings::{Budget, DEFAULT_BUDGET};
use super::{FreezeTraining, lock};
use crate::frozen::fixed;
use crate::watching::Weights;
use crate::{Error, by_chance};

/// Each layer against itself at the previous check.
struct Compared {
    similarity: Vec<Option<f64>>,
    chance: Vec<Option<ByChance>>,
    /// Against the first check; empty at that.
    from_start: Vec<Option<f64>>,
    /// What changes are judged by.
    likeness: Vec<Option<f64>>,
    /// Empty where nobody watches them.
    parts: Vec<Option<OwnAndInherited>>,
    /// What makes the similarities less believable, with the layer's name.
    warnings: Vec<String>,
}

/// Looking at the model when it is time.
impl<M: Module> FreezeTraining<M> {
    /// The steps at which to check.
    pub(super) fn due(&self) -> Result<Vec<usize>, Error> {
        let length = self.history.length();
        if length.steps == 0 || length.steps_per_epoch == 0 {
            return Err(Error::NoLength {
                steps: length.steps,
                steps_per_epoch: length.steps_per_epoch,
            });
        }
        let mut due = self.schedule.due(&length)?;
        let wanted = self.wanted().into_iter();
        due.extend(wanted.filter(|step| *step <= length.steps));
        due.sort_unstable();
        due.dedup();
        Ok(due)
    }

    /// The steps at which the policy wants to be asked.
    fn wanted(&self) -> Vec<usize> {
        let (layers, length) = (self.layers.len(), self.history.length());
        self.policy.wanted_steps(layers, length)
    }

    /// The first look at a model: every layer has its tap, and what the run folder says of it is known.
    pub(super) fn look(&mut self, model: &M) -> Result<Activations, Error> {
        // A run that goes on compares with what it recorded before, so in the same layout.
        if let Some(path) = &self.path
            && self.going_on
            && let Ok(begun) = Run::open(path)
        {
            self.probe.keep_to(begun.info.probe.layout);
            if let (Some(panes), Some(begun)) = (&self.panes, &begun.info.panes_probe) {
                panes.probe.keep_to(begun.layout);
            }
        }
        self.settle_panes(model)?;
        let activations = self.probe.activations(model)?;
        self.look_at_layers(model, &activations)?;
        self.comparing = comparing(&activations, self.watched.parts);
        let rows = activations.iter().map(|layer| layer.shape()[0]);
        self.info.probe = ProbeInfo {
            samples: rows.max().unwrap_or(0),
            layout: self.probe.kept_layout().unwrap_or_default(),
            inputs: activations.inputs(),
        };
        if self.info.device.is_empty() {
            let devices: Vec<String> = model.devices().iter().map(named).collect();
            self.info.device = devices.join(", ");
        }
        match &self.info.forward_flops {
            Some(flops) if flops.len() != self.layers.len() => {
                return Err(Error::FlopsDiffer {
                    given: flops.len(),
                    layers: self.layers.len(),
                });
            }
            Some(_) => {}
            None => {
                let shapes = self.probe.shapes(model)?;
                self.info.forward_flops = Some(self.layers.estimated_flops(&shapes));
            }
        }
        Ok(activations)
    }

    /// Whether the model is to be looked at after this step: a check is due at it, or was at a step since `before`, the
    /// last one that the loop told. Several that were passed over are made up for by one.
    pub(super) fn is_due(&self, before: usize, step: usize) -> bool {
        let going = self.going.as_ref().expect("a step follows the start");
        let passed = |due: &usize| before < *due && *due <= step;
        let due = going.has_due(before, step);
        let outer = going.due.last().is_some_and(passed);
        let share = match self.budget {
            _ if !due || outer => return due,
            Budget::None => return true,
            _ if self.wanted().iter().any(passed) => return true,
            Budget::Default => DEFAULT_BUDGET,
            Budget::Share(share) => share,
        };
        let samples = self.info.probe.evaluated();
        let by_time = || {
            let checks = self.history.checks().len().max(1) as f64;
            let measured = going.clock.measuring_seconds();
            measured + measured / checks <= share * going.clock.training_seconds_now()
        };
        match (going.spending.allows(share, samples), self.budget) {
            (Some(allows), _) => allows,
            (None, Budget::Share(_)) => by_time(),
            // Nobody knows what a step takes: no more than what has to be.
            (None, _) => false,
        }
    }

    /// How far each layer's weights moved since the previous check; keeps them for the next.
    fn weight_change(&mut self, model: &M) -> Vec<Option<f64>> {
        let going = self.going.as_mut().expect("a check follows the start");
        if !self.watched.weights {
            return Vec::new();
        }
        let now = Weights::of(model);
        let change = match &going.weights {
            Some(before) => now.change_since(before, &self.layers),
            None => vec![None; self.layers.len()],
        };
        going.weights = Some(now);
        change
    }

    /// Measures, keeps, decides and writes. Returns how many layers shall be frozen from now on.
    pub(super) fn check(
        &mut self,
        model: &M,
        activations: Activations,
        step: usize,
    ) -> Result<usize, Error> {
        let frozen = self.frozen();
        let Compared {
            similarity,
            chance,
            from_start,
            likeness,
            parts,
            mut warnings,
        } = self.compare(model, &activations, frozen, step)?;
        warnings.append(&mut self.notices);
        let weight_change = self.weight_change(model);
        let fixed = fixed(model, &self.layers, frozen);
        let going = self.going.as_mut().expect("a check follows the start");
        let told = going.account(frozen, self.cache.as_deref());
        let evaluations = if parts.is_empty() { 1 } else { 3 };
        going
            .spending
            .probed(evaluations * self.info.probe.evaluated());
        let gradients = match self.watched.gradients {
            true => going.gradients.take(&self.layers),
            false => Vec::new(),
        };
        let off = self.cache.as_ref();
        let off = off.and_then(|cache| lock(cache).switched_off().map(str::to_string));
        if let (Some(why), false) = (off, going.cache_off_told) {
            warnings.push(format!(
                "the outputs of frozen layers are no longer kept: {why}"
            ));
            going.cache_off_told = true;
        }
        if going.due.last().is_some_and(|last| *last <= step) {
            warnings.extend(going.passed_over());
        }
        // A loop that reports every other step has told those of the first steps by now.
        if told.steps > 0 {
            let before = self.history.checks();
            warnings.extend(going.not_told(&self.watched, &gradients, before));
        }
        // The check counts, whether or not it can be written.
        let saved = going.save(step, activations);
        self.history.push(Check {
            step,
            epoch: self.history.length().epoch(step),
            learning_rate: told.rate(),
            learning_rates: told.layer_rates(),
            training_seconds: going.clock.training_seconds(),
            loss: told.loss.value(),
            loss_error: told.loss.error(),
            first_loss: told.first_loss.value(),
            accuracy: told.accuracy,
            similarity,
            chance,
            likeness,
            from_start,
            parts,
            gains: lock(&going.gains).take(),
            gradients,
            weight_change,
            fixed,
            frozen,
            decided: frozen,
            warnings,
            ledger: Some(going.spending.ledger().clone()),
            ..Check::default()
        });
        let latest = self.history.decide(self.policy.as_ref());
        going.clock.measured();
        latest.measuring_seconds = going.clock.measuring_seconds();
        latest.cpu_seconds = Some(going.clock.processor_seconds());
        let now_frozen = latest.frozen;
        let kept = going.keep_check(latest, &self.info.layers);
        for converged in going.previous.iter_mut().take(now_frozen) {
            *converged = None;
        }
        if now_frozen < frozen {
            self.thawed = Some(now_frozen..frozen);
            if let Some(cache) = &self.cache {
                lock(cache).clear();
            }
        }
        going.clock.measured();
        saved.and(kept)?;
        Ok(now_frozen)
    }

    /// The similarity of each layer to itself at the previous check, what chance gives in its place, and what makes it
    /// less believable.
    /// Frozen layers are not measured: theirs is 1.
    ///
    /// Not being comparable is no reason to end a training: such a layer never counts as converged, and
    /// the warnings say why.
    fn compare(
        &mut self,
        model: &M,
        activations: &Activations,
        frozen: usize,
        step: usize,
    ) -> Result<Compared, Error> {
        let names: Vec<String> = self.layers.names().map(str::to_string).collect();
        let before = self.before.take();
        let alone = match &before {
            Some(before) => {
                let names = names.iter().map(String::as_str);
                Some(self.probe.layers_alone(model, before, names)?)
            }
            None => None,
        };
        if self.watched.parts {
            self.before = Some(model.valid());
        }
        let mut found = Compared {
            similarity: vec![Some(1.0); frozen],
            chance: vec![None; frozen],
            likeness: vec![None; frozen],
            from_start: vec![None; frozen],
            parts: match alone {
                Some(_) => vec![None; frozen],
                None => Vec::new(),
            },
            warnings: Vec::new(),
        };
        for (layer, name) in names.iter().enumerate().skip(frozen) {
            let prepared = self.prepared(activations, name, step)?;
            let going = self.going.as_mut().expect("a check follows the start");
            let kept = prepared.as_ref().ok().cloned();
            let first = going.first.get(layer).and_then(Option::as_ref);
            let from_start = first.zip(kept.as_ref());
            let from_start = from_start.and_then(|(first, now)| first.likeness(now));
            found.from_start.push(from_start);
            let previous = std::mem::replace(&mut going.previous[layer], kept);
            if let Some(alone) = &alone {
                let sides = [previous.as_ref(), prepared.as_ref().ok()];
                let parts = self.parts(sides, alone, name, step)?;
                found.parts.push(parts);
            }
            let likeness = previous.as_ref().zip(prepared.as_ref().ok());
            let likeness = likeness.and_then(|(before, now)| before.likeness(now));
            found.likeness.push(likeness);
            let compared = match (previous, prepared) {
                (None, Ok(_)) => None,
                (Some(previous), Ok(now)) => Some(previous.similarity(&now)),
                (_, Err(error)) => Some(Err(error)),
            };
            let before = format!("{name} at the check before");
            match &compared {
                None => {}
                Some(Ok(compared)) => {
                    found
                        .warnings
                        .extend(compared.warnings.iter().map(|warning| {
                            let told = warning.named(&before, name);
                            match warning.side() {
                                Some(_) => told,
                                None => format!("{name}: {told}"),
                            }
                        }))
                }
                Some(Err(error)) => {
                    found
                        .warnings
                        .push(format!("{name}: {}", error.named(&before, name)));
                }
            }
            let compared = compared.and_then(Result::ok);
            found.chance.push(compared.as_ref().map(by_chance));
            found
                .similarity
                .push(compared.map(|compared| compared.value));
        }
        let going = self.going.as_mut().expect("a check follows the start");
        if going.first.is_empty() {
            going.first = going.previous.clone();
            found.from_start.clear();
        }
        Ok(found)
    }

    /// How a layer's change between two checks is split; none where one of them isn't known, or can't be compared.
    fn parts(
        &mut self,
        [before, now]: [Option<&Snapshot>; 2],
        alone: &Activations,
        name: &str,
        step: usize,
    ) -> Result<Option<OwnAndInherited>, Error> {
        let (Some(before), Some(now)) = (before, now) else {
            return Ok(None);
        };
        let Ok(alone) = self.prepared(alone, name, step)? else {
            return Ok(None);
        };
        let parts = before.likeness(&alone).zip(alone.likeness(now));
        Ok(parts.map(|(own, inherited)| OwnAndInherited { own, inherited }))
    }

    /// What is kept of a layer for the next check, or why nothing is. The outer error ends the training: an
    /// activation that is not finite, or a layer that can't be measured from the start.
    pub(super) fn prepared(
        &mut self,
        activations: &Activations,
        name: &str,
        step: usize,
    ) -> Result<Result<Snapshot, frostline_svcca::Error>, Error> {
        // The probe keeps views, so the layout is settled.
        let values = activations.view(name)?;
        // Places of one input are not independent samples.
        let inputs = activations.inputs();
        let inputs = inputs.filter(|inputs| values.dims()[0].is_multiple_of((*inputs).max(1)));
        let errors = activations.layer(name)?.errors();
        let view = View::new(&values)
            .and_then(|view| match inputs {
                Some(inputs) => view.of_inputs(inputs),
                None => Ok(view),
            })
            .and_then(|view| match errors {
                Some(errors) => view.with_errors(errors),
                None => Ok(view),
            });
        match view.and_then(|view| Snapshot::of(&view, self.measure)) {
            Err(error @ frostline_svcca::Error::NotFinite { .. }) => {
                Err(self.diverged(step, format!("layer `{name}`: {error}")))
            }
            Err(source) if self.history.checks().is_empty() => Err(Error::Measure {
                layer: name.to_string(),
                step,
                source,
            }),
            prepared => Ok(prepared),
        }
    }

    /// Writes the end of a run that diverged, and gives the error that says so.
    pub(super) fn diverged(&mut self, step: usize, what: String) -> Error {
        let ended = self.finish(Status::Diverged, step, None);
        let kept = match (ended, self.folder()) {
            (Err(error), _) => format!("; this end could not be recorded ({error})"),
            (Ok(_), Some(folder)) => {
                format!("; what was recorded before is in {}", folder.display())
            }
            (Ok(_), None) => String::new(),
        };
        Error::Diverged { step, what, kept }
    }
}

/// Operations of preparing and comparing views of these shapes, about: products over the samples, decompositions of what is no
/// wider than they are many, and what small ones take besides, in operations that a training does meanwhile. It was fitted to
/// processor times of 8 to 512 neurons, at the ten billion operations a second that convolutions train with on a core.
fn comparing(activations: &Activations, parts: bool) -> f64 {
    let of_layer = |layer: &frostline_activations::Activation| {
        let (rows, columns) = (layer.shape()[0] as f64, layer.shape()[1] as f64);
        let fewer = rows.min(columns);
        6.0 * rows * columns * fewer + 40.0 * fewer.powi(3) + 3e3 * fewer.powi(2) + 5e6
    };
    let once: f64 = activations.iter().map(of_layer).sum();
    if parts { 2.0 * once } else { once }
}

/// The device as the run folder names it, with the card behind it where there is one.
fn named(device: &Device) -> String {
    #[cfg(feature = "gpu")]
    if let Some(identity) = device.identity() {
        return format!("{} ({device:?})", identity.name);
    }
    let text = format!("{device:?}");
    // Under autodiff, Burn prints all of that too.
    let within = text.strip_prefix("Device<Autodiff { device: ");
    let within = within.and_then(|within| within.rsplit_once(", checkpointing: "));
    within.map_or(text.clone(), |(device, _)| device.to_string())
}
