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

/// Largest relative error of a number that is rounded to these floats: half of their ε.
pub(crate) fn rounding_unit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON / 2.0,
        DType::F16 => 2f64.powi(-11),
        DType::BF16 => 2f64.powi(-8),
        _ => f64::from(f32::EPSILON) / 2.0,
    }
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

    /// Relative rounding of sums over samples: a few times that of the floats in which products are added up.
    pub(crate) fn sum_epsilon(self) -> f64 {
        16.0 * match self {
            Precision::F64 | Precision::Mixed => f64::EPSILON,
            Precision::F32 => f64::from(f32::EPSILON),
        }
    }

    /// What brings the largest floats down to where their sums don't overflow.
    pub(crate) fn large(self) -> f64 {
        match self {
            Precision::F64 => 2f64.powi(100),
            Precision::Mixed | Precision::F32 => 2f64.powi(40),
        }
    }

    /// The power of two just above `size`, kept where it and its reciprocal are normal floats; 1 where
    /// squares of that size are far from either end of them.
    pub(crate) fn power_of_two(self, size: f64) -> f64 {
        if size == 0.0 || (1e-6..1e6).contains(&size) {
            return 1.0;
        }
        let bound = match self {
            Precision::F64 => 1000.0,
            Precision::Mixed | Precision::F32 => 125.0,
        };
        size.log2().ceil().clamp(-bound, bound).exp2()
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
