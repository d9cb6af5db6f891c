/// What can go wrong between activations, run folders and what is made of them.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no runs to show.
    #[error("no runs were given")]
    NoRuns,
    /// No layer was recorded.
    #[error("the activations hold no layer: tap the layers and record them first")]
    NoLayers,
    /// A label beyond the classes.
    #[error(
        "sample {sample} has the label {label}, but there are {classes} classes, counted from 0"
    )]
    UnknownClass {
        /// The first such sample.
        sample: usize,
        /// Its label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// A threshold that no similarity can be held to.
    #[error(
        "the threshold is {threshold}; similarities lie between 0 and 1, so it must be above 0 and at most 1"
    )]
    BadThreshold {
        /// The threshold.
        threshold: f64,
    },
    /// A similarity that is NaN or infinite.
    #[error(
        "the similarity of layer `{layer}` at step {step} is {value}; every one must be finite"
    )]
    BadSimilarity {
        /// The layer.
        layer: String,
        /// The step.
        step: usize,
        /// The value.
        value: f64,
    },
    /// A group of one network, or of none.
    #[error(
        "group {group} has {networks} networks; a group is compared within itself, so it needs 2 or more"
    )]
    TooFewNetworks {
        /// `a` or `b`.
        group: char,
        /// How many it has.
        networks: usize,
    },
    /// Networks whose layers have other names, or stand in another order.
    #[error(
        "network {network} of group {group} has the layers {found}, but the first one has {expected}; groups are \
         compared layer by layer"
    )]
    LayersDiffer {
        /// `a` or `b`.
        group: char,
        /// Which network of the group, counted from 0.
        network: usize,
        /// Its layers.
        found: String,
        /// Those of the first network of group a.
        expected: String,
    },
    /// Networks that were asked about other samples.
    #[error(
        "layer `{layer}` of network {network} of group {group} has {found} samples, but {expected} in the first \
         one; ask all networks about the same samples in the same order"
    )]
    SamplesDiffer {
        /// The layer.
        layer: String,
        /// `a` or `b`.
        group: char,
        /// Which network of the group, counted from 0.
        network: usize,
        /// Its samples.
        found: usize,
        /// Those of the first network of group a.
        expected: usize,
    },
    /// A projection of something else than a layer's input.
    #[error(
        "the layer takes {inputs} inputs but the projection is of {neurons} neurons; project the activations that go \
         into the layer"
    )]
    NotTheInput {
        /// Inputs of the layer, or channels.
        inputs: usize,
        /// Neurons of the projection.
        neurons: usize,
    },
    /// A projection that keeps nothing.
    #[error(
        "the projection keeps no direction, since no neuron varies over its samples; there is nothing to pass on"
    )]
    NothingKept,
    /// A convolution in groups.
    #[error(
        "the convolution has {groups} groups; only one that sees all its channels goes through their directions"
    )]
    Grouped {
        /// Its groups.
        groups: usize,
    },
    /// Recording or reading activations failed.
    #[error(transparent)]
    Activations(#[from] frostline_activations::Error),
    /// Comparing layers failed.
    #[error(transparent)]
    Svcca(#[from] frostline_svcca::Error),
    /// Drawing failed.
    #[error(transparent)]
    Report(#[from] frostline_report::Error),
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
