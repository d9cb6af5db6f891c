//! The devices of this build's features by their names, and the adapters that answer behind them.
//!
//! ```
//! use frostline::devices;
//!
//! # #[cfg(feature = "flex")] {
//! let found = devices::open("flex")?;
//! assert_eq!(found.adapter.to_string(), "flex");
//! # }
//! # Ok::<(), devices::DeviceError>(())
//! ```

mod adapter;
mod error;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use burn::tensor::{Device, Tensor};

pub use adapter::Adapter;
pub use error::DeviceError;

/// How long a device may take for its first answer. Drivers that compile their kernels first take some seconds.
pub const FIRST_ANSWER: Duration = Duration::from_secs(120);

/// Where this variable is set, and not to 0, an OpenGL that computes on the processor may stand in for a GPU.
pub const SOFTWARE_GL: &str = "FROSTLINE_SOFTWARE_GL";

/// A device that has computed something.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// The device, without autodiff.
    pub device: Device,
    /// What answers behind it.
    pub adapter: Adapter,
}

/// A device of this build, and how its adapter is found.
struct Named {
    name: &'static str,
    find: fn(&'static str) -> Result<OpenDevice, String>,
}

/// The names of the devices of the enabled features, the default first.
pub fn compiled_in() -> Vec<&'static str> {
    all().iter().map(|named| named.name).collect()
}

/// The device of this name, once it has computed something.
///
/// An OpenGL that computes on the processor is slow, and its drivers may wait for ever; it is taken only where
/// [`SOFTWARE_GL`] is set. A Vulkan driver on the processor, such as Mesa's lavapipe, is taken.
///
/// # Errors
///
/// [`DeviceError::NotInBuild`] for a name that is not among [`compiled_in`], [`DeviceError::Unusable`] where no adapter is
/// found or it can't compute, [`DeviceError::SoftwareGl`], and [`DeviceError::NoAnswer`] after [`FIRST_ANSWER`].
pub fn open(name: &str) -> Result<OpenDevice, DeviceError> {
    let all = all();
    let Some(&Named { name, find }) = all.iter().find(|named| named.name == name) else {
        return Err(DeviceError::NotInBuild {
            name: name.to_string(),
            known: compiled_in().join(", "),
        });
    };
    let unusable = |problem: String| DeviceError::Unusable {
        name: name.to_string(),
        problem,
    };
    // Some drivers panic where they find no adapter.
    let contact = |what: String, work: Box<dyn FnOnce() -> Result<OpenDevice, String> + Send>| {
        let answer = catch_unwind(AssertUnwindSafe(|| within(FIRST_ANSWER, &what, work)));
        let answer = answer.unwrap_or_else(|_| Ok(Err("its driver found no adapter".to_string())));
        answer?.map_err(unusable)
    };
    let found = contact(name.to_string(), Box::new(move || find(name)))?;
    if found.adapter.is_software_gl() && !allowed(SOFTWARE_GL) {
        return Err(DeviceError::SoftwareGl {
            adapter: found.adapter,
        });
    }
    let adapter = found.adapter.to_string();
    contact(
        adapter,
        Box::new(move || {
            let one = Tensor::<1>::ones([1], &found.device).try_into_data();
            one.map(|_| found).map_err(|error| error.to_string())
        }),
    )
}

/// Whether this device computes in the host's own memory.
pub fn is_host(device: &Device) -> bool {
    let hosts = [
        #[cfg(feature = "flex")]
        Device::flex(),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)]
        Device::ndarray(),
    ];
    hosts.contains(&device.clone().without_autodiff())
}

/// Does work on a device that may never answer, and gives up waiting after `limit`. `adapter` is what the error names.
///
/// The work goes on in its own thread where it has no end: a wait inside a driver can't be ended from outside.
///
/// # Errors
///
/// [`DeviceError::NoAnswer`].
///
/// # Panics
///
/// As the work does.
pub fn within<T: Send + 'static>(
    limit: Duration,
    adapter: &impl ToString,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DeviceError> {
    let (tell, told) = channel();
    let worker = std::thread::spawn(move || {
        // Nobody listens after the limit.
        let _ = tell.send(work());
    });
    match told.recv_timeout(limit) {
        Ok(done) => Ok(done),
        Err(RecvTimeoutError::Timeout) => Err(DeviceError::NoAnswer {
            adapter: adapter.to_string(),
            limit,
        }),
        Err(RecvTimeoutError::Disconnected) => {
            let panic = worker.join().expect_err("it ended without its result");
            resume_unwind(panic)
        }
    }
}

fn allowed(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

fn all() -> Vec<Named> {
    vec![
        #[cfg(feature = "flex")]
        Named {
            name: "flex",
            find: |name| host(name, Device::flex()),
        },
        #[cfg(feature = "cuda")]
        Named {
            name: "cuda",
            find: |name| {
                adapter::of_card(
                    name,
                    Device::cuda(burn::tensor::DeviceIndex::Default),
                    "CUDA",
                )
            },
        },
        #[cfg(feature = "rocm")]
        Named {
            name: "rocm",
            find: |name| {
                adapter::of_card(
                    name,
                    Device::rocm(burn::tensor::DeviceIndex::Default),
                    "ROCm",
                )
            },
        },
        #[cfg(feature = "metal")]
        Named {
            name: "metal",
            find: |name| {
                adapter::on_wgpu(name, burn::tensor::wgpu::WgpuBackend::Metal, Device::metal)
            },
        },
        #[cfg(feature = "vulkan")]
        Named {
            name: "vulkan",
            find: |name| {
                adapter::on_wgpu(
                    name,
                    burn::tensor::wgpu::WgpuBackend::Vulkan,
                    Device::vulkan,
                )
            },
        },
        #[cfg(feature = "webgpu")]
        Named {
            name: "webgpu",
            find: |name| {
                adapter::on_wgpu(
                    name,
                    burn::tensor::wgpu::WgpuBackend::WebGpu,
                    Device::webgpu,
                )
            },
        },
        #[cfg(feature = "wgpu")]
        Named {
            name: "wgpu",
            find: |name| {
                adapter::on_wgpu(name, burn::tensor::wgpu::WgpuBackend::Auto, Device::wgpu)
            },
        },
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)]
        // It works in Burn 0.22; its successor, flex, is the default here.
        Named {
            name: "ndarray",
            find: |name| host(name, Device::ndarray()),
        },
    ]
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
fn host(name: &'static str, device: Device) -> Result<OpenDevice, String> {
    let adapter = Adapter::host(name);
    Ok(OpenDevice { device, adapter })
}
