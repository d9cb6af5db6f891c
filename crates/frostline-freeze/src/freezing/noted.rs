//! What is noted of a run when its model is saved: everything by which it decides.

use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use frostline_activations::{Check, Error as FolderError, Ledger, RunFolder, StateFile};
use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::going::Going;
use super::{FreezeTraining, lock};
use crate::watching::{GradientSums, Told, Weights};
use crate::{Error, Layers};

/// The states of so many saved models are kept beside their notes.
const KEPT_STATES: usize = 8;

/// A model that was saved in the middle of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The fingerprint of its weights.
    pub(super) model: String,
    /// Optimiser steps done.
    pub(super) step: usize,
    /// What had been told since the last check.
    pub(super) told: Told,
    /// What had been spent since the start; none in notes of earlier versions.
    #[serde(default)]
    pub(super) spent: Option<Spent>,
    /// The rest of what decides; none in notes of earlier versions.
    #[serde(default)]
    pub(super) decides: Option<Decides>,
}

/// What a run has cost.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spent {
    /// Seconds of training, of measuring and of the processor.
    pub(super) seconds: [f64; 3],
    pub(super) ledger: Ledger,
}

/// By what the checks that follow decide, besides the history.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Decides {
    /// The checks so far.
    pub(super) checks: usize,
    /// The last step that the loop told.
    pub(super) last_step: usize,
    /// The layers that the next check compares with the last one, one entry a layer: not those that have just thawed.
    pub(super) compared: Vec<bool>,
    /// The operations by which the budget for measuring is counted.
    pub(super) offered: f64,
    /// Seconds of training up to the last check.
    pub(super) trained_before: f64,
    /// The latest accuracy on held-out samples, and on how many.
    pub(super) tested: Option<(f64, Option<usize>)>,
    /// Layers that thawed and of which the loop has not been told.
    pub(super) thawed: Option<(usize, usize)>,
    /// The notice that the cache has switched itself off was written.
    pub(super) cache_off_told: bool,
    /// Due checks that were passed over.
    #[serde(default)]
    pub(super) passed_over: usize,
    /// What layers have gained since the last check, where that is watched.
    #[serde(default)]
    pub(super) gains: Vec<Option<f64>>,
    /// Samples of a step, where taps had to show them.
    #[serde(default)]
    pub(super) samples_seen: Option<usize>,
    /// The step after which the taps began to be counted for that.
    #[serde(default)]
    pub(super) counting_since: Option<usize>,
    /// What the next check says to the user.
    #[serde(default)]
    pub(super) notices: Vec<String>,
    /// The gradients summed since the last check, where they are watched.
    pub(super) gradients: Option<StateFile>,
    /// The weights at the last check, where they are watched.
    pub(super) weights: Option<StateFile>,
    /// The model at the last check, where changes are split into the layers' own and what they inherit.
    #[serde(default)]
    pub(super) before: Option<StateFile>,
}

/// What is read from the files beside a note.
pub(super) struct State<M> {
    pub(super) gradients: GradientSums,
    pub(super) weights: Option<Weights>,
    pub(super) before: Option<M>,
}

