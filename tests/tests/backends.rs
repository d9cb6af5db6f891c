//! The same numbers on every backend, within the tolerances of the reference table.

use std::sync::LazyLock;
use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cifar10::devices::{self, OpenDevice};
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

/// How long a device may take for one value. On a processor, in a debug build, a GPU's kernels take seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// A device that is compared with flex.
#[derive(Clone)]
struct Tested {
    device: Device,
    adapter: String,
}

impl Tested {
    /// What the work gives on the device. A device that doesn't answer fails the test by its name.
    fn waits<T: Send + 'static>(&self, work: impl FnOnce(&Device) -> T + Send + 'static) -> T {
        let device = self.device.clone();
        let done = devices::within(LIMIT, &self.adapter, move || work(&device));
        done.unwrap_or_else(|silent| panic!("{silent}"))
    }

    fn host(name: &str) -> Tested {
        let OpenDevice { device, adapter } = devices::open(name).unwrap();
        let adapter = adapter.to_string();
        Tested { device, adapter }
    }
}

/// The GPUs that this build's features reach (`--features cifar10/cuda` adds one); where wgpu is required its
/// lack is a failure.
fn gpus() -> Vec<(&'static str, Tested)> {
    let mut found = Vec::new();
    for name in devices::compiled_in() {
        match devices::open(name) {
            Ok(OpenDevice { device, .. }) if devices::is_host(&device) => (),
            Ok(OpenDevice { device, adapter }) => {
                eprintln!("device: {adapter}");
                let adapter = adapter.to_string();
                found.push((name, Tested { device, adapter }));
            }
            Err(problem) if name == "wgpu" && required() => panic!("{problem}"),
            Err(problem) => eprintln!("skipped: {problem}"),
        }
    }
    found
}

fn required() -> bool {
    std::env::var_os("FROSTLINE_REQUIRE_WGPU").is_some()
}

/// The two views on a device.
fn views(device: &Device) -> [Tensor<2>; 2] {
    VIEWS
        .clone()
        .map(|data| Tensor::<2>::from_data(data, device))
}

fn similarity(device: &Device, cut: Cut) -> (Vec<f64>, [usize; 2]) {
    let [x, y] = views(device);
    let found = svcca(&x, &y, &Svcca { cut }).unwrap();
    (found.coefficients.iter().copied().collect(), found.kept)
}

/// Compares with flex, which has f64.
fn agrees(tested: &Tested, tolerance: f64) {
    for cut in [
        Cut::Variance(0.99),
        Cut::SingularValues(0.99),
        Cut::Directions(8),
        Cut::All,
    ] {
        let (expected, expected_kept) = similarity(&Device::flex(), cut);
        let (found, kept) = tested.waits(move |device| similarity(device, cut));
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

/// A number that a device gives.
type Value = Box<dyn Fn(&Device) -> f64 + Send>;

/// Every other measure, a grid of both views, and moments in batches.
fn values() -> Vec<(String, Value)> {
    let mut values: Vec<(String, Value)> = Vec::new();
    for measure in Measure::ALL {
        // In units of the activations, some hundreds.
        let unit = if measure == Measure::Pls { 1e-3 } else { 1.0 };
        let between = move |device: &Device| {
            let [x, y] = views(device);
            measure.between(&x, &y).unwrap().value * unit
        };
        values.push((measure.to_string(), Box::new(between)));
    }
    let mut add = |name: &str, value: fn(&Device) -> f64| {
        values.push((name.to_string(), Box::new(value)));
    };
    add("grid", |device| {
        let [x, y] = views(device);
        let sides = Measure::default().prepare_all([&x, &y]);
        let grid = Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap();
        grid.value(0, 1).unwrap()
    });
    add("moments svcca", |device| {
        let pair = moments(device).pair(0, 1).unwrap();
        pair.svcca(Cut::default()).unwrap().mean
    });
    add("moments cka", |device| {
        let pair = moments(device).pair(0, 1).unwrap();
        pair.cka().unwrap().debiased.unwrap()
    });
    add("first weight", |device| {
        let [x, y] = views(device).map(|view| View::new(&view).unwrap());
        let directions = Pair::of(&x, &y).unwrap().directions(Cut::Directions(3));
        directions.unwrap().x.weights[(0, 0)]
    });
    values
}

fn moments(device: &Device) -> Moments {
    let [x, y] = views(device);
    let mut moments = Moments::new();
    for rows in [0..250, 250..310, 310..600] {
        let [x, y] = [&x, &y].map(|view| view.clone().slice_dim(0, rows.clone()));
        moments.add(&[&x, &y]).unwrap();
    }
    moments
}

/// Against flex. A grid projects in f32.
fn measures_agree(tested: &Tested, tolerance: f64, of_a_grid: f64) {
    for (name, value) in values() {
        let expected = value(&Device::flex());
        let found = tested.waits(move |device| value(device));
        let gap = (found - expected).abs();
        let allowed = if name == "grid" { of_a_grid } else { tolerance };
        assert!(
            gap <= allowed,
            "{name}: {found} instead of {expected}, {gap:e}"
        );
    }
}

#[test]
fn every_measure_on_ndarray_agrees_with_flex() {
    measures_agree(&Tested::host("ndarray"), 1e-6, 1e-6);
}

#[test]
fn every_measure_on_a_gpu_agrees_with_flex() {
    for (name, tested) in gpus() {
        // Means from f32 products; CUDA's tensor cores take f32 as TF32.
        let of_a_grid = if name == "cuda" { 1e-4 } else { 1e-5 };
        measures_agree(&tested, 1e-5, of_a_grid);
    }
}

#[test]
fn maps_on_a_gpu_are_compared_as_on_flex() {
    fn mean(device: &Device) -> f64 {
        let [x, y] = views(device).map(|data| data.slice_dim(1, 0..16).reshape([150, 4, 4, 4]));
        dft_cca(&x, &y).unwrap().mean
    }
    for (_, tested) in gpus() {
        // The same f32 numbers, transformed on the host.
        assert!((tested.waits(mean) - mean(&Device::flex())).abs() < 1e-10);
    }
}

#[test]
fn ndarray_agrees_with_flex() {
    agrees(&Tested::host("ndarray"), 1e-10); // both in f64
}

#[test]
fn a_gpu_agrees_with_flex() {
    for (_, tested) in gpus() {
        agrees(&tested, 1e-4); // f32 products
    }
}

#[test]
fn a_model_on_a_gpu_is_recorded_and_compared_there() {
    use burn::nn::LinearConfig;
    for (_, tested) in gpus() {
        let mean = tested.waits(|device| {
            let layer = LinearConfig::new(24, 10).init(device);
            let [x, _] = views(device);
            let (_, activations) = record(|| layer.forward(x.clone()).tap("layer")).unwrap();
            let kept = activations.view("layer").unwrap();
            assert_eq!(&kept.device(), device);
            // The layer is a linear map of x, so its span lies in that of x.
            cca(&kept, &x).unwrap().mean
        });
        assert!((mean - 1.0).abs() < 1e-4, "{mean}"); // f32 products
    }
}

#[test]
fn a_device_that_never_answers_is_given_up_and_named() {
    let (never, waits) = std::sync::mpsc::channel::<()>();
    let limit = Duration::from_millis(20);
    let silent = devices::within(limit, &"vulkan: a card", move || waits.recv());
    drop(never);
    let said = silent.unwrap_err().to_string();
    assert!(
        said.starts_with("vulkan: a card has not answered"),
        "{said}"
    );
}
