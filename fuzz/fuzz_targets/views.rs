//! Small matrices of any numbers: every measure is a finite number or an error, never a panic.
//!
//! ```text
//! cargo +nightly fuzz run views
//! ```

#![no_main]

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::{Comparison, Cut, Grid, Measure, Moments, Pair, View, Wanted};
use libfuzzer_sys::fuzz_target;

/// Numbers at which arithmetic goes wrong; a byte is one of them or a small number.
const SPECIAL: [f64; 16] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    f64::MIN_POSITIVE,
    5e-324,
    f64::MAX,
    -f64::MAX,
    1e-45,
    3.4e38,
    1e154,
    1e-160,
    1.0,
    1.0 + f64::EPSILON,
    16_777_217.0,
];

fuzz_target!(|bytes: &[u8]| {
    let [shape, left, right, flags, values @ ..] = bytes else {
        return;
    };
    let samples = usize::from(shape % 24) + 1;
    let (left, right) = (usize::from(left % 12) + 1, usize::from(right % 12) + 1);
    if values.is_empty() {
        return;
    }
    let dtype = if flags & 1 == 0 { DType::F64 } else { DType::F32 };
    let mut at = 0;
    let mut tensor = |columns: usize| {
        let values: Vec<f64> = (0..samples * columns)
            .map(|_| {
                // Bytes repeat where they run out, which makes equal rows and columns.
                let byte = values[at % values.len()];
                at += 1;
                match byte {
                    0..16 => SPECIAL[usize::from(byte)],
                    _ => f64::from(byte) - 128.0,
                }
            })
            .collect();
        let data = TensorData::new(values, [samples, columns]).convert_dtype(dtype);
        Tensor::<2>::from_data(data, (&Device::flex(), dtype))
    };
    let (x, y) = (tensor(left), tensor(right));
    if let (Ok(a), Ok(b)) = (View::new(&x), View::new(&y)) {
        every_measure(&Pair::of(&a, &b).expect("as many samples"));
    }
    let mut moments = Moments::new();
    if moments.add(&[&x, &y]).is_ok()
        && let Ok(pair) = moments.pair(0, 1)
    {
        every_measure(&pair);
    }
    for measure in [Measure::default(), Measure::Procrustes] {
        let sides = measure.prepare_all([&x, &y]);
        let grid = Grid::of(&sides, &sides, Wanted::Directions, |_| ()).expect("one device");
        let cells = grid.cells.iter().flatten();
        cells.filter_map(|cell| cell.similarity.as_ref()).for_each(|found| finite(found.value));
    }
});

fn every_measure(pair: &Pair<'_>) {
    if let Ok(found) = pair.compare() {
        all_finite(&found);
    }
    for measure in Measure::ALL {
        if let Ok(found) = pair.similarity(measure) {
            finite(found.value);
        }
    }
    for cut in [Cut::Variance(1.0), Cut::Directions(1), Cut::SingularValues(1e-9)] {
        if let Ok(found) = pair.svcca(cut) {
            found.coefficients.iter().for_each(|rho| finite(*rho));
        }
        if let Ok(found) = pair.directions(cut) {
            found.correlations.iter().for_each(|rho| finite(*rho));
            found.x.weights.iter().for_each(|weight| finite(*weight));
        }
    }
}

/// A number that isn't finite is written as null where the type has no null.
fn all_finite(found: &Comparison) {
    let text = serde_json::to_string(found).expect("plain data");
    let read = serde_json::from_str::<Comparison>(&text);
    assert!(read.is_ok(), "{text}");
    for value in found.participation_ratio {
        finite(value);
    }
}

fn finite(value: f64) {
    assert!(value.is_finite(), "{value}");
}
