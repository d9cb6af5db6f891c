//! Labelled images as bytes, and the batches made of them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use clap::ValueEnum;
use rand::seq::SliceRandom;

use crate::stream::{between, stream};

/// Bytes of one image: 3 channels of 32 × 32 pixels.
pub const IMAGE_SIZE: usize = 3 * SIDE * SIDE;
const SIDE: usize = 32;
/// Mean and standard deviation of CIFAR-10's training images, a channel, of values in `[0, 1]`.
const MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
const STD: [f32; 3] = [0.2470, 0.2435, 0.2616];
/// The furthest that an augmented image moves, in pixels.
const SHIFT: i32 = 4;

/// Labelled 32 × 32 colour images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// `[image, channel, row, column]`, red, green and blue.
    pub bytes: Vec<u8>,
    /// The class of each image.
    pub labels: Vec<u8>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// `count` of the images, the same number of each class (one more of some when it does not
    /// divide), chosen by `seed`; all of them when there are fewer. The classes take turns in
    /// the result, so that its beginning is balanced too.
    pub fn balanced(&self, count: usize, seed: u64) -> Images {
        let mut of_class = vec![Vec::new(); 1 + usize::from(u8::MAX)];
        for (index, label) in self.labels.iter().enumerate() {
            of_class[usize::from(*label)].push(index);
        }
        for (class, indices) in (0..).zip(&mut of_class) {
            indices.shuffle(&mut stream(seed, class));
        }
        let count = count.min(self.len());
        let chosen: Vec<usize> = (0..self.len())
            .flat_map(|turn| of_class.iter().filter_map(move |class| class.get(turn)))
            .copied()
            .take(count)
            .collect();
        self.subset(&chosen)
    }

    /// Every index once, in an order that `seed` and `epoch` decide.
    pub fn order(&self, seed: u64, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut stream(seed, epoch as u64));
        order
    }

    /// The same images with their labels dealt out anew: nothing but learning by heart tells them then.
    pub fn permuted(&self, seed: u64) -> Images {
        let mut permuted = self.clone();
        permuted.labels.shuffle(&mut stream(seed, u64::MAX));
        permuted
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn subset(&self, indices: &[usize]) -> Images {
        Images {
            bytes: indices
                .iter()
                .flat_map(|index| self.image(*index))
                .copied()
                .collect(),
            labels: indices.iter().map(|index| self.labels[*index]).collect(),
        }
    }

    /// The images at `indices` as a network takes them, and their labels.
    ///
    /// Every channel has CIFAR-10's mean taken off and is divided by its standard deviation.
    ///
    /// Shapes: images `[index, 3, 32, 32]`, labels `[index]`.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn batch(&self, indices: &[usize], device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
        let as_stored = indices.iter().map(|index| (*index, Move::default()));
        self.moved_batch(&as_stored.collect::<Vec<_>>(), device)
    }

    /// [`batch`](Self::batch) with each image moved; the uncovered border is the mean colour.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn moved_batch(
        &self,
        moved: &[(usize, Move)],
        device: &Device,
    ) -> (Tensor<4>, Tensor<1, Int>) {
        let normalised = normalised_values();
        let mut values = Vec::with_capacity(moved.len() * IMAGE_SIZE);
        for (index, how) in moved {
            let image = self.image(*index);
            if *how == Move::default() {
                for (plane, value_of) in image.chunks(SIDE * SIDE).zip(&normalised) {
                    values.extend(plane.iter().map(|byte| value_of[usize::from(*byte)]));
                }
            } else {
                for (plane, value_of) in image.chunks(SIDE * SIDE).zip(&normalised) {
                    values.extend((0..SIDE * SIDE).map(|to| {
                        // The mean colour is zero after normalisation.
                        how.origin(to)
                            .map_or(0.0, |from| value_of[usize::from(plane[from])])
                    }));
                }
            }
        }
        let indices: Vec<usize> = moved.iter().map(|(index, _)| *index).collect();
        let shape = [moved.len(), 3, SIDE, SIDE];
        (
            Tensor::from_data(TensorData::new(values, shape), device),
            self.labels(&indices, device),
        )
    }

    /// The classes of the images at `indices`.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn labels(&self, indices: &[usize], device: &Device) -> Tensor<1, Int> {
        let labels = indices.iter().map(|index| self.labels[*index].into());
        let labels: Vec<i32> = labels.collect();
        Tensor::from_data(TensorData::new(labels, [indices.len()]), device)
    }

    fn image(&self, index: usize) -> &[u8] {
        &self.bytes[index * IMAGE_SIZE..(index + 1) * IMAGE_SIZE]
    }
}

/// How training images are changed, at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Augmentation {
    /// Not at all
    #[default]
    None,
    /// Mirrored half of the time
    Mirror,
    /// Moved by up to four pixels either way, and mirrored half of the time
    Shift,
}

impl Augmentation {
    /// How an image moves: a function of the seed and its index alone. Give each epoch its seed.
    pub fn of(self, seed: u64, index: usize) -> Move {
        let mut rng = stream(seed, index as u64);
        let shift = |rng: &mut _| between(rng, 0.0, (2 * SHIFT + 1) as f32) as i32 - SHIFT;
        let mirrored = |rng: &mut _| between(rng, 0.0, 1.0) < 0.5;
        match self {
            Augmentation::None => Move::default(),
            Augmentation::Mirror => Move {
                mirrored: mirrored(&mut rng),
                ..Move::default()
            },
            Augmentation::Shift => Move {
                down: shift(&mut rng),
                right: shift(&mut rng),
                mirrored: mirrored(&mut rng),
            },
        }
    }
}

/// How an augmented image differs from the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Move {
    down: i32,
    right: i32,
    mirrored: bool,
}

impl Move {
    /// A number for each move: 0 for none.
    pub fn number(self) -> u32 {
        // Ten bits a direction are more than an image has pixels.
        let bits = |shift: i32| shift as u32 & 0x3ff;
        bits(self.down) << 11 | bits(self.right) << 1 | u32::from(self.mirrored)
    }

    /// The pixel of the plane that ends up at `to`; none where the border is uncovered.
    fn origin(self, to: usize) -> Option<usize> {
        let side = SIDE as i32;
        let row = (to / SIDE) as i32 - self.down;
        let column = (to % SIDE) as i32 - self.right;
        let inside = (0..side).contains(&row) && (0..side).contains(&column);
        let column = if self.mirrored {
            side - 1 - column
        } else {
            column
        };
        inside.then_some((row * side + column) as usize)
    }
}

/// The normalised value of each byte, a channel.
fn normalised_values() -> [[f32; 256]; 3] {
    std::array::from_fn(|channel| {
        std::array::from_fn(|byte| (byte as f32 / 255.0 - MEAN[channel]) / STD[channel])
    })
}
