//! The devices that were compiled in.

use burn::tensor::{Device, Tensor};

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

/// The device of this name. The error lists those that there are, or says that this one doesn't answer.
pub fn device(name: &str) -> Result<Device, String> {
    let devices = compiled_in();
    match devices.iter().find(|(known, _)| *known == name) {
        Some((_, device)) => answering(name, *device),
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

/// The device, once it has computed something. A GPU backend finds out at the first tensor that there is no
/// adapter, and panics.
fn answering(name: &str, device: fn() -> Device) -> Result<Device, String> {
    let asked = std::panic::catch_unwind(|| {
        let device = device();
        let one = Tensor::<1>::ones([1], &device).try_into_data();
        one.map(|_| device).map_err(|error| error.to_string())
    });
    let problem = match asked {
        Ok(Ok(device)) => return Ok(device),
        Ok(Err(problem)) => problem,
        Err(_) => "its driver found no adapter".to_string(),
    };
    Err(format!("the device `{name}` can't be used here: {problem}"))
}

/// Whether this device computes in the host's own memory.
pub fn is_host(device: &Device) -> bool {
    let mut hosts = compiled_in()
        .into_iter()
        .filter(|(name, _)| ["flex", "ndarray"].contains(name));
    hosts.any(|(_, host)| host() == device.clone().without_autodiff())
}
