use std::path::PathBuf;

/// What can go wrong while activations are recorded, kept or read back.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two taps of one forward have the same name.
    #[error(
        "the layer name `{name}` was tapped twice in one forward; give each tap its own name, or wrap \
         a module that is used twice in scope(\"..\", ..)"
    )]
    TappedTwice {
        /// The full name, scopes included.
        name: String,
    },
    /// No tap has this name.
    #[error("no layer `{name}` was recorded; recorded are: {recorded}")]
    UnknownLayer {
        /// The name asked for.
        name: String,
        /// The names there are, comma separated.
        recorded: String,
    },
    /// The activation has no samples or no neurons.
    #[error("layer `{name}` is empty: its shape is {shape:?}")]
    EmptyActivation {
        /// The layer's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// An activation of three axes, of which nobody said which holds the channels.
    #[error(
        "layer `{name}` has shape {shape:?}, and it isn't known which axis holds its neurons: is it \
         [sample, channel, place], as Conv1d puts it out, or [sample, token, neuron], as embeddings, attention \
         and LSTMs do? Name it at the tap, `.tap_as(\"{name}\", Axes::ChannelsFirst)` or `.tap_as(\"{name}\", \
         Axes::Tokens)`, or at the probe, for all layers `.axes(Axes::ChannelsFirst)` or `.axes(Axes::Tokens)`, for \
         some `.axes_of(\"{name}\", ..)`"
    )]
    AxesUnknown {
        /// The layer's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// More than three axes were named as tokens.
    #[error(
        "layer `{name}` has shape {shape:?}, but Axes::Tokens is [sample, token, neuron]; with more axes it is \
         Axes::ChannelsFirst or Axes::ChannelsLast"
    )]
    NotTokens {
        /// The layer's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A name or pattern that no layer has.
    #[error("no layer is called `{pattern}`, * being any characters; recorded are: {recorded}")]
    NoLayerMatches {
        /// The name or pattern.
        pattern: String,
        /// The names there are, comma separated.
        recorded: String,
    },
    /// What was to be a pattern of names can't be one.
    #[error("`{pattern}` is no pattern of layer names: {problem}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A grid without cells or places, or one that is finer than any map.
    #[error(
        "a grid of {grid:?} cells of which {places} are taken can't be pooled to; each side and the number of places is \
         at least 1, and all cells together are at most a million"
    )]
    BadGrid {
        /// Cells along depth, height and width.
        grid: [usize; 3],
        /// Cells of each input that are samples.
        places: usize,
    },
    /// A mask that doesn't fit a layer.
    #[error(
        "layer `{name}` is {places:?}, [sample, place..], but the mask is {mask:?}, [sample, token]; a mask \
         holds a value for each token of each sample. If the places of this layer are not the tokens, leave it out \
         by `.unmasked(\"{name}\")`"
    )]
    TokensDiffer {
        /// The layer's name.
        name: String,
        /// Its samples, and the lengths of its axes of places.
        places: Vec<usize>,
        /// The shape of the mask.
        mask: [usize; 2],
    },
    /// An input that is padding alone.
    #[error(
        "row {row} of the mask of batch {batch} has no real token; an input has one at least (is the mask the wrong \
         way round? `.padding(..)` takes true for padding, `.real_tokens(..)` true for a token)"
    )]
    NoRealTokens {
        /// The batch.
        batch: usize,
        /// The sample in it.
        row: usize,
    },
    /// Padded tokens in a layout that makes each token neurons of its own.
    #[error(
        "layer `{name}` has padded tokens, which Layout::Positions can't leave out: every token is neurons of its own \
         there; take Layout::ChannelMeans, Layout::Channels or Layout::Pooled"
    )]
    PaddedPositions {
        /// The layer's name.
        name: String,
    },
    /// A tap whose first axis is not the samples.
    #[error(
        "layer `{name}` has shape {shape:?}{batch}, but the number of samples is {samples} {advice}"
    )]
    SamplesDiffer {
        /// The layer's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Which batch of a probe it is, if it is one.
        batch: String,
        /// How many samples there are.
        samples: usize,
        /// How that is known, which axis seems to be the samples, and what to do.
        advice: String,
    },
    /// Nothing says how many samples a batch has.
    #[error(
        "it isn't known how many samples batch {batch} of the probe has, and so whether they are the first axis of \
         {layers}: say it by `.samples([..])`, a number for each batch"
    )]
    SamplesUnknown {
        /// The batch.
        batch: usize,
        /// The layers, comma separated.
        layers: String,
    },
    /// More or fewer masks, or numbers of samples, than the probe has batches.
    #[error(
        "the number of the probe's batches is {batches}, but that of {what} is {given}; give one for each batch"
    )]
    BatchesDiffer {
        /// Batches of the probe.
        batches: usize,
        /// How many were given.
        given: usize,
        /// What was given.
        what: &'static str,
    },
    /// An activation was asked for with another rank than it has.
    #[error("layer `{name}` has shape {shape:?}, so it is no tensor of rank {asked}")]
    RankMismatch {
        /// The layer's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The rank asked for.
        asked: usize,
    },
    /// The layer that was to be replaced has no tap in the forward.
    #[error("no tap `{name}` fired, so nothing was replaced; fired have: {fired}")]
    NeverFired {
        /// The layer's name.
        name: String,
        /// The names that fired, comma separated, or `none`.
        fired: String,
    },
    /// What was to stand in place of a layer's output doesn't fit there.
    #[error(
        "layer `{name}` has shape {shape:?}, but what replaced it has {replaced:?}; keep the shape"
    )]
    ShapeChanged {
        /// The layer's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The shape of what came in its place.
        replaced: Vec<usize>,
    },
    /// The batches of a probe did not all fire the same taps.
    #[error(
        "batch {batch} of the probe fired the taps {found}, but batch 0 fired {expected}; every batch \
         must pass through the same layers"
    )]
    TapsDiffer {
        /// The first batch that differs.
        batch: usize,
        /// What it fired.
        found: String,
        /// What batch 0 fired.
        expected: String,
    },
    /// The batches of a probe give a layer different widths.
    #[error(
        "layer `{name}` has {found} neurons in batch {batch} of the probe but {expected} in batch 0; \
         with Layout::Positions all inputs must have one size"
    )]
    WidthsDiffer {
        /// The layer's name.
        name: String,
        /// The first batch that differs.
        batch: usize,
        /// Its number of neurons.
        found: usize,
        /// The number of neurons in batch 0.
        expected: usize,
    },
    /// A probe without batches.
    #[error("the probe has no batches; give it at least one")]
    EmptyProbe,
    /// No tap fired in a forward that was to be recorded.
    #[error("no tap fired: add `.tap(\"name\")` behind each layer in the model's forward")]
    NoTaps,
    /// A checkpoint schedule that can't be followed.
    #[error("the checkpoint schedule {schedule} {problem}")]
    BadSchedule {
        /// The schedule.
        schedule: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder holds a run already.
    #[error(
        "{path} holds a run already; choose another folder, go on from a model that was saved in it (`going_on_in`, then \
         `resume`), or remove it first"
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a run of something else, so it can't be gone on with.
    #[error(
        "{path} holds another run, which can't be gone on with: its {what} is {found}, not {expected}"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: String,
        /// What the folder says.
        found: String,
        /// What this run is.
        expected: String,
    },
    /// The folder is no run folder.
    #[error("{path} is not a run folder: {problem}")]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// The run folder was written by a newer frostline.
    #[error(
        "{path} was written in format version {found}, but this frostline reads up to version \
         {supported}; update frostline to read it"
    )]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this library reads.
        supported: u32,
    },
    /// A layer whose name a checkpoint can't hold.
    #[error(
        "a layer is called `{name}`, as checkpoints call an entry of their own; give its tap another name"
    )]
    ReservedName {
        /// The name.
        name: String,
    },
    /// A checkpoint that can't be read.
    #[error("the checkpoint {path} can't be read: {problem}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Activations could not be read from their device.
    #[error("the activations of layer `{name}` can't be read from their device: {problem}")]
    Device {
        /// The layer's name.
        name: String,
        /// What the device says.
        problem: String,
    },
    /// Another process, or another training of this one, writes the run.
    #[error(
        "{path} is being written by {owner}; wait until that has ended, or choose another folder"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who writes it.
        owner: String,
    },
    /// A file of a run that is to go on is not as it was written, so going on would lose what it holds.
    #[error(
        "{path}{line}: {problem}. Nothing was changed: repair the file or restore it, or choose another folder"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, as `, line 3`, where it is one.
        line: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the run was removed or replaced while the run was being written.
    #[error(
        "{path} was removed or replaced while the run was being written; what the training reports from here on is \
         kept nowhere. Begin anew in another folder, or put the file back and go on from a saved model"
    )]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// Something else than a file is in the place of one.
    #[error("{path} is no file but {what}; a run has files there")]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What there is.
        what: &'static str,
    },
    /// A file or folder of the run could not be written.
    #[error("{path} could not be written: {source}")]
    NotWritten {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Reading a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
