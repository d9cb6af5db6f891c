//! The same numbers on every backend, within the tolerances of the reference table.

use std::sync::LazyLock;
use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cifar10::devices::{self, Adapter, OpenDevice};
use frostline::prelude::*;
use frostline::svcca::{Grid, Wanted, dft_cca};

/// Views of layers with a shared part, as f32 on the host: `[sample, neuron]`. Made once: the tests of a
/// process share a device's random numbers.
static VIEWS: LazyLock<[TensorData; 2]> = LazyLock::new(|| {
    let device = Device::flex();
    device.seed(11);
    let normal = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let shared = normal([600, 12]);
    let x = shared.clone().matmul(normal([12, 24])) + normal([600, 24]) * 0.3 + 5.0;
    let y = shared.matmul(normal([12, 16])) + normal([600, 16]) * 0.3;
    [x.into_data(), y.into_data()]
});

fn similarity(device: &Device, cut: Cut) -> (Vec<f64>, [usize; 2]) {
    let [x, y] = VIEWS
        .clone()
        .map(|data| Tensor::<2>::from_data(data, device));
    let found = svcca(&x, &y, &Svcca { cut }).unwrap();
    (found.coefficients.iter().copied().collect(), found.kept)
}

/// Compares with flex, which has f64.
fn agrees(device: &Device, tolerance: f64) {
    for cut in [
        Cut::Variance(0.99),
        Cut::SingularValues(0.99),
        Cut::Directions(8),
        Cut::All,
    ] {
        let (expected, expected_kept) = similarity(&Device::flex(), cut);
        let (found, kept) = similarity(device, cut);
        assert_eq!(kept, expected_kept, "{cut}");
        for (found, expected) in found.iter().zip(&expected) {
            let difference = (found - expected).abs();
            assert!(
                difference <= tolerance,
                "{cut}: {found} instead of {expected}"
            );
        }
    }
}

/// Every other measure, a grid of both views, and moments in batches, against flex. A grid projects in f32.
fn measures_agree(device: &Device, tolerance: f64, of_a_grid: f64) {
    let found = |device: &Device| {
        let [x, y] = VIEWS
            .clone()
            .map(|data| Tensor::<2>::from_data(data, device));
        let mut values = Vec::new();
        for measure in Measure::ALL {
            // In units of the activations, some hundreds.
            let unit = if measure == Measure::Pls { 1e-3 } else { 1.0 };
            values.push((
                measure.to_string(),
                measure.between(&x, &y).unwrap().value * unit,
            ));
        }
        let sides = Measure::default().prepare_all([&x, &y]);
        let grid = Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap();
        values.push(("grid".to_string(), grid.value(0, 1).unwrap()));
        let mut moments = Moments::new();
        for rows in [0..250, 250..310, 310..600] {
            let [x, y] = [&x, &y].map(|view| view.clone().slice_dim(0, rows.clone()));
            moments.add(&[&x, &y]).unwrap();
        }
        let pair = moments.pair(0, 1).unwrap();
        values.push((
            "moments svcca".to_string(),
            pair.svcca(Cut::default()).unwrap().mean,
        ));
        values.push((
            "moments cka".to_string(),
            pair.cka().unwrap().debiased.unwrap(),
        ));
        let directions = Pair::of(&View::new(&x).unwrap(), &View::new(&y).unwrap())
            .unwrap()
            .directions(Cut::Directions(3))
            .unwrap();
        values.push(("first weight".to_string(), directions.x.weights[(0, 0)]));
        values
    };
    for ((name, found), (_, expected)) in found(device).iter().zip(found(&Device::flex())) {
        let gap = (found - expected).abs();
        let allowed = if name == "grid" { of_a_grid } else { tolerance };
        assert!(
            gap <= allowed,
            "{name}: {found} instead of {expected}, {gap:e}"
        );
    }
}

#[test]
#[expect(deprecated, reason = "ndarray works as long as Burn has it")]
fn every_measure_on_ndarray_agrees_with_flex() {
    measures_agree(&Device::ndarray(), 1e-6, 1e-6);
}

#[test]
fn every_measure_on_a_gpu_agrees_with_flex() {
    on_each_gpu(|device, adapter| {
        // Means from f32 products; CUDA's tensor cores take f32 as TF32.
        let of_a_grid = if adapter.device == "cuda" { 1e-4 } else { 1e-5 };
        measures_agree(device, 1e-5, of_a_grid);
    });
}

#[test]
fn maps_on_a_gpu_are_compared_as_on_flex() {
    fn mean(device: &Device) -> f64 {
        let [x, y] = VIEWS.clone().map(|data| {
            let maps = Tensor::<2>::from_data(data, device).slice_dim(1, 0..16);
            maps.reshape([150, 4, 4, 4])
        });
        dft_cca(&x, &y).unwrap().mean
    }
    on_each_gpu(|device, _| {
        // The same f32 numbers, transformed on the host.
        assert!((mean(device) - mean(&Device::flex())).abs() < 1e-10);
    });
}

#[test]
#[expect(deprecated, reason = "ndarray works as long as Burn has it")]
fn ndarray_agrees_with_flex() {
    agrees(&Device::ndarray(), 1e-10); // both in f64
}

#[test]
fn a_gpu_agrees_with_flex() {
    on_each_gpu(|device, _| agrees(device, 1e-4)); // f32 products
}

#[test]
fn a_model_on_a_gpu_is_recorded_and_compared_there() {
    use burn::nn::LinearConfig;
    on_each_gpu(|device, _| {
        let layer = LinearConfig::new(24, 10).init(device);
        let x = Tensor::<2>::from_data(VIEWS[0].clone(), device);
        let (_, activations) = record(|| layer.forward(x.clone()).tap("layer")).unwrap();
        let kept = activations.view("layer").unwrap();
        assert_eq!(&kept.device(), device);
        // The layer is a linear map of x, so its span lies in that of x.
        let found = cca(&kept, &x).unwrap();
        assert!((found.mean - 1.0).abs() < 1e-4, "{}", found.mean); // f32 products
    });
}

/// How long one test may compute on one device, debug builds on a busy processor included.
const LIMIT: Duration = Duration::from_secs(300);

/// Tests every GPU that this build's features reach (`--features cifar10/cuda` adds one), and says which they are; where
/// wgpu is required its lack is a failure. A device that stops answering fails the test by its name.
fn on_each_gpu(test: fn(&Device, &Adapter)) {
    for name in devices::compiled_in() {
        match devices::open(name) {
            Ok(found) if devices::is_host(&found.device) => (),
            Ok(OpenDevice { device, adapter }) => {
                eprintln!("device: {adapter}");
                let named = adapter.clone();
                let done = devices::within(LIMIT, &named, move || test(&device, &adapter));
                done.unwrap_or_else(|silent| panic!("{silent}"));
            }
            Err(problem) if name == "wgpu" && required() => panic!("{problem}"),
            Err(problem) => eprintln!("skipped: {problem}"),
        }
    }
}

fn required() -> bool {
    std::env::var_os("FROSTLINE_REQUIRE_WGPU").is_some()
}
