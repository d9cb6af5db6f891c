use std::fmt;

#[cfg(any(
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "webgpu"
))]
pub(super) use on_wgpu::on_wgpu;

/// What computes behind a device: a card, or a driver that computes on the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// The device's name, such as `vulkan`.
    pub device: &'static str,
    /// The adapter as it names itself; none for the host itself.
    pub name: Option<String>,
    /// Its driver and the driver's version, where they are known.
    pub driver: Option<String>,
    /// The interface through which it computes, such as Vulkan; none for the host itself.
    pub api: Option<&'static str>,
    /// Whether it computes on the processor.
    pub is_software: bool,
}

impl Adapter {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(super) fn host(device: &'static str) -> Self {
        Adapter {
            device,
            name: None,
            driver: None,
            api: None,
            is_software: true,
        }
    }

    /// Whether it is an OpenGL that computes on the processor.
    pub fn is_software_gl(&self) -> bool {
        self.is_software && self.api == Some(OPENGL)
    }
}

const OPENGL: &str = "OpenGL";

impl fmt::Display for Adapter {
    /// `vulkan: NVIDIA H100 PCIe, driver NVIDIA 550.54.15, Vulkan`; `flex`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.device)?;
        let Some(name) = &self.name else {
            return Ok(());
        };
        write!(f, ": {name}")?;
        if let Some(driver) = &self.driver {
            write!(f, ", driver {driver}")?;
        }
        match self.api {
            Some(api) => write!(f, ", {api}"),
            None => Ok(()),
        }
    }
}

/// A device whose backend names its card.
#[cfg(any(feature = "cuda", feature = "rocm"))]
pub(super) fn of_card(
    name: &'static str,
    device: burn::tensor::Device,
    api: &'static str,
) -> Result<super::OpenDevice, String> {
    let adapter = Adapter {
        device: name,
        name: device.identity().map(|identity| identity.name),
        driver: None,
        api: Some(api),
        is_software: false,
    };
    Ok(super::OpenDevice { device, adapter })
}

#[cfg(any(
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "webgpu"
))]
mod on_wgpu {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};

    use burn::tensor::wgpu::wgpu::{AdapterInfo, Backend, DeviceType};
    use burn::tensor::wgpu::{WgpuBackend, WgpuInitError};
    use burn::tensor::{Device, DeviceKind};

    use super::{Adapter, OPENGL};
    use crate::devices::OpenDevice;

    /// The adapters that were found, by the device's name: wgpu says which one answers when a device is set up, and that
    /// once a process.
    static FOUND: Mutex<BTreeMap<&'static str, Adapter>> = Mutex::new(BTreeMap::new());

    /// A device of wgpu, set up through this interface.
    pub(in crate::devices) fn on_wgpu(
        name: &'static str,
        api: WgpuBackend,
        device: fn(DeviceKind) -> Device,
    ) -> Result<OpenDevice, String> {
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let device = device(DeviceKind::DefaultDevice);
        if let Some(adapter) = found.get(name).cloned() {
            return Ok(OpenDevice { device, adapter });
        }
        // Without an interface of its own the choice is the default one, which may not be named.
        let options = match api {
            WgpuBackend::Auto => Device::wgpu_options(),
            api => Device::wgpu_options().graphics_api(api),
        };
        let adapter = match options.init_with_setup() {
            Ok((_, setup)) => of_wgpu(name, &setup.adapter.get_info()),
            // The program has used the device before.
            Err(WgpuInitError::Registration { .. }) => Adapter {
                device: name,
                name: device.identity().map(|identity| identity.name),
                driver: None,
                api: None,
                is_software: false,
            },
            Err(problem) => return Err(problem.to_string()),
        };
        found.insert(name, adapter.clone());
        Ok(OpenDevice { device, adapter })
    }

    fn of_wgpu(device: &'static str, info: &AdapterInfo) -> Adapter {
        let driver = format!("{} {}", info.driver, info.driver_info);
        let driver = Some(driver.trim().to_string()).filter(|driver| !driver.is_empty());
        let name = info.name.to_lowercase();
        let renderers = ["llvmpipe", "softpipe", "swrast", "swiftshader", "software"];
        Adapter {
            device,
            name: Some(info.name.clone()),
            driver,
            api: Some(match info.backend {
                Backend::Vulkan => "Vulkan",
                Backend::Metal => "Metal",
                Backend::Dx12 => "DirectX 12",
                Backend::Gl => OPENGL,
                Backend::BrowserWebGpu => "WebGPU",
                Backend::Noop => "none",
            }),
            is_software: info.device_type == DeviceType::Cpu
                || renderers.iter().any(|renderer| name.contains(renderer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::DeviceError;

    fn llvmpipe(api: &'static str) -> Adapter {
        Adapter {
            device: "wgpu",
            name: Some("llvmpipe (LLVM 15.0.6, 256 bits)".to_string()),
            driver: Some("Mesa 22.3.6".to_string()),
            api: Some(api),
            is_software: true,
        }
    }

    #[test]
    fn an_adapter_is_named_with_its_driver_and_its_interface() {
        let named = "wgpu: llvmpipe (LLVM 15.0.6, 256 bits), driver Mesa 22.3.6, Vulkan";
        assert_eq!(llvmpipe("Vulkan").to_string(), named);
        let unknown = Adapter {
            driver: None,
            api: None,
            ..llvmpipe("")
        };
        assert_eq!(
            unknown.to_string(),
            "wgpu: llvmpipe (LLVM 15.0.6, 256 bits)"
        );
    }

    #[test]
    fn opengl_on_the_processor_is_no_gpu_and_vulkan_there_is_taken() {
        assert!(llvmpipe(OPENGL).is_software_gl());
        assert!(!llvmpipe("Vulkan").is_software_gl());
        let card = Adapter {
            is_software: false,
            ..llvmpipe(OPENGL)
        };
        assert!(!card.is_software_gl());
        let adapter = llvmpipe(OPENGL);
        let refused = DeviceError::SoftwareGl { adapter }.to_string();
        assert!(
            refused.contains("Mesa 22.3.6, OpenGL") && refused.contains("FROSTLINE_SOFTWARE_GL=1")
        );
    }
}
