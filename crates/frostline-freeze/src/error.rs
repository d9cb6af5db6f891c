/// What can go wrong while layers are declared, measured and frozen.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model has no parameters, or no layers were named.
    #[error("there are no layers to freeze: {problem}")]
    NoLayers {
        /// Which of the two it is.
        problem: &'static str,
    },
    /// A layer's name, or a path given for it, matches no parameter.
    #[error(
        "layer `{layer}`: no parameter lies at `{path}` or below it; the model's parameters are: {existing}"
    )]
    UnknownPath {
        /// The layer.
        layer: String,
        /// The path that matches nothing.
        path: String,
        /// All parameter paths, comma separated.
        existing: String,
    },
    /// A parameter belongs to two layers.
    #[error(
        "the parameter `{path}` is in layer `{first}` and in layer `{second}`; it can freeze only once"
    )]
    InTwoLayers {
        /// The parameter's path.
        path: String,
        /// One of the layers.
        first: String,
        /// The other.
        second: String,
    },
    /// Two layers have one name.
    #[error("two layers are named `{layer}`")]
    SameName {
        /// The name.
        layer: String,
    },
    /// Some parameters belong to no layer, so they would train below the frost line.
    #[error("these parameters are in no layer: {paths}; add them to the layer that they belong to")]
    InNoLayer {
        /// Their paths, comma separated.
        paths: String,
    },
    /// A layer has no tap of its name.
    #[error(
        "no tap fired for layer `{layer}`: add `.tap(\"{layer}\")` behind it in the model's forward; the \
         taps that fired are: {fired}"
    )]
    TapMissing {
        /// The layer.
        layer: String,
        /// The names of the taps that fired, comma separated.
        fired: String,
    },
    /// The loss or an activation is no longer finite.
    #[error("training diverged at step {step}: {what}; lower the learning rate{kept}")]
    Diverged {
        /// The optimiser step.
        step: usize,
        /// What is not finite.
        what: String,
        /// Where the recorded run is, as the end of the sentence.
        kept: String,
    },
    /// The views of a layer at two checks can't be compared at all.
    #[error("layer `{layer}` at step {step} can't be measured: {source}")]
    Measure {
        /// The layer.
        layer: String,
        /// The optimiser step.
        step: usize,
        /// Why.
        source: frostline_svcca::Error,
    },
    /// A policy's name or arguments mean nothing, or an argument is out of range.
    #[error("policy `{policy}`, character {at}: {problem}")]
    BadPolicy {
        /// The policy as it was written.
        policy: String,
        /// The character, counted from 1, at which it goes wrong.
        at: usize,
        /// What is wrong, and what there is instead.
        problem: String,
    },
    /// A layer's learning rate is one that Burn's cosine schedule does not take.
    #[error(
        "layer `{layer}` would start at a learning rate of {rate}, from {base} for the last layer; a cosine \
         starts in (0, 1]"
    )]
    LearningRate {
        /// The layer.
        layer: String,
        /// Its rate at the start.
        rate: f64,
        /// The learning rate that was asked for.
        base: f64,
    },
    /// A policy decides by what a recorded run doesn't hold.
    #[error("this run did not record {what}, by which the policy decides ({policy})")]
    NotRecorded {
        /// What is missing.
        what: &'static str,
        /// The policy, described by itself.
        policy: String,
    },
    /// The operations of another number of layers were given.
    #[error(
        "the operations of {given} layers were given, but the model has {layers}; give one number a layer"
    )]
    FlopsDiffer {
        /// How many were given.
        given: usize,
        /// How many layers there are.
        layers: usize,
    },
    /// A training of no steps, or of epochs without steps.
    #[error(
        "the training's length is {steps} steps of {steps_per_epoch} steps an epoch; it has at least one of both. A loader's \
         epoch is `num_items().div_ceil(batch_size)` steps, in `Length::epochs(epochs, steps_per_epoch)`"
    )]
    NoLength {
        /// Steps in all.
        steps: usize,
        /// Steps an epoch.
        steps_per_epoch: usize,
    },
    /// A step's number doesn't come after the one before.
    #[error("step {step}: {problem}")]
    StepOrder {
        /// The step that was told.
        step: usize,
        /// What is wrong with it, and how to count.
        problem: String,
    },
    /// What a loop reported of a step can't be.
    #[error("step {step}: {problem}")]
    BadReport {
        /// The step.
        step: usize,
        /// What can't be, and what it has to be.
        problem: String,
    },
    /// A run is begun that has begun.
    #[error(
        "the run has begun already: call `start`, or `resume` in its place, once and before the first step; a second \
         training takes a `FreezeTraining` of its own"
    )]
    Begun,
    /// A run that has ended is gone on with.
    #[error(
        "the run has ended ({status} at step {step}), and this comes after its end; call `finish` once and after the last \
         step, and take a new `FreezeTraining` for another training"
    )]
    Ended {
        /// How it ended.
        status: &'static str,
        /// At which step.
        step: usize,
    },
    /// The weights of a model can't be read from their device.
    #[error("the model's weights can't be read from their device: {problem}")]
    Unreadable {
        /// What the device says.
        problem: String,
    },
    /// The state of an optimizer can't be read or written.
    #[error("the optimizer's state can't be taken apart: {0}")]
    Optimizer(String),
    /// Recording or the run folder failed.
    #[error(transparent)]
    Activations(#[from] frostline_activations::Error),
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
