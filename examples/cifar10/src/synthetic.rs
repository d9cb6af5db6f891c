//! Ten classes of generated 32 × 32 colour images, for when CIFAR-10 cannot be had.
//!
//! A class is a shape (disc, square, triangle, ring, cross) with a texture (stripes, checks). All
//! else varies independently of the class: place, size and angle of the shape, angle, period and
//! phase of the texture, four colours, a shaded background with clutter, and noise. So no pixel
//! and no colour says much alone: a linear classifier fails where a small convnet succeeds.

use std::f32::consts::TAU;
use std::thread;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::data::{IMAGE_SIZE, Images};
use crate::stream::{between, stream};

/// Training images that [`data::load`](crate::data::load) generates.
pub const TRAIN: usize = 10_000;
/// Test images that it generates.
pub const TEST: usize = 10_000;

const SIDE: usize = 32;

/// Which images of a seed: the two splits never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Images to train on.
    Train,
    /// Images to test on.
    Test,
}

/// The first `count` images of a split, classes in turn (the label of image i is i mod 10).
///
/// Image i is a function of `seed`, `split` and i alone: neither `count` nor the number of cores
/// changes it.
pub fn images(seed: u64, split: Split, count: usize) -> Images {
    let mut bytes = vec![0; count * IMAGE_SIZE];
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(workers).max(1);
    thread::scope(|scope| {
        for (worker, bytes) in bytes.chunks_mut(share * IMAGE_SIZE).enumerate() {
            scope.spawn(move || {
                for (at, planes) in bytes.chunks_mut(IMAGE_SIZE).enumerate() {
                    let index = worker * share + at;
                    let number = match split {
                        Split::Train => index as u64,
                        Split::Test => index as u64 | 1 << 63,
                    };
                    draw(label(index), &mut stream(seed, number), planes);
                }
            });
        }
    });
    Images {
        bytes,
        labels: (0..count).map(label).collect(),
    }
}

/// A class's name, by label: `striped disc`, `chequered disc`, `striped square`, ...
pub fn class_names() -> Vec<String> {
    SHAPES
        .iter()
        .flat_map(|shape| {
            TEXTURES
                .iter()
                .map(move |texture| format!("{texture} {shape}"))
        })
        .collect()
}

const SHAPES: [&str; 5] = ["disc", "square", "triangle", "ring", "cross"];
const TEXTURES: [&str; 2] = ["striped", "chequered"];

fn label(index: usize) -> u8 {
    (index % (SHAPES.len() * TEXTURES.len())) as u8
}

type Colour = [f32; 3];
type Point = [f32; 2];

