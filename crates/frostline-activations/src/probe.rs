pub(crate) mod samples;

use std::fmt::Display;
use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Bool, Tensor};

use crate::{
    Activation, Activations, Axes, Error, LayerShape, Layout, RealTokens, activations::DrawErrors,
    handing::handing_on, record,
};

/// A fixed set of batches on which a model is evaluated again and again, always in the same order and in
/// evaluation mode, so that its activations at two checkpoints can be compared sample by sample.
///
/// ```no_run
/// # use burn::{module::Module, nn::Linear, tensor::Tensor};
/// # #[derive(Module, Debug)] struct Net { layer: Linear }
/// # impl Net { fn forward(&self, x: Tensor<2>) -> Tensor<2> { self.layer.forward(x) } }
/// # fn example(net: Net, batches: Vec<Tensor<2>>) -> Result<(), frostline_activations::Error> {
/// use frostline_activations::{Layout, Probe};
///
/// let probe = Probe::new(batches, Net::forward).layout(Layout::ChannelMeans);
/// let activations = probe.activations(&net)?; // every layer as [sample, neuron]
/// # Ok(()) }
/// ```
///
/// Sentences that are padded to the longest of their batch come with masks, and layers of three axes with a name for
/// them:
///
/// ```no_run
/// # use burn::{module::Module, nn::Linear, tensor::{Bool, Int, Tensor}};
/// # #[derive(Module, Debug)] struct Net { layer: Linear }
/// # impl Net { fn forward(&self, _: (Tensor<2, Int>, Tensor<2, Bool>)) {} }
/// # fn example(batches: Vec<(Tensor<2, Int>, Tensor<2, Bool>)>) {
/// use frostline_activations::{Axes, Probe};
///
/// // Each batch is (tokens, padding), both [sentence, token].
/// let padding: Vec<_> = batches.iter().map(|(_, padding)| padding.clone()).collect();
/// let probe = Probe::new(batches, Net::forward).axes(Axes::Tokens).padding(padding);
/// # }
/// ```
pub struct Probe<M> {
    ask: Ask<M>,
    batches: usize,
    /// The first batch, where it is a float tensor.
    first_input: Option<Activation>,
    /// The first axis of each batch that is a tensor.
    first_axes: Vec<Option<usize>>,
    /// How many samples the user says that each batch has.
    samples: Option<Vec<usize>>,
    masks: Option<Masks>,
    unmasked: Vec<String>,
    axes: Option<Axes>,
    axes_of: Vec<(String, Axes)>,
    /// Chosen by the user, or when the probe is first used.
    layout: OnceLock<Layout>,
    draw_errors: Option<Box<DrawErrors>>,
}

/// Records a model's forward of the batch with this index.
type Ask<M> = Box<dyn Fn(&M, usize) -> Result<Tapped, Error> + Send>;

/// What one forward says: [`Probe::taps`].
#[derive(Clone, Debug)]
pub struct Tapped {
    /// What the taps saw, in the order in which they fired.
    pub taps: Activations,
    /// What the forward returned, where that is a tensor of floats.
    pub output: Option<Activation>,
}

/// A layer's view of one batch.
struct ViewOfBatch {
    values: Tensor<2>,
    /// What rounding is likely to have made of them, where it is drawn.
    errors: Option<Tensor<2>>,
}

/// A mask `[sample, token]` for each batch.
struct Masks {
    of_batches: Vec<Tensor<2, Bool>>,
    /// The value that a real token has.
    real: bool,
}

impl<M: Module> Probe<M> {
    /// A probe of these batches, passed to `forward` one at a time. What is measured are its taps, and not what `forward`
    /// returns. The tensors belong on a device without autodiff.
    ///
    /// A training that begins evaluates the first batch several times, to see which parameters act on which taps: a first batch of some
    /// dozen samples makes that cheap.
    ///
    /// The samples of a batch are the first axis of every tap. Where a batch is a tensor, they are its first
    /// axis too; else [`samples`](Self::samples) says how many there are, or masks, or taps of other than three axes.
    pub fn new<I, T>(batches: Vec<I>, forward: impl Fn(&M, I) -> T + Send + 'static) -> Self
    where
        I: Clone + Send + 'static,
        T: 'static,
    {
        Probe {
            batches: batches.len(),
            first_input: batches
                .first()
                .and_then(|batch| samples::float("input", batch)),
            first_axes: batches
                .iter()
                .map(|batch| samples::first_axis(batch))
                .collect(),
            ask: Box::new(move |model, batch| {
                let (output, taps) = record(|| forward(model, batches[batch].clone()))?;
                let output = samples::float("output", &output);
                Ok(Tapped { taps, output })
            }),
            samples: None,
            masks: None,
            unmasked: Vec::new(),
            axes: None,
            axes_of: Vec::new(),
            layout: OnceLock::new(),
            draw_errors: None,
        }
    }

    /// Keeps each activation in this layout. Without it the first use of the probe takes the one that
    /// [`Layout::enough`] names for the model's layers, and stays with it.
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = OnceLock::from(layout);
        self
    }

