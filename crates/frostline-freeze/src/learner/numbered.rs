use burn::data::dataset::{Dataset, DatasetError};

use crate::InputKey;

/// A dataset whose items come with the key by which a cache knows them: the item's place in the dataset, which is
/// the same in every epoch, however the loader shuffles.
///
/// A batcher takes the pairs, and puts the keys into the batch for
/// [`forward_above_frozen`](crate::forward_above_frozen):
///
/// ```
/// use burn::data::dataloader::{DataLoaderBuilder, batcher::Batcher};
/// use burn::data::dataset::InMemDataset;
/// # use burn::tensor::{Device, Tensor};
/// use frostline_freeze::{InputKey, Numbered};
///
/// #[derive(Clone, Debug)]
/// struct Batch {
///     rows: Tensor<2>,
///     keys: Vec<InputKey>,
/// }
///
/// struct Batching;
///
/// impl Batcher<(InputKey, [f32; 4]), Batch> for Batching {
///     fn batch(&self, items: Vec<(InputKey, [f32; 4])>, device: &Device) -> Batch {
///         let (keys, rows): (Vec<_>, Vec<_>) = items.into_iter().unzip();
///         let rows = rows.into_iter().map(|row| Tensor::<1>::from_floats(row, device));
///         Batch { rows: Tensor::stack(rows.collect(), 0), keys }
///     }
/// }
///
/// let dataset = Numbered::new(InMemDataset::new(vec![[0.5; 4]; 60]));
/// let loader = DataLoaderBuilder::new(Batching).batch_size(8).shuffle(1).build(dataset);
/// # assert_eq!(loader.num_items(), 60);
/// # let batch = loader.iter().next().unwrap().unwrap();
/// # assert_eq!((batch.rows.dims(), batch.keys.len()), ([8, 4], 8));
/// ```
///
/// It goes around the dataset itself, below anything that shuffles or takes a part of it. Items that are changed at
/// random when they are read (augmented) are another input each time: put their view into the key, or don't cache.
#[derive(Clone, Debug)]
pub struct Numbered<D>(D);

impl<D> Numbered<D> {
    /// Numbers the items of this dataset.
    pub fn new(dataset: D) -> Self {
        Numbered(dataset)
    }
}

impl<D: Dataset<I>, I> Dataset<(InputKey, I)> for Numbered<D> {
    fn get(&self, index: usize) -> Result<(InputKey, I), DatasetError> {
        Ok((InputKey::from(index), self.0.get(index)?))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
