/// What a value is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    BFloat16,
    Float32,
    Float64,
}

impl Element {
    /// The name that NumPy and PyTorch have for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// The element that NumPy and PyTorch call so; `double`, `half` and the like are other names.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "bool_" => Self::Bool,
            "int8" => Self::Int8,
            "int16" | "short" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "uint8" => Self::UInt8,
            "uint16" => Self::UInt16,
            "uint32" => Self::UInt32,
            "uint64" => Self::UInt64,
            "float16" | "half" => Self::Float16,
            "bfloat16" => Self::BFloat16,
            "float32" | "single" => Self::Float32,
            "float64" | "double" => Self::Float64,
            _ => return None,
        })
    }

    /// Its length in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 | Self::Float16 | Self::BFloat16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 => 8,
        }
    }

    /// Whether its values are read as float64; those of all others fit float32.
    pub(super) fn is_double(self) -> bool {
        matches!(
            self,
            Self::Int32 | Self::Int64 | Self::UInt32 | Self::UInt64 | Self::Float64
        )
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
