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
        "layer `{layer}`: nothing lies at `{path}` or below it; the model's parameters are, flags included: {existing}"
    )]
    UnknownPath {
        /// The layer.
        layer: String,
        /// The path that matches nothing.
        path: String,
        /// All parameter paths, comma separated.
        existing: String,
    },
    /// Nothing lies at a path that was to be opened, to be exempt, to be assigned or to hold all layers.
    #[error(
        "nothing lies at `{path}` or below it; the model's parameters are, flags included: {existing}"
    )]
    NothingAt {
        /// The path.
        path: String,
        /// All paths, comma separated.
        existing: String,
    },
    /// A parameter belongs to two layers.
    #[error(
        "the parameter `{path}` is in layer `{first}` and in layer `{second}`; it can freeze only once. Where both use \
         one weight (one id), give it to the one of them that runs last, `Layers::builder().assign(\"{path}\", ..)`, \
         or let it never freeze, `.exempt([\"{path}\"])`. Copies of a module have its ids: make each layer by its own \
         `init`, not by `clone` or `vec![layer; n]`"
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
    /// A layer has no parameter of its own: nothing of it could freeze.
    #[error(
        "layer `{layer}` has no parameter of its own: what lies at its paths is exempt, assigned to other layers, or \
         flags only; leave the layer out, or give it a parameter"
    )]
    NoParameters {
        /// The layer.
        layer: String,
    },
    /// A layer of this name doesn't exist.
    #[error("there is no layer `{layer}`; the layers are: {layers}")]
    UnknownLayer {
        /// The name.
        layer: String,
        /// All layers, comma separated, from the input up.
        layers: String,
    },
    /// An order leaves layers out.
    #[error("the order leaves out these layers: {missing}; name all of them, from the input up")]
    NotInOrder {
        /// Their names, comma separated.
        missing: String,
    },
    /// The taps fire in another order than the layers have, so that layers would freeze below others that train.
    #[error(
        "the layers are, from the input up: {layers}; but their taps fire in this order: {fired}. Layers freeze from the \
         input up, so they have to be in the order in which they run: `Layers::of(&model)?.in_order([{in_order}])?`, or \
         `.ordered_by(&probe, &model)?`. Where the taps are wrong, move each behind the layer of its name"
    )]
    OrderDiffers {
        /// The layers as they were declared, comma separated.
        layers: String,
        /// The layers in the order of their taps, comma separated.
        fired: String,
        /// The same, each in quotes.
        in_order: String,
    },
    /// A layer's tap shows what another layer makes.
    #[error(
        "the tap `{layer}` doesn't show layer `{layer}`: {how}. Put `.tap(\"{layer}\")` behind layer `{layer}` in the \
         model's forward, or name the layers for what they are. Where the taps are right nonetheless, say \
         `FreezeTraining::trusting_taps`"
    )]
    TapElsewhere {
        /// The tap and the layer.
        layer: String,
        /// What the tap shows instead.
        how: String,
    },
    /// `Layered::run` makes something else of the probe's inputs than the probe's forward does.
    #[error(
        "`Layered::run` and the forward of the probe differ at layer `{layer}`: {how}. With outputs kept by a cache the \
         network would train on what `run` makes; let the forward call `run`, or mend `run`. Inputs that the probe's forward \
         prepares before it calls `run` have to be prepared before they come to the probe"
    )]
    RunDiffers {
        /// The first layer at which they differ, from the input up.
        layer: String,
        /// What differs.
        how: String,
    },
    /// Some parameters belong to no layer, so they would train below the frost line.
    #[error(
        "these parameters are in no layer: {paths}; add them to the layer that they belong to, or exempt them \
         (`Layers::builder().exempt([..])`): what is exempt trains to the end"
    )]
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
