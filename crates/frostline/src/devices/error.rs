use std::time::Duration;

use super::{Adapter, SOFTWARE_GL};

/// Why a device can't be used.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No feature of this build gives a device of this name.
    #[error(
        "this build has no device `{name}`, only: {known}; build with `--features {name}` to add it, if Burn has such a \
         backend"
    )]
    NotInBuild {
        /// The name.
        name: String,
        /// Those that there are, comma separated.
        known: String,
    },
    /// No adapter was found, or it can't compute.
    #[error("the device `{name}` can't be used here: {problem}")]
    Unusable {
        /// The device's name.
        name: String,
        /// What its driver says.
        problem: String,
    },
    /// The only adapter computes on the processor, by OpenGL.
    #[error(
        "the device `{}` can't be used here: the one adapter is {adapter}, which is no GPU but the processor. \
         Install a Vulkan driver (Mesa's lavapipe is one without a GPU), or set {SOFTWARE_GL}=1 to use it all the same",
        adapter.device
    )]
    SoftwareGl {
        /// The adapter.
        adapter: Adapter,
    },
    /// The device didn't answer in time.
    #[error("{adapter} has not answered for {limit:?}; the wait was given up")]
    NoAnswer {
        /// What was to answer.
        adapter: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for DeviceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