    /// Keeps beside each view of means over places of f16 or bf16 what rounding these is likely to have made of it: the same means
    /// of errors that `draw` makes of the values `[sample, value]`, such as `frostline_svcca::rounding_errors`. The view itself is
    /// in longer floats, in which nothing tells its rounding. They are [`Activation::errors`], for `View::with_errors`.
    pub fn drawing_errors<E: Display>(
        mut self,
        draw: impl Fn(&Tensor<2>) -> Result<Option<Tensor<2>>, E> + Send + 'static,
    ) -> Self {
        self.draw_errors = Some(Box::new(move |values| {
            draw(values).map_err(|error| error.to_string())
        }));
        self
    }

    /// The layout in which activations are kept, once it is known.
    pub fn kept_layout(&self) -> Option<Layout> {
        self.layout.get().copied()
    }

    /// Takes this layout if none has been chosen: a run that goes on keeps the one with which it began.
    pub fn keep_to(&self, layout: Layout) {
        let _chosen_before = self.layout.set(layout);
    }

    /// The layout in which the activations of such a model are kept from now on: the one that was chosen, or else the one
    /// that [`Layout::enough`] names, for which the first batch is evaluated.
    ///
    /// # Errors
    /// As for [`activations`](Self::activations).
    pub fn settle_layout(&self, model: &M) -> Result<Layout, Error> {
        match self.kept_layout() {
            Some(layout) => Ok(layout),
            None => {
                let (first, samples) = self.batch(&model.valid(), 0)?;
                self.settled(&first, samples)
            }
        }
    }

    fn settled(&self, first: &Activations, samples: usize) -> Result<Layout, Error> {
        if let Some(layout) = self.kept_layout() {
            return Ok(layout);
        }
        let shapes = layer_shapes(first)?;
        let inputs = self.inputs(samples);
        Ok(*self.layout.get_or_init(|| Layout::enough(&shapes, inputs)))
    }

    /// What the axes of all layers mean whose axes were not named at their tap.
    ///
    /// [`Axes::Tokens`] is for taps of three axes alone: those of more are channels first, unless they are named by
    /// [`axes_of`](Self::axes_of).
    pub fn axes(mut self, axes: Axes) -> Self {
        self.axes = Some(axes);
        self
    }

    /// What the axes of the layer with this name mean, or of those whose names fit this pattern: in
    /// `"encoder.*"`, `*` stands for any characters. It counts more than the name at the tap; of two that fit
    /// a layer the later counts.
    pub fn axes_of(mut self, layers: impl Into<String>, axes: Axes) -> Self {
        self.axes_of.push((layers.into(), axes));
        self
    }

    /// How many samples each batch has, for batches that are no tensors, or whose first axis is not the sample.
    pub fn samples(mut self, of_batches: impl IntoIterator<Item = usize>) -> Self {
        self.samples = Some(of_batches.into_iter().collect());
        self
    }

    /// Leaves padded tokens out of every view: a mask `[sample, token]` for each batch, **true for padding**, as
    /// Burn's `mask_pad` is.
    ///
    /// It holds for all layers that have places: in [`Layout::Channels`] a padded token is no row, means are taken over
    /// real tokens alone, and so are the cells of [`Layout::Pooled`]; [`Layout::Positions`] can't leave tokens out and
    /// is refused. A sentence then says the same whatever it is padded to. A layer whose places are not the tokens is
    /// an error until [`unmasked`](Self::unmasked) names it.
    pub fn padding(mut self, masks: impl IntoIterator<Item = Tensor<2, Bool>>) -> Self {
        self.masks = Some(Masks {
            of_batches: masks.into_iter().collect(),
            real: false,
        });
        self
    }