impl<M: Module> FreezeTraining<M> {
    /// Notes that the model is being saved after so many steps, so that [`resume`](Self::resume) knows it. With it is
    /// noted everything by which the run decides: a run that goes on makes the decisions that it would have made.
    ///
    /// Call it right before the model is saved. A kill between the two then leaves the model that was saved before, which is
    /// known; the other way round it may leave one that nothing is known of. What doesn't fit into a line, the sums of
    /// gradients and the weights that a policy [watches](crate::FreezePolicy::watches), is kept in files for the latest eight
    /// notes. Without a folder nothing is noted.
    ///
    /// # Errors
    /// [`Error::StepOrder`] for a step that is before the last one of [`after_step`](Self::after_step),
    /// [`Error::Unreadable`] when the weights can't be read from their device, [`Error::Activations`] when the run folder
    /// can't be written.
    pub fn note_saved(&self, model: &M, step: usize) -> Result<(), Error> {
        let Some(going) = &self.going else {
            return Ok(());
        };
        let Some(folder) = &going.folder else {
            return Ok(());
        };
        if step < going.last_step {
            return Err(Error::StepOrder {
                step,
                problem: format!(
                    "the model is noted as saved after it, but the last step of `after_step` is {}; note a model after \
                     its own step",
                    going.last_step
                ),
            });
        }
        let keep = |tensors: Option<Vec<(String, TensorData)>>| {
            let kept = tensors.map(|tensors| folder.keep_state(tensors));
            kept.transpose()
        };
        let gradients = match going.gradients.is_empty() {
            true => None,
            false => Some(named(&self.layers, |id| going.gradients.of(id))?),
        };
        let weights = match &going.weights {
            Some(weights) => Some(named(&self.layers, |id| weights.of_param(id))?),
            None => None,
        };
        let before = match &self.before {
            Some(before) => {
                let floats = Floats::of(before).0;
                let flat = |id| floats.get(&id).cloned();
                Some(named(&self.layers.of_loaded(before), flat)?)
            }
            None => None,
        };
        let (gradients, weights, before) = (keep(gradients)?, keep(weights)?, keep(before)?);
        let gains = {
            let mut gains = lock(&going.gains);
            // Of a loop that doesn't report every step, the latest is not counted in yet.
            gains.after(model, &self.layers);
            gains.sums().to_vec()
        };
        let note = Saved {
            model: fingerprint(model)?,
            step,
            told: going.told.clone(),
            spent: Some(Spent {
                seconds: going.clock.seconds_now(),
                ledger: self.ledger_now(going),
            }),
            decides: Some(Decides {
                checks: self.history.checks().len(),
                last_step: going.last_step,
                compared: going.previous.iter().map(Option::is_some).collect(),
                offered: going.spending.offered(),
                trained_before: going.trained_before,
                tested: going.tested,
                thawed: self.thawed.clone().map(|thawed| (thawed.start, thawed.end)),
                cache_off_told: going.cache_off_told,
                passed_over: going.passed_over,
                gains,
                samples_seen: going.samples_seen,
                counting_since: going.counting_since,
                notices: self.notices.clone(),
                gradients,
                weights,
                before,
            }),
        };
        folder.note_saved(&note)?;
        lock(&going.states).keep(&note, folder)
    }

    /// The ledger with what the cache has counted since the last check.
    fn ledger_now(&self, going: &Going) -> Ledger {
        let mut spending = going.spending.clone();
        if let Some(cache) = &self.cache {
            spending.cache(lock(cache).counted());
        }
        spending.ledger().clone()
    }
}

impl Saved {
    /// Whether the history up to the saved model is the one that it was saved with.
    pub(super) fn belongs_to(&self, path: &Path, checks: &[Check]) -> Result<(), Error> {
        let damaged = |problem: String| {
            Error::Activations(FolderError::Damaged {
                path: path.join("history.jsonl"),
                line: String::new(),
                problem,
            })
        };
        let (found, step) = (checks.len(), self.step);
        match &self.decides {
            Some(decides) if decides.checks != found => {
                let noted = decides.checks;
                Err(damaged(format!(
                    "it has {found} checks up to step {step}, but had {noted} when the model of that step was saved"
                )))
            }
            _ => Ok(()),
        }
    }

    /// What was kept in files with it, for the parameters of this model.
    pub(super) fn state<M: Module>(
        &self,
        path: &Path,
        layers: &Layers,
        model: &M,
    ) -> Result<State<M>, Error> {
        let Some(decides) = &self.decides else {
            return Ok(State {
                gradients: GradientSums::default(),
                weights: None,
                before: None,
            });
        };
        let read = |file: &Option<StateFile>| match file {
            Some(file) => {
                let tensors = RunFolder::state(path, file)?;
                Ok::<_, Error>(Some(by_id(tensors, layers, model)))
            }
            None => Ok(None),
        };
        let gradients = read(&decides.gradients)?.unwrap_or_default();
        let weights = read(&decides.weights)?;
        let before = read(&decides.before)?;
        Ok(State {
            gradients: gradients.into_iter().collect(),
            weights: weights.map(Weights::from_iter),
            before: before.map(|floats| {
                let mut floats = Floats(floats.into_iter().collect());
                model.valid().map(&mut floats)
            }),
        })
    }

