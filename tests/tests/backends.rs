//! The same numbers on every backend, within the tolerances of the reference table.

use std::sync::LazyLock;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use frostline::prelude::*;

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

#[test]
#[expect(deprecated, reason = "ndarray works as long as Burn has it")]
fn ndarray_agrees_with_flex() {
    agrees(&Device::ndarray(), 1e-10); // both in f64
}

#[test]
fn wgpu_agrees_with_flex() {
    let Some(device) = wgpu() else {
        eprintln!("skipped: no wgpu adapter");
        return;
    };
    agrees(&device, 1e-4); // f32 products
}

#[test]
fn a_model_on_wgpu_is_recorded_and_compared_there() {
    use burn::nn::LinearConfig;
    let Some(device) = wgpu() else {
        eprintln!("skipped: no wgpu adapter");
        return;
    };
    let layer = LinearConfig::new(24, 10).init(&device);
    let x = Tensor::<2>::from_data(VIEWS[0].clone(), &device);
    let (_, activations) = record(|| layer.forward(x.clone()).tap("layer")).unwrap();
    let kept = activations.view("layer").unwrap();
    assert_eq!(kept.device(), device);
    // The layer is a linear map of x, so its span lies in that of x.
    let found = cca(&kept, &x).unwrap();
    assert!((found.mean - 1.0).abs() < 1e-4, "{}", found.mean); // f32 products
}

/// A wgpu device, or none where there is no adapter; where one is required its lack is a failure.
fn wgpu() -> Option<Device> {
    let found = std::panic::catch_unwind(|| {
        let device = Device::wgpu(Default::default());
        let _ = Tensor::<1>::ones([1], &device).into_data();
        device
    });
    if std::env::var_os("FROSTLINE_REQUIRE_WGPU").is_some() {
        return Some(found.expect("FROSTLINE_REQUIRE_WGPU is set, so there has to be an adapter"));
    }
    found.ok()
}
