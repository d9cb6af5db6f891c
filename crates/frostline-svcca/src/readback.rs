//! What crosses from a device without f64 to the host, counted: the route of such a device, forced on
//! the CPU.

use burn::tensor::{DType, Device, Tensor};

use crate::{
    Basis, Bias, Cut, Grid, Measure, View, Wanted, precision::Precision, products::counted,
};

const SAMPLES: usize = 4000;
const NEURONS: usize = 64;
/// A square matrix of the neurons, in f32.
const SQUARE: usize = NEURONS * NEURONS * 4;
/// What the checks of a view read: means, sizes and squares of its columns, four numbers a sample to find samples that repeat,
/// and two more where a kernel's rows are summed.
const VECTORS: usize = (3 * NEURONS + 6 * SAMPLES) * 4;

/// A hundred thousandth part of the variance in the faintest direction: as small as the default cut of
/// a wide layer keeps.
fn view(seed: usize) -> View {
    let values: Vec<f32> = (0..SAMPLES * NEURONS)
        .map(|i| {
            let (row, column) = (i / NEURONS, i % NEURONS);
            let phase = (row * (column + 1 + seed)) as f64 * 0.61803398875;
            ((phase.fract() - 0.5) * 10f64.powf(-2.5 * column as f64 / NEURONS as f64)) as f32
        })
        .collect();
    let data = burn::tensor::TensorData::new(values, [SAMPLES, NEURONS]);
    let tensor = Tensor::<2>::from_data(data, (&Device::flex(), DType::F32));
    View::with_precision(tensor, Precision::F32).unwrap()
}

#[test]
fn a_pair_moves_squares_of_the_neurons_and_not_the_samples() {
    for (measure, squares) in [
        // A scatter a view, its second whitening, and the cross product.
        (Measure::default(), 5),
        (Measure::Svcca(Cut::Variance(0.9999)), 5),
        (Measure::Cka(Bias::Debiased), 3),
        (Measure::Procrustes, 3),
        (Measure::Pls, 3),
    ] {
        let (value, bytes) = counted::during(|| {
            let [x, y] = [view(0), view(1)].map(|view| measure.prepare(&view).unwrap());
            x.similarity(&y).unwrap().value
        });
        assert!(value.is_finite());
        let most = squares * SQUARE + 2 * VECTORS;
        assert!(
            bytes <= most,
            "{measure}: {bytes} bytes read, at most {most} allowed"
        );
        assert!(
            bytes >= SQUARE,
            "{measure}: {bytes} bytes can't hold a product"
        );
    }
}

#[test]
fn a_grid_moves_what_its_products_hold() {
    let measure = Measure::default();
    let sides: Vec<_> = (0..3).map(|seed| measure.prepare(&view(seed))).collect();
    let kept: usize = sides.iter().flatten().map(|side| side.width()).sum();
    let (_, bytes) = counted::during(|| Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap());
    assert_eq!(bytes, kept * kept * 4);
}

#[test]
fn a_basis_from_f32_products_is_orthonormal_to_f32() {
    let basis: Basis = view(0).basis(Cut::Variance(0.9999)).unwrap();
    let columns = crate::products::on_host(basis.directions.as_ref().unwrap()).unwrap();
    let gram = columns.transpose() * &columns;
    let gap = (gram - nalgebra::DMatrix::identity(basis.kept(), basis.kept())).amax();
    // 128 products of f32 rounding at a time.
    assert!(gap < 1e-5, "{gap:e}");
}
