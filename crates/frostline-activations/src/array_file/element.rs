/// What a value is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float16,
    BFloat16,
    Float32,
    Float64,
}

impl Element {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Its length in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Float16 | Self::BFloat16 => 2,
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }
}

/// The values in `bytes`, which are `N` bytes long each.
pub(super) fn decoded<const N: usize, T>(
    bytes: &[u8],
    big_endian: bool,
    from_little_endian: impl Fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    bytes.as_chunks().0.iter().map(move |value| {
        let mut value = *value;
        if big_endian {
            value.reverse();
        }
        from_little_endian(value)
    })
}
