//! The devices that were compiled in.

use burn::tensor::Device;

/// A device's name on the command line, and how to get it.
type Named = (&'static str, fn() -> Device);

/// All devices of the enabled features, the default first.
pub fn compiled_in() -> Vec<Named> {
    vec![
        #[cfg(feature = "flex")]
        ("flex", Device::flex),
        #[cfg(feature = "cuda")]
        ("cuda", || Device::cuda(burn::tensor::DeviceIndex::Default)),
        #[cfg(feature = "rocm")]
        ("rocm", || Device::rocm(burn::tensor::DeviceIndex::Default)),
        #[cfg(feature = "metal")]
        ("metal", || Device::metal(Default::default())),
        #[cfg(feature = "vulkan")]
        ("vulkan", || Device::vulkan(Default::default())),
        #[cfg(feature = "webgpu")]
        ("webgpu", || Device::webgpu(Default::default())),
        #[cfg(feature = "wgpu")]
        ("wgpu", || Device::wgpu(Default::default())),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)]
        // It works in Burn 0.22; its successor, flex, is the default here.
        ("ndarray", Device::ndarray),
    ]
}

/// The device of this name. The error lists those that there are.
pub fn device(name: &str) -> Result<Device, String> {
    let devices = compiled_in();
    match devices.iter().find(|(known, _)| *known == name) {
        Some((_, device)) => Ok(device()),
        None => {
            let known: Vec<&str> = devices.iter().map(|(known, _)| *known).collect();
            Err(format!(
                "this build has no device `{name}`, only: {}; build with `--features {name}` to add it, \
                 if Burn has such a backend",
                known.join(", ")
            ))
        }
    }
}
