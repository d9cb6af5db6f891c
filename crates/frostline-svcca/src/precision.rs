use burn::tensor::{DType, Device};

/// In which floats a view is held and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    F64,
    /// Held and projected in f32; the scatter, which is decomposed, is multiplied in f64.
    Mixed,
    /// No f64 on the device: products of blocks in f32, summed in f64 on the host.
    F32,
}

impl Precision {
    pub(crate) fn of(device: &Device) -> Self {
        if device.supports_dtype(DType::F64) {
            Precision::F64
        } else {
            Precision::F32
        }
    }

    /// Half the memory of [`Precision::of`].
    pub(crate) fn single(device: &Device) -> Self {
        match Precision::of(device) {
            Precision::F64 => Precision::Mixed,
            other => other,
        }
    }

    /// In what the activations are held.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Precision::F64 => DType::F64,
            Precision::Mixed | Precision::F32 => DType::F32,
        }
    }

    pub(crate) fn epsilon(self) -> f64 {
        match self {
            Precision::F64 => f64::EPSILON,
            Precision::Mixed | Precision::F32 => f64::from(f32::EPSILON),
        }
    }

    /// Below this share of the largest, an eigenvalue of the scatter may be nothing but rounding.
    pub(crate) fn rank_floor(self, longest: usize) -> f64 {
        match self {
            Precision::F64 => 16.0 * longest as f64 * f64::EPSILON,
            // The activations themselves are rounded to f32: nothing below is theirs.
            Precision::Mixed => 1e-10,
            // f32 rounds within a block only, so the number of samples doesn't enter.
            Precision::F32 => 1e-6,
        }
    }

    /// Below this share of the largest, a basis is made orthonormal a second time.
    pub(crate) fn second_whitening_floor(self) -> f64 {
        match self {
            Precision::F64 => 0.0,
            Precision::Mixed => 1e-4,
            Precision::F32 => 1e-1,
        }
    }
}