    /// The same as [`padding`](Self::padding) by masks the other way round: **true for a real token**.
    pub fn real_tokens(mut self, masks: impl IntoIterator<Item = Tensor<2, Bool>>) -> Self {
        self = self.padding(masks);
        self.masks.as_mut().expect("set on the line above").real = true;
        self
    }

    /// Lets the masks not hold for the layer with this name, or for those whose names fit this pattern (`*` stands for
    /// any characters): all their places count.
    pub fn unmasked(mut self, layers: impl Into<String>) -> Self {
        self.unmasked.push(layers.into());
        self
    }

    /// Evaluates the model, as `model.valid()`, on all batches; joins each layer's activations into one view
    /// `[sample, neuron]`.
    ///
    /// Raw activations are held for one batch at a time.
    ///
    /// # Errors
    /// [`Error::EmptyProbe`], [`Error::NoTaps`], [`Error::TappedTwice`]; [`Error::TapsDiffer`] and
    /// [`Error::WidthsDiffer`] between batches; [`Error::SamplesDiffer`] for a tap whose first axis is not the
    /// samples, [`Error::SamplesUnknown`], [`Error::BatchesDiffer`]; [`Error::AxesUnknown`] for three axes that
    /// nobody named, [`Error::NotTokens`]; [`Error::NoLayerMatches`] and [`Error::BadPattern`] for names;
    /// [`Error::TokensDiffer`], [`Error::NoRealTokens`] and [`Error::PaddedPositions`] for masks;
    /// [`Error::EmptyActivation`], [`Error::BadGrid`], [`Error::Device`].
    pub fn activations(&self, model: &M) -> Result<Activations, Error> {
        let model = model.valid();
        self.joined(|batch| self.batch(&model, batch))
    }

    /// What each of these layers says to what the layer below it said in the model `before`, as views
    /// `[sample, neuron]`: only its own weights make the difference between that and what it said before.
    ///
    /// Both models are evaluated as by [`activations`](Self::activations). While the taps of these layers fire in `model`, each
    /// hands on what it gave in `before`, so it's exact where a layer sees nothing but the output of the layer below it.
    /// A connection around a tap, from a layer to one further up, brings changes from below with it.
    ///
    /// # Errors
    /// As for [`activations`](Self::activations).
    pub fn layers_alone<'a>(
        &self,
        model: &M,
        before: &M,
        layers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Activations, Error> {
        let layers: Vec<&str> = layers.into_iter().collect();
        let (model, before) = (model.valid(), before.valid());
        self.joined(|batch| {
            let recorded = self.asked(&before, batch)?.into_iter();
            let recorded = recorded.filter(|layer| layers.contains(&layer.name()));
            let (asked, said) = handing_on(recorded.collect(), || (self.ask)(&model, batch))?;
            asked?;
            self.told_apart(said, batch)
        })
    }

    /// The views of all batches, each layer's joined into one.
    fn joined(
        &self,
        of_batch: impl Fn(usize) -> Result<(Activations, usize), Error>,
    ) -> Result<Activations, Error> {
        let (first, mut inputs) = of_batch(0)?;
        let layout = self.settled(&first, inputs)?;
        let views = |activations: &Activations, first_input| -> Result<Vec<ViewOfBatch>, Error> {
            let of_layer = |layer: &Activation| {
                // An activation of which there is no view is an error before its errors are drawn.
                let values = layer.view_from(layout, first_input)?;
                let draw = self.draw_errors.as_deref();
                let errors = draw.map(|draw| layer.errors_from(layout, first_input, draw));
                let errors = errors.transpose()?.flatten();
                Ok(ViewOfBatch { values, errors })
            };
            activations.iter().map(of_layer).collect()
        };
        let mut joined: Vec<_> = views(&first, 0)?.into_iter().map(|v| vec![v]).collect();
        for batch in 1..self.batches {
            let (activations, samples) = of_batch(batch)?;
            if !activations.names().eq(first.names()) {
                return Err(Error::TapsDiffer {
                    batch,
                    found: activations.listed(),
                    expected: first.listed(),
                });
            }
            let views = views(&activations, inputs)?;
            for (name, (joined, view)) in first.names().zip(joined.iter_mut().zip(views)) {
                let (expected, found) = (joined[0].values.dims()[1], view.values.dims()[1]);
                if found != expected {
                    return Err(Error::WidthsDiffer {
                        name: name.to_string(),
                        batch,
                        found,
                        expected,
                    });
                }
                joined.push(view);
            }
            inputs += samples;
        }
        let views = first.names().zip(joined);
        let views: Activations = views
            .map(|(name, parts)| {
                let (values, errors): (Vec<_>, Vec<_>) = parts
                    .into_iter()
                    .map(|view| (view.values, view.errors))
                    .unzip();
                // Of all batches, or of none.
                let errors: Option<Vec<Tensor<2>>> = errors.into_iter().collect();
                let errors = errors.map(|errors| Tensor::cat(errors, 0));
                Activation::new(name, Tensor::cat(values, 0)).with_errors(errors)
            })
            .collect();
        Ok(views.of_inputs(inputs))
    }

