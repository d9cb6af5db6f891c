use burn::module::Module;
use burn::tensor::Tensor;

use crate::{Activation, Activations, Error, Layout, record};

/// A fixed set of batches that a model is asked again and again, always in the same order and in
/// evaluation mode, so that its answers at two checkpoints can be compared sample by sample.
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
pub struct Probe<M> {
    ask: Ask<M>,
    batches: usize,
    layout: Layout,
}

/// Records a model's forward of the batch with this index.
type Ask<M> = Box<dyn Fn(&M, usize) -> Result<Activations, Error> + Send>;

impl<M: Module> Probe<M> {
    /// A probe of these batches, passed to `forward` one at a time. What `forward` returns is dropped:
    /// only its taps count. The tensors belong on a device without autodiff.
    pub fn new<I, T>(batches: Vec<I>, forward: impl Fn(&M, I) -> T + Send + 'static) -> Self
    where
        I: Clone + Send + 'static,
    {
        Probe {
            batches: batches.len(),
            ask: Box::new(move |model, batch| {
                let (_, activations) = record(|| forward(model, batches[batch].clone()))?;
                Ok(activations)
            }),
            layout: Layout::default(),
        }
    }

    /// Keeps each activation in this layout. Default: [`Layout::ChannelMeans`].
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// The layout in which activations are kept.
    pub fn kept_layout(&self) -> Layout {
        self.layout
    }

    /// Asks the model, as `model.valid()`, all batches; joins each layer's answers into one view
    /// `[sample, neuron]`.
    ///
    /// Raw activations are held for one batch at a time.
    /// Errors: `EmptyProbe`, `NoTaps`, `TappedTwice`, `TapsDiffer`, `WidthsDiffer`, `EmptyActivation`.
    pub fn activations(&self, model: &M) -> Result<Activations, Error> {
        if self.batches == 0 {
            return Err(Error::EmptyProbe);
        }
        let model = model.valid();
        let first = (self.ask)(&model, 0)?;
        if first.is_empty() {
            return Err(Error::NoTaps);
        }
        let mut views = self.views(&first)?;
        for batch in 1..self.batches {
            let answers = (self.ask)(&model, batch)?;
            if !answers.names().eq(first.names()) {
                return Err(Error::TapsDiffer {
                    batch,
                    found: answers.listed(),
                    expected: first.listed(),
                });
            }
            for (name, (joined, view)) in first
                .names()
                .zip(views.iter_mut().zip(self.views(&answers)?))
            {
                let (expected, found) = (joined[0].dims()[1], view[0].dims()[1]);
                if found != expected {
                    return Err(Error::WidthsDiffer {
                        name: name.to_string(),
                        batch,
                        found,
                        expected,
                    });
                }
                joined.extend(view);
            }
        }
        let joined = views.into_iter().map(|parts| Tensor::cat(parts, 0));
        Ok(first
            .names()
            .zip(joined)
            .map(|(name, view)| Activation::new(name, view))
            .collect())
    }

    /// The shape of each layer's answer to the first batch, as it was tapped, with its name.
    /// Errors: as for [`activations`](Self::activations).
    pub fn shapes(&self, model: &M) -> Result<Vec<(String, Vec<usize>)>, Error> {
        if self.batches == 0 {
            return Err(Error::EmptyProbe);
        }
        let first = (self.ask)(&model.valid(), 0)?;
        let shapes = first
            .iter()
            .map(|layer| (layer.name().to_string(), layer.shape().to_vec()));
        Ok(shapes.collect())
    }

    /// Each layer's view, as the first of the parts to be joined.
    fn views(&self, answers: &Activations) -> Result<Vec<Vec<Tensor<2>>>, Error> {
        answers
            .iter()
            .map(|layer| Ok(vec![layer.view(self.layout)?]))
            .collect()
    }
}
