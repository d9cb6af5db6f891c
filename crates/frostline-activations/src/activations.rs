use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::maps::Maps;
use crate::pattern::Pattern;
use crate::probe::samples::{samples_first, swap_advice};
use crate::{Axes, Error, LayerShape, Layout, RealTokens};

/// Draws errors that rounding is likely to have made of values `[sample, value]`, of the same shape; none where it can't tell.
pub(crate) type DrawErrors = dyn Fn(&Tensor<2>) -> Result<Option<Tensor<2>>, String> + Send;

/// What one layer answered in one forward, detached, on the device where it was computed.
#[derive(Clone, Debug)]
pub struct Activation {
    name: String,
    shape: Vec<usize>,
    axes: Option<Axes>,
    real: Option<Arc<RealTokens>>,
    flat: Tensor<1>,
    errors: Option<Tensor<2>>,
}

impl Activation {
    /// Keeps `tensor` under `name`, without its autodiff graph.
    pub fn new<const D: usize>(name: impl Into<String>, tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let flat = tensor.without_autodiff().reshape([-1]);
        Activation {
            name: name.into(),
            shape,
            axes: None,
            real: None,
            flat,
            errors: None,
        }
    }

    /// Keeps values in row-major order as a layer of this shape.
    ///
    /// # Panics
    /// If there are more or fewer values than the shape has.
    pub fn from_values(name: impl Into<String>, values: Tensor<1>, shape: &[usize]) -> Self {
        assert_eq!(
            values.dims()[0],
            shape.iter().product::<usize>(),
            "the values of a layer of shape {shape:?}"
        );
        Activation {
            name: name.into(),
            shape: shape.to_vec(),
            axes: None,
            real: None,
            flat: values.without_autodiff(),
            errors: None,
        }
    }

    /// Names the axes, in place of what they were called before. They mean nothing for fewer than three.
    pub fn with_axes(mut self, axes: Axes) -> Self {
        self.axes = Some(axes);
        self
    }

    /// The layer's name, its scopes included.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape that the layer gave.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The first axis of this length.
    pub(crate) fn axis_of_length(&self, length: usize) -> Option<usize> {
        self.shape.iter().position(|axis| *axis == length)
    }

    /// The device where the activation lives.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// The axes as they were named, at the tap or by [`with_axes`](Self::with_axes).
    pub fn axes(&self) -> Option<Axes> {
        self.axes
    }

    /// The shape with its axes told apart.
    ///
    /// # Errors
    /// [`Error::AxesUnknown`] for three axes that nobody named, [`Error::NotTokens`].
    pub fn layer_shape(&self) -> Result<LayerShape, Error> {
        LayerShape::of(&self.name, &self.shape, self.axes)
    }

    /// The activation as it was tapped. Errors: `RankMismatch`.
    pub fn tensor<const D: usize>(&self) -> Result<Tensor<D>, Error> {
        let shape: [usize; D] =
            self.shape
                .as_slice()
                .try_into()
                .map_err(|_| Error::RankMismatch {
                    name: self.name.clone(),
                    shape: self.shape.clone(),
                    asked: D,
                })?;
        Ok(self.flat.clone().reshape(shape))
    }

    /// The activation as maps `[sample, channel, height, width]`, wherever its channels are: the height of a sequence is
    /// 1, and `[sample, neuron]` has maps of one pixel.
    ///
    /// # Errors
    /// [`Error::AxesUnknown`] for three axes that nobody named, [`Error::NotTokens`], and [`Error::RankMismatch`] for
    /// more than two axes of places.
    pub fn maps(&self) -> Result<Tensor<4>, Error> {
        let shape = self.layer_shape()?;
        let (n, channels) = (shape.samples, shape.channels);
        let (height, width) = match *shape.places {
            [] => (1, 1),
            [width] => (1, width),
            [height, width] => (height, width),
            _ => return self.tensor(),
        };
        let flat = self.flat.clone();
        if shape.channels_are_last() {
            let maps: Tensor<4> = flat.reshape([n, height, width, channels]);
            return Ok(maps.permute([0, 3, 1, 2]));
        }
        Ok(flat.reshape([n, channels, height, width]))
    }