    /// The shape of each layer's activation of the first batch, as it was tapped, its axes told apart.
    ///
    /// # Errors
    /// As for [`activations`](Self::activations).
    pub fn shapes(&self, model: &M) -> Result<Vec<LayerShape>, Error> {
        layer_shapes(&self.batch(&model.valid(), 0)?.0)
    }

    /// The activations of the first batch as they are tapped, and the output: of `model.valid()`, whatever their axes
    /// mean.
    ///
    /// # Errors
    /// [`Error::EmptyProbe`], [`Error::NoTaps`], [`Error::TappedTwice`].
    pub fn taps(&self, model: &M) -> Result<Tapped, Error> {
        self.tapped(&model.valid(), 0)
    }

    /// What each layer makes of the first batch while the layers of these activations hand on what they said `before`. With
    /// a parameter changed, what changes are the taps on which the parameter acts by itself, and not through the
    /// layers below. The model is evaluated as it is, whatever the axes mean.
    ///
    /// A layer whose tensor has another shape than before hands on its own.
    ///
    /// # Errors
    /// As for [`taps`](Self::taps).
    pub fn taps_apart(&self, model: &M, before: &Activations) -> Result<Tapped, Error> {
        let recorded = before.iter().cloned().collect();
        let (tapped, taps) = handing_on(recorded, || self.tapped(model, 0))?;
        let output = tapped?.output;
        Ok(Tapped { taps, output })
    }

    /// The first batch, where it is a tensor of floats.
    pub fn first_input(&self) -> Option<&Activation> {
        self.first_input.as_ref()
    }

    /// The activations of a batch, with their axes and mask, and how many samples it has.
    fn batch(&self, model: &M, batch: usize) -> Result<(Activations, usize), Error> {
        self.told_apart(self.asked(model, batch)?, batch)
    }

    /// The activations of a batch as they were tapped.
    fn asked(&self, model: &M, batch: usize) -> Result<Activations, Error> {
        Ok(self.tapped(model, batch)?.taps)
    }

    fn tapped(&self, model: &M, batch: usize) -> Result<Tapped, Error> {
        if self.batches == 0 {
            return Err(Error::EmptyProbe);
        }
        let tapped = (self.ask)(model, batch)?;
        match tapped.taps.is_empty() {
            true => Err(Error::NoTaps),
            false => Ok(tapped),
        }
    }

    /// The activations of a batch with their axes and mask, and how many samples it has.
    fn told_apart(
        &self,
        mut activations: Activations,
        batch: usize,
    ) -> Result<(Activations, usize), Error> {
        for (layers, axes) in &self.axes_of {
            activations = activations.with_axes_of(layers, *axes)?;
        }
        if let Some(axes) = self.axes {
            activations = activations.with_axes(axes);
        }
        if let Some(masks) = &self.masks {
            self.one_each(masks.of_batches.len(), "its masks")?;
            let real = RealTokens::of(&masks.of_batches[batch], masks.real, batch)?;
            activations = activations.with_real_tokens(real, &self.unmasked)?;
        }
        let samples = self.samples_in(batch, &activations)?;
        Ok((activations, samples))
    }

    /// # Errors
    /// [`Error::BatchesDiffer`].
    fn one_each(&self, given: usize, what: &'static str) -> Result<(), Error> {
        if given == self.batches {
            return Ok(());
        }
        Err(Error::BatchesDiffer {
            batches: self.batches,
            given,
            what,
        })
    }
}

fn layer_shapes(activations: &Activations) -> Result<Vec<LayerShape>, Error> {
    activations.iter().map(Activation::layer_shape).collect()
}