    /// What no note says of a run of so many layers, with the field's name.
    pub(super) fn problem(&self, layers: usize) -> Option<String> {
        let amount = |value: f64| (0.0..=1e150).contains(&value);
        if let Some(spent) = &self.spent {
            if !spent.seconds.iter().all(|seconds| amount(*seconds)) {
                return Some(format!(
                    "`spent.seconds` is {:?}, but seconds are from 0",
                    spent.seconds
                ));
            }
            let counted = spent.ledger.layers.len();
            if counted != 0 && counted != layers {
                return Some(format!(
                    "`spent.ledger.layers` has {counted} entries, but the run has {layers} layers"
                ));
            }
        }
        let decides = self.decides.as_ref()?;
        if decides.compared.len() != layers {
            let found = decides.compared.len();
            return Some(format!(
                "`decides.compared` has {found} entries, but the run has {layers} layers"
            ));
        }
        if !decides.gains.is_empty() && decides.gains.len() != layers {
            let found = decides.gains.len();
            return Some(format!(
                "`decides.gains` has {found} entries, but the run has {layers} layers"
            ));
        }
        if !amount(decides.offered) || !amount(decides.trained_before) {
            return Some("`decides.offered` and `decides.trained_before` have to be from 0".into());
        }
        if decides.last_step > self.step {
            let (last, step) = (decides.last_step, self.step);
            return Some(format!(
                "`decides.last_step` is {last}, after its `step` {step}"
            ));
        }
        match decides.thawed {
            Some((from, to)) if from > to || to > layers => Some(format!(
                "`decides.thawed` is {from} to {to}, but the run has {layers} layers"
            )),
            _ => None,
        }
    }
}

/// The tensors of the layers' parameters, by their paths: a model that is loaded may have other ids.
fn named(
    layers: &Layers,
    of: impl Fn(ParamId) -> Option<Tensor<1>>,
) -> Result<Vec<(String, TensorData)>, Error> {
    let tensors = layers
        .parameters()
        .filter_map(|(id, path)| Some((path, of(id)?)));
    let read = tensors.map(|(path, tensor)| {
        let data = tensor.try_into_data().map_err(|error| Error::Unreadable {
            problem: error.to_string(),
        })?;
        Ok((path.to_string(), data))
    });
    read.collect()
}

/// The floats of a model, parameters and running statistics, each as a vector.
#[derive(Default)]
struct Floats(HashMap<ParamId, Tensor<1>>);

impl Floats {
    fn of<M: Module>(model: &M) -> Self {
        let mut floats = Floats::default();
        model.visit(&mut floats);
        floats
    }
}

impl ModuleVisitor for Floats {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, param.val().reshape([-1]));
    }
}

/// Puts the floats into a model.
impl ModuleMapper for Floats {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            Some(values) => param.map(|tensor| {
                let dims = tensor.dims();
                // What was damaged has another hash, so another model than the one that was noted.
                match values.dims()[0] == dims.iter().product::<usize>() {
                    true => values.reshape(dims),
                    false => tensor,
                }
            }),
            None => param,
        }
    }
}

/// The tensors by the ids that the parameters of these paths have in a model, on their devices.
fn by_id<M: Module>(
    tensors: Vec<(String, TensorData)>,
    layers: &Layers,
    model: &M,
) -> Vec<(ParamId, Tensor<1>)> {
    struct Devices(Vec<(ParamId, Device)>);
    impl ModuleVisitor for Devices {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0
                .push((param.id, param.val().device().without_autodiff()));
        }
    }
    let mut devices = Devices(Vec::new());
    model.visit(&mut devices);
    let place = |path: &str| {
        let (id, _) = layers.parameters().find(|(_, known)| *known == path)?;
        devices.0.iter().find(|(param, _)| *param == id)
    };
    let placed = tensors.into_iter().filter_map(|(path, data)| {
        let (id, device) = place(&path)?;
        let dtype = data.dtype();
        Some((*id, Tensor::<1>::from_data(data, (device, dtype))))
    });
    placed.collect()
}

/// The files that the latest notes need, those of the latest note last.
#[derive(Debug, Default)]
pub(super) struct KeptStates(Vec<Vec<StateFile>>);

impl KeptStates {
    /// Those of these notes.
    pub(super) fn of<'a>(notes: impl Iterator<Item = &'a Saved>) -> Self {
        let mut kept = KeptStates::default();
        notes.for_each(|note| kept.add(note));
        kept
    }

    fn add(&mut self, note: &Saved) {
        let files = note.decides.iter();
        let files =
            files.flat_map(|decides| [&decides.gradients, &decides.weights, &decides.before]);
        self.0.push(files.flatten().cloned().collect());
        if self.0.len() > KEPT_STATES {
            self.0.remove(0);
        }
    }

    /// Adds those of a note, and removes from the folder what only older ones need.
    fn keep(&mut self, note: &Saved, folder: &RunFolder) -> Result<(), Error> {
        let before = self.0.iter().flatten().count();
        self.add(note);
        let needed: Vec<StateFile> = self.0.iter().flatten().cloned().collect();
        // Without states there is nothing to remove.
        match before + needed.len() {
            0 => Ok(()),
            _ => Ok(folder.keep_only_states(&needed)?),
        }
    }
}