    /// The activation as `[sample, neuron]`.
    ///
    /// # Errors
    /// [`Error::EmptyActivation`], [`Error::AxesUnknown`] for three axes that nobody named where the layout tells places
    /// from channels, [`Error::NotTokens`], and [`Error::BadGrid`].
    pub fn view(&self, layout: Layout) -> Result<Tensor<2>, Error> {
        self.view_from(layout, 0)
    }

    /// The view of a batch whose first sample is this one of all inputs.
    pub(crate) fn view_from(&self, layout: Layout, first_input: usize) -> Result<Tensor<2>, Error> {
        if self.shape.contains(&0) {
            return Err(Error::EmptyActivation {
                name: self.name.clone(),
                shape: self.shape.clone(),
            });
        }
        let shape = match self.layer_shape() {
            // Which neuron comes first means nothing to a measure.
            Err(Error::AxesUnknown { .. })
                if layout == Layout::Positions && self.real.is_none() =>
            {
                LayerShape::of(&self.name, &self.shape, Some(Axes::ChannelsFirst))?
            }
            shape => shape?,
        };
        Maps::of(self.flat.clone(), shape, self.real.as_deref())?.view(layout, first_input)
    }

    /// What rounding its f16 or bf16 is likely to have made of the view in this layout: the same means over places, of errors
    /// that are drawn. None where the layout takes no means over places, whose values are then rounded themselves, and for longer
    /// floats.
    pub(crate) fn errors_from(
        &self,
        layout: Layout,
        first_input: usize,
        draw: &DrawErrors,
    ) -> Result<Option<Tensor<2>>, Error> {
        let short = matches!(self.flat.dtype(), DType::F16 | DType::BF16);
        let means = matches!(layout, Layout::ChannelMeans | Layout::Pooled(_));
        if !short || !means || self.layer_shape()?.positions() == 1 {
            return Ok(None);
        }
        let by_sample = self.flat.clone().reshape([self.shape[0] as i64, -1]);
        let drawn = draw(&by_sample).map_err(|problem| Error::Device {
            name: self.name.clone(),
            problem,
        })?;
        let view = |errors: Tensor<2>| {
            let errors = Activation {
                flat: errors.reshape([-1]),
                ..self.clone()
            };
            errors.view_from(layout, first_input)
        };
        drawn.map(view).transpose()
    }

    /// What rounding is likely to have made of the values of a [`Probe`](crate::Probe)'s view, in its shape: where these are means
    /// over places of f16 or bf16, and the probe [draws errors](crate::Probe::drawing_errors).
    pub fn errors(&self) -> Option<&Tensor<2>> {
        self.errors.as_ref()
    }

    pub(crate) fn with_errors(mut self, errors: Option<Tensor<2>>) -> Self {
        self.errors = errors;
        self
    }

    /// The values in row-major order, where the activation lives.
    pub fn values(&self) -> Tensor<1> {
        self.flat.clone()
    }

    /// The values on the host, in row-major order.
    pub(crate) fn to_data(&self) -> Result<TensorData, Error> {
        self.flat.try_to_data().map_err(|source| Error::Device {
            name: self.name.clone(),
            problem: source.to_string(),
        })
    }
}

/// The activations of one forward, or of all batches of a [`Probe`](crate::Probe), in the order in
/// which the taps fired.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    layers: Vec<Activation>,
    inputs: Option<usize>,
}

impl Activations {
    /// Names the axes of all layers whose axes were not named at their tap.
    ///
    /// [`Axes::Tokens`] is for layers of three axes alone: those of more stay as they are.
    pub fn with_axes(mut self, axes: Axes) -> Self {
        for layer in &mut self.layers {
            let fits = axes != Axes::Tokens || layer.shape.len() == 3;
            layer.axes = layer.axes.or(fits.then_some(axes));
        }
        self
    }

    /// Names the axes of the layers with this name, or whose names fit this pattern: `*` stands for any characters.
    ///
    /// # Errors
    /// [`Error::NoLayerMatches`], [`Error::BadPattern`].
    pub fn with_axes_of(mut self, pattern: &str, axes: Axes) -> Result<Self, Error> {
        let named = self.matching(pattern)?;
        for at in named {
            self.layers[at].axes = Some(axes);
        }
        Ok(self)
    }

