//! What the analysis is timed on, and how the peers get the same.

use std::fs;
use std::path::Path;

use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};

/// Widths of the layers of [`random_relu`].
pub const WIDTHS: [usize; 8] = [32, 64, 64, 128, 128, 256, 256, 512];

/// A random network at four moments on its way from one initialisation to another: rows are the eight
/// layers at each moment, columns those at the end, `[5000, width]` each.
///
/// Layers are `relu(h W √(2 / fan_in))`, the input has 64 normal numbers, and at the moments 0, 35, 75 and
/// 100 % the weights lie so far between both.
pub fn random_relu(samples: usize) -> [Vec<Tensor<2>>; 2] {
    let device = Device::flex();
    device.seed(1);
    let normal = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let input = normal([samples, 64]);
    let mut fan_in = 64;
    let mut weights = Vec::new();
    for width in WIDTHS {
        weights.push([normal([fan_in, width]), normal([fan_in, width])]);
        fan_in = width;
    }
    let layers = |share: f32| {
        let mut h = input.clone();
        let mut layers = Vec::new();
        for [start, end] in &weights {
            let weight = start.clone() * (1.0 - share) + end.clone() * share;
            let [fan_in, _] = weight.dims();
            h = relu(h.matmul(weight) * (2.0 / fan_in as f32).sqrt());
            layers.push(h.clone());
        }
        layers
    };
    [[0.0, 0.35, 0.75, 1.0].map(layers).concat(), layers(1.0)]
}

/// Writes float32 as NumPy does, in C order.
pub fn write_npy<const D: usize>(tensor: &Tensor<D>, path: &Path) {
    let shape: Vec<String> = tensor.dims().iter().map(usize::to_string).collect();
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}",
        shape.join(", ")
    );
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for value in tensor.to_data().iter::<f32>() {
        bytes.extend(value.to_le_bytes());
    }
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Writes the layers of a grid: `rows/000.npy` and so on, and `columns/`.
pub fn write_grid([rows, columns]: &[Vec<Tensor<2>>; 2], folder: &Path) {
    for (name, layers) in [("rows", rows), ("columns", columns)] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("a folder to write to");
        for (index, layer) in layers.iter().enumerate() {
            write_npy(layer, &folder.join(format!("{index:03}.npy")));
        }
    }
}