fn draw(label: u8, rng: &mut Xoshiro256PlusPlus, planes: &mut [u8]) {
    let (shape, texture) = (label / 2, label % 2);
    let background = Background::random(rng);
    let palette = palette(rng, background.mean());
    let size = between(rng, 8.0, 12.5);
    // A shape may touch the border, hardly ever leave the image.
    let reach = SIDE as f32 / 2.0 - size * 0.8;
    let centre = [(); 2].map(|()| SIDE as f32 / 2.0 + between(rng, -reach, reach));
    let turn = rotation(between(rng, 0.0, TAU));
    let weave = Weave::random(rng);
    let noise = between(rng, 0.03, 0.09);

    let plane = SIDE * SIDE;
    for at in 0..plane {
        let pixel = [(at % SIDE) as f32 + 0.5, (at / SIDE) as f32 + 0.5];
        let behind = background.colour(pixel);
        let inside = [pixel[0] - centre[0], pixel[1] - centre[1]];
        // Half a pixel of softness on either side of the edge, instead of stairs.
        let cover = (0.5 - distance(shape, rotated(inside, turn), size)).clamp(0.0, 1.0);
        let woven = mix(palette[0], palette[1], weave.at(texture, inside));
        let colour = mix(behind, woven, cover);
        for (channel, value) in colour.into_iter().enumerate() {
            let value = value + noise * normal(rng);
            planes[channel * plane + at] = (value * 255.0).round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// Signed distance in pixels from `point` to the outline of a shape around the origin, negative
/// inside. All five have about the area of a disc of radius `0.85·size`.
fn distance(shape: u8, point: Point, size: f32) -> f32 {
    let [x, y] = point;
    let radius = x.hypot(y);
    let rectangle = |half: Point| (x.abs() - half[0]).max(y.abs() - half[1]);
    match shape {
        0 => radius - 0.85 * size,
        1 => rectangle([0.75 * size; 2]),
        // The largest of the distances to three lines whose normals are 120° apart.
        2 => {
            let (slope, half) = (3f32.sqrt() / 2.0, y / 2.0);
            (-y).max(slope * x + half).max(half - slope * x) - 0.66 * size
        }
        3 => (radius - 0.8 * size).abs() - 0.23 * size,
        _ => rectangle([size, 0.36 * size]).min(rectangle([0.36 * size, size])),
    }
}

/// A texture's direction, period and phase.
struct Weave {
    turn: Point,
    waves_a_pixel: f32,
    phase: Point,
}

impl Weave {
    fn random(rng: &mut Xoshiro256PlusPlus) -> Self {
        Self {
            turn: rotation(between(rng, 0.0, TAU)),
            waves_a_pixel: TAU / between(rng, 3.5, 5.5),
            phase: [between(rng, 0.0, TAU), between(rng, 0.0, TAU)],
        }
    }

    /// How much of the second colour there is at `point`: waves one way for stripes, waves both
    /// ways for checks.
    fn at(&self, texture: u8, point: Point) -> f32 {
        let [x, y] = rotated(point, self.turn);
        let along = (x * self.waves_a_pixel + self.phase[0]).sin();
        let wave = match texture {
            0 => along,
            _ => along * (y * self.waves_a_pixel + self.phase[1]).sin(),
        };
        (0.5 + 1.5 * wave).clamp(0.0, 1.0)
    }
}

/// Two colours that shade into each other, with discs and bars lying about.
struct Background {
    ends: [Colour; 2],
    turn: Point,
    clutter: Vec<(Clutter, Colour)>,
}

struct Clutter {
    centre: Point,
    turn: Point,
    half: Point,
}

impl Background {
    fn random(rng: &mut Xoshiro256PlusPlus) -> Self {
        let ends = [colour(rng), colour(rng)];
        let turn = rotation(between(rng, 0.0, TAU));
        let pieces = 2 + (rng.random::<u32>() % 4) as usize;
        let clutter = (0..pieces)
            .map(|_| {
                let piece = Clutter {
                    centre: [between(rng, 0.0, 32.0), between(rng, 0.0, 32.0)],
                    turn: rotation(between(rng, 0.0, TAU)),
                    half: [between(rng, 1.0, 5.0), between(rng, 0.6, 2.0)],
                };
                (piece, colour(rng))
            })
            .collect();
        Self {
            ends,
            turn,
            clutter,
        }
    }

    fn mean(&self) -> Colour {
        mix(self.ends[0], self.ends[1], 0.5)
    }

    fn colour(&self, pixel: Point) -> Colour {
        let middle = SIDE as f32 / 2.0;
        let across = rotated([pixel[0] - middle, pixel[1] - middle], self.turn)[0];
        let shade = mix(
            self.ends[0],
            self.ends[1],
            (0.5 + across / SIDE as f32).clamp(0.0, 1.0),
        );
        self.clutter.iter().fold(shade, |behind, (piece, colour)| {
            let from = [pixel[0] - piece.centre[0], pixel[1] - piece.centre[1]];
            let [x, y] = rotated(from, piece.turn);
            let outside = (x.abs() - piece.half[0]).max(y.abs() - piece.half[1]);
            mix(behind, *colour, (0.5 - outside).clamp(0.0, 1.0))
        })
    }
}

/// Two colours for a shape that can be told from each other and, in their mean, from the
/// background: a shape that cannot be seen belongs to no class.
fn palette(rng: &mut Xoshiro256PlusPlus, background: Colour) -> [Colour; 2] {
    loop {
        let found = [colour(rng), colour(rng)];
        let mean = mix(found[0], found[1], 0.5);
        if apart(found[0], found[1]) > 0.5 && apart(mean, background) > 0.25 {
            return found;
        }
    }
}

fn colour(rng: &mut Xoshiro256PlusPlus) -> Colour {
    [(); 3].map(|()| between(rng, 0.05, 0.95))
}

fn apart(one: Colour, other: Colour) -> f32 {
    one.iter()
        .zip(other)
        .map(|(one, other)| (one - other).powi(2))
        .sum::<f32>()
        .sqrt()
}

fn mix(one: Colour, other: Colour, share: f32) -> Colour {
    std::array::from_fn(|channel| one[channel] + share * (other[channel] - one[channel]))
}

/// Cosine and sine of an angle.
fn rotation(angle: f32) -> Point {
    [angle.cos(), angle.sin()]
}

fn rotated([x, y]: Point, [cos, sin]: Point) -> Point {
    [cos * x + sin * y, cos * y - sin * x]
}

/// A nearly normal number of mean 0 and variance 1: the sum of four uniform ones, whose variance
/// is 4/12, times √3.
fn normal(rng: &mut Xoshiro256PlusPlus) -> f32 {
    let bits = rng.random::<u64>();
    let sum: f32 = (0..4)
        .map(|at| ((bits >> (16 * at)) & 0xffff) as f32 / 65_536.0 - 0.5)
        .sum();
    sum * 3f32.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_depends_on_seed_split_and_index_alone() {
        let few = images(3, Split::Train, 7);
        let many = images(3, Split::Train, 40);
        assert_eq!(few.bytes[..], many.bytes[..7 * IMAGE_SIZE]);
        assert_ne!(few, images(4, Split::Train, 7));
        assert_ne!(few, images(3, Split::Test, 7));
    }

    #[test]
    fn classes_take_turns() {
        let found = images(1, Split::Test, 25);
        let expected: Vec<u8> = (0..10).cycle().take(25).collect();
        assert_eq!(found.labels, expected);
        assert_eq!(found.bytes.len(), 25 * IMAGE_SIZE);
        assert_eq!(class_names().len(), 10);
    }

    #[test]
    fn the_mean_colour_of_an_image_does_not_tell_its_class() {
        // Nearest class mean in colour space, on unseen images: chance is 10 % with a standard
        // error of 0.7 % over 2,000 images. Classes differ a little in area and so in colour.
        let means = |found: &Images| -> Vec<Colour> {
            found
                .bytes
                .chunks(SIDE * SIDE)
                .map(|plane| plane.iter().map(|byte| f32::from(*byte)).sum::<f32>() / 1024.0)
                .collect::<Vec<_>>()
                .as_chunks::<3>()
                .0
                .to_vec()
        };
        let (train, test) = (images(5, Split::Train, 2000), images(5, Split::Test, 2000));
        let mut centres = [[0.0; 3]; 10];
        for (colour, label) in means(&train).iter().zip(&train.labels) {
            for channel in 0..3 {
                centres[usize::from(*label)][channel] += colour[channel] / 200.0;
            }
        }
        let right = means(&test)
            .iter()
            .zip(&test.labels)
            .filter(|(colour, label)| {
                let nearest = (0..10u8).min_by(|one, other| {
                    let to = |class: u8| apart(**colour, centres[usize::from(class)]);
                    to(*one).total_cmp(&to(*other))
                });
                nearest == Some(**label)
            })
            .count();
        assert!(right < 300, "{right} of 2000 by colour alone");
    }

    #[test]
    fn shapes_have_about_the_same_area() {
        // So that a class cannot be told by how much of the image it covers. Pixels of a grid of
        // 0.1 are 0.01 each; the outlines above were sized for 5 %.
        let size = 10.0;
        let area = |shape: u8| {
            let steps = (-150..150).map(|step| step as f32 / 10.0);
            steps
                .clone()
                .flat_map(|x| steps.clone().map(move |y| [x, y]))
                .filter(|point| distance(shape, *point, size) < 0.0)
                .count() as f32
                / 100.0
        };
        let disc = area(0);
        for shape in 1..5 {
            let ratio = area(shape) / disc;
            assert!(
                (ratio - 1.0).abs() < 0.05,
                "{}: {ratio}",
                SHAPES[usize::from(shape)]
            );
        }
    }
}