    /// Which layers fit a pattern.
    fn matching(&self, pattern: &str) -> Result<Vec<usize>, Error> {
        let fits = Pattern::new(pattern)?;
        let named = self.names().enumerate();
        let named: Vec<usize> = named
            .filter(|(_, name)| fits.matches(name))
            .map(|(at, _)| at)
            .collect();
        if named.is_empty() {
            return Err(Error::NoLayerMatches {
                pattern: pattern.to_string(),
                recorded: self.listed(),
            });
        }
        Ok(named)
    }

    /// Leaves padded tokens out of the views of all layers that have places, but of those that fit a pattern.
    pub(crate) fn with_real_tokens(
        mut self,
        real: RealTokens,
        unmasked: &[String],
    ) -> Result<Self, Error> {
        let mut left_out = Vec::new();
        for pattern in unmasked {
            left_out.extend(self.matching(pattern)?);
        }
        let real = Arc::new(real);
        for (at, layer) in self.layers.iter_mut().enumerate() {
            if !left_out.contains(&at) {
                layer.real = Some(real.clone());
            }
        }
        Ok(self)
    }

    /// The layers' names, in the order of the forward.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(Activation::name)
    }

    /// The activations, in the order of the forward.
    pub fn iter(&self) -> impl Iterator<Item = &Activation> {
        self.layers.iter()
    }

    /// How many inputs are behind the rows of the views that a [`Probe`](crate::Probe) makes: as many as there are rows, or
    /// fewer where several places of an input are samples, which are not independent of each other. None for activations
    /// that come from elsewhere.
    pub fn inputs(&self) -> Option<usize> {
        self.inputs
    }

    pub(crate) fn of_inputs(mut self, inputs: usize) -> Self {
        self.inputs = Some(inputs);
        self
    }

    /// How many layers were tapped.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether no tap fired.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// One layer's activation. Errors: `UnknownLayer`, with the names that exist.
    pub fn layer(&self, name: &str) -> Result<&Activation, Error> {
        let found = self.layers.iter().find(|layer| layer.name == name);
        found.ok_or_else(|| Error::UnknownLayer {
            name: name.to_string(),
            recorded: self.listed(),
        })
    }

    /// One layer as `[sample, neuron]` in the default layout, channel means.
    ///
    /// # Errors
    /// As for [`view_as`](Self::view_as).
    pub fn view(&self, name: &str) -> Result<Tensor<2>, Error> {
        self.view_as(name, Layout::default())
    }

    /// One layer as `[sample, neuron]`.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], those of [`Activation::view`], and [`Error::SamplesDiffer`] for a layer
    /// `[step, sample, neuron]` among others that show how many samples there are.
    pub fn view_as(&self, name: &str, layout: Layout) -> Result<Tensor<2>, Error> {
        let layer = self.layer(name)?;
        self.samples_come_first(layer)?;
        layer.view(layout)
    }

    /// # Errors
    /// [`Error::SamplesDiffer`] for three axes of which not the first, but another is as long as the first of all
    /// layers that have two axes or maps.
    fn samples_come_first(&self, layer: &Activation) -> Result<(), Error> {
        let mut others = self.layers.iter().filter(|other| other.shape.len() != 3);
        let (3, Some(first)) = (layer.shape.len(), others.next()) else {
            return Ok(());
        };
        let samples = first.shape[0];
        if layer.shape[0] == samples || others.any(|other| other.shape[0] != samples) {
            return Ok(());
        }
        match layer.axis_of_length(samples) {
            None => Ok(()),
            Some(axis) => Err(Error::SamplesDiffer {
                name: layer.name.clone(),
                shape: layer.shape.clone(),
                batch: String::new(),
                samples,
                advice: samples_first(
                    &format!("as layer `{}` has, {:?}", first.name, first.shape),
                    &swap_advice(axis),
                ),
            }),
        }
    }

    /// All names, comma separated, for messages.
    pub(crate) fn listed(&self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }
}

/// The activations in the order of the forward, one at a time, so that each can be let go of before the next.
impl IntoIterator for Activations {
    type Item = Activation;
    type IntoIter = std::vec::IntoIter<Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.layers.into_iter()
    }
}

impl FromIterator<Activation> for Activations {
    fn from_iter<I: IntoIterator<Item = Activation>>(layers: I) -> Self {
        Activations {
            layers: layers.into_iter().collect(),
            inputs: None,
        }
    }
}
