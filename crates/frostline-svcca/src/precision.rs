use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::{Error, products::read};

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

/// The floats to which a layer's values were rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floats {
    pub(crate) dtype: DType,
    /// Whether the values came in longer ones, which held nothing more.
    pub(crate) widened: bool,
}

/// Rows of activations that are looked at first: most show at once that they fill their floats.
const FIRST_ROWS: usize = 16;

impl Floats {
    /// Those of the tensor, or shorter ones that hold every value of it as well. Whole numbers are exact in any floats, and
    /// say nothing of them.
    pub(crate) fn of<const D: usize>(values: &Tensor<D>) -> Result<Floats, Error> {
        let own = values.dtype();
        let shorter: &[DType] = match own {
            DType::F64 => &[DType::BF16, DType::F16, DType::F32],
            DType::F32 => &[DType::BF16, DType::F16],
            _ => &[],
        };
        let rows = values.dims()[0];
        let first = values.clone().slice_dim(0, 0..rows.min(FIRST_ROWS));
        for dtype in shorter {
            if holds(&first, *dtype)? && (rows <= FIRST_ROWS || holds(values, *dtype)?) {
                let parts = values.clone() - values.clone().round();
                let whole = read(parts.abs().max())?[0] == 0.0;
                let (dtype, widened) = if whole { (own, false) } else { (*dtype, true) };
                return Ok(Floats { dtype, widened });
            }
        }
        Ok(Floats {
            dtype: own,
            widened: false,
        })
    }

    /// Those with this largest relative error.
    pub(crate) fn of_unit(unit: f64) -> Floats {
        let all = [DType::F64, DType::F32, DType::F16, DType::BF16];
        let dtype = all.into_iter().find(|dtype| rounding_unit(*dtype) >= unit);
        Floats {
            dtype: dtype.unwrap_or(DType::BF16),
            widened: false,
        }
    }

    pub(crate) fn unit(self) -> f64 {
        rounding_unit(self.dtype)
    }

    /// Half of the smallest number, by which all that is smaller than a normal number is rounded.
    pub(crate) fn step(self) -> f64 {
        match self.dtype {
            DType::F64 => 0.0,
            DType::F16 => 2f64.powi(-25),
            DType::BF16 => 2f64.powi(-134),
            _ => 2f64.powi(-150),
        }
    }

    /// Whether all of its few digits are rounding enough to be drawn.
    pub(crate) fn are_short(self) -> bool {
        matches!(self.dtype, DType::F16 | DType::BF16)
    }

    pub(crate) fn name(self) -> &'static str {
        match self.dtype {
            DType::F64 => "float64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            _ => "float32",
        }
    }
}

/// Whether floats of this type hold every value as it is.
fn holds<const D: usize>(values: &Tensor<D>, dtype: DType) -> Result<bool, Error> {
    let off = (rounded_to(values, dtype)? - values.clone()).abs().max();
    Ok(read(off)?[0] == 0.0)
}

/// The values rounded to shorter floats, in their own: on the host where the device lacks these.
pub(crate) fn rounded_to<const D: usize>(
    values: &Tensor<D>,
    dtype: DType,
) -> Result<Tensor<D>, Error> {
    let (own, device) = (values.dtype(), values.device());
    if device.supports_dtype(dtype) {
        return Ok(values.clone().cast(dtype).cast(own));
    }
    let rounded = read(values.clone())?.into_iter();
    let rounded: Vec<f64> = rounded.map(|value| rounded_number(value, dtype)).collect();
    let data = TensorData::new(rounded, values.dims()).convert_dtype(own);
    Ok(Tensor::from_data(data, (&device, own)))
}

/// To nearest, halves to even.
fn rounded_number(value: f64, dtype: DType) -> f64 {
    let (digits, least, largest) = match dtype {
        DType::F16 => (11, -14, 65_504.0),
        DType::BF16 => (8, -126, f64::from(f32::MAX)),
        _ => return f64::from(value as f32),
    };
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = (value.abs().log2().floor() as i32).max(least);
    let step = 2f64.powi(exponent - digits + 1);
    let rounded = (value / step).round_ties_even() * step;
    if rounded.abs() > largest {
        return f64::INFINITY.copysign(value);
    }
    rounded
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_rounds_as_the_device_does() {
        let device = Device::flex();
        let values: Vec<f64> = (0..4000)
            .map(|i| (f64::from(i) * 0.37).sin() * 10f64.powi(i % 12 - 8))
            .collect();
        let tensor = Tensor::<1>::from_data(TensorData::new(values.clone(), [4000]), &device);
        for dtype in [DType::F16, DType::BF16, DType::F32] {
            assert!(device.supports_dtype(dtype), "{dtype:?}");
            let tensor = tensor.clone().cast(DType::F32).cast(DType::F64);
            let by_device = read(rounded_to(&tensor, dtype).unwrap()).unwrap();
            for (value, rounded) in read(tensor).unwrap().into_iter().zip(by_device) {
                assert_eq!(rounded_number(value, dtype), rounded, "{value:e} {dtype:?}");
            }
        }
    }
}
