//! The header of a `.npy` file: the magic, a version, the header's length and a Python dictionary
//! with the keys `descr`, `fortran_order` and `shape`. Source: Kern, NEP 1, "A Simple File Format
//! for NumPy Arrays".
//!
//! The parser is our own because npyz 0.9.1, which has one, panics when the product of the shape
//! overflows and takes exponential time for a header of nested brackets. This one reads the three
//! keys, never recurses and allocates no more than a few times the header.

use std::io::{Read, Seek};

use super::element::Element;
use super::stretch::{Stretch, StretchReader};
use super::{ArrayFileProblem, Order, Refused, Stored, beginning, excerpt, header_bytes};

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy itself refuses headers beyond 10 kB unless it is told to trust the file.
const LONGEST_HEADER: u64 = 1 << 20;

/// Reads the header of an array in this stretch, and checks that the values that it promises are
/// there. Bytes behind them are left alone: `.npy` files may be concatenated.
pub(super) fn stored(
    reader: &mut StretchReader<impl Read + Seek>,
    stretch: Stretch,
) -> Result<Stored, Refused> {
    let found = stretch.length;
    let mut prefix = [0; 12];
    let begin = &mut prefix[..found.min(8) as usize];
    reader.read_exact(begin)?;
    if !begin.starts_with(MAGIC) && !MAGIC.starts_with(begin) {
        return Err(ArrayFileProblem::NoArray.into());
    }
    // The length of the header takes 2 bytes in version 1 and 4 since.
    let prefix_length = if prefix[6] == 1 { 10 } else { 12 };
    if found < prefix_length {
        let expected = prefix_length;
        return Err(ArrayFileProblem::Length { expected, found }.into());
    }
    let (major, minor) = (prefix[6], prefix[7]);
    if !(1..=3).contains(&major) || minor != 0 {
        return Err(Refused::from(ArrayFileProblem::Header {
            problem: format!("it is of version {major}.{minor}, and 1.0, 2.0 and 3.0 can be read"),
        }));
    }
    reader.read_exact(&mut prefix[8..prefix_length as usize])?;
    let [.., a, b, c, d] = prefix; // c and d are still 0 in version 1
    let claimed = u32::from_le_bytes([a, b, c, d]).into();
    let header = header_bytes(reader, claimed, found - prefix_length, LONGEST_HEADER)?;

    let header = Header::parse(&header)?;
    let too_large = || ArrayFileProblem::TooLarge {
        shape: excerpt(&format!("{:?}", header.shape)),
    };
    let shape: Option<Vec<usize>> = header.shape.iter().map(|&n| n.try_into().ok()).collect();
    let shape = shape.ok_or_else(too_large)?;
    let start = prefix_length + claimed;
    // An empty axis hides an overflow of the others; it is refused with the array's shape then.
    let bytes = if shape.contains(&0) {
        Some(0)
    } else {
        shape
            .iter()
            .try_fold(header.element.size(), |bytes, &n| bytes.checked_mul(n))
    };
    let bytes = bytes.ok_or_else(too_large)? as u64;
    let order = if header.fortran_order {
        Order::Columns
    } else {
        Order::Rows
    };
    let stored = Stored {
        shape,
        element: header.element,
        big_endian: header.big_endian,
        order,
        stretch,
        start,
    }
    .checked()?;
    match start.checked_add(bytes) {
        Some(expected) if expected <= found => Ok(stored),
        Some(expected) => Err(stored.refused(ArrayFileProblem::Length { expected, found })),
        None => Err(stored.refused(too_large())),
    }
}

struct Header {
    element: Element,
    big_endian: bool,
    fortran_order: bool,
    shape: Vec<u64>,
}

impl Header {
    fn parse(text: &[u8]) -> Result<Self, ArrayFileProblem> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut text = Text(text);
        text.expect("{")?;
        while !text.skips("}") {
            let key = text.string()?;
            text.expect(":")?;
            let twice = match &key[..] {
                "descr" => descr.replace(text.dtype()?).is_some(),
                "fortran_order" => fortran_order.replace(text.truth()?).is_some(),
                "shape" => shape.replace(text.shape()?).is_some(),
                _ => return Err(text.problem(&format!("unknown key \"{}\" before", excerpt(&key)))),
            };
            if twice {
                return Err(text.problem(&format!("the key \"{key}\" a second time before")));
            }
            if !text.skips(",") {
                text.expect("}")?;
                break;
            }
        }
        if !text.rest().is_empty() {
            return Err(text.problem("the dictionary ends, but then follows"));
        }
        let missing = |key: &str| ArrayFileProblem::Header {
            problem: format!("the key \"{key}\" is missing"),
        };
        let (element, big_endian) = descr.ok_or_else(|| missing("descr"))?;
        Ok(Self {
            element,
            big_endian,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// What is left of the header.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// What is left, without the white space before it.
    fn rest(&mut self) -> &'a [u8] {
        self.0 = self.0.trim_ascii_start();
        self.0
    }

    fn skips(&mut self, token: &str) -> bool {
        match self.rest().strip_prefix(token.as_bytes()) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), ArrayFileProblem> {
        if self.skips(token) {
            Ok(())
        } else {
            Err(self.problem(&format!("expected `{token}` but found")))
        }
    }

    fn problem(&mut self, problem: &str) -> ArrayFileProblem {
        ArrayFileProblem::Header {
            problem: match self.rest() {
                [] => format!("{problem} its end"),
                rest => format!("{problem} \"{}\"", beginning(rest)),
            },
        }
    }

    /// A string without escapes: NumPy writes none in keys and plain dtypes.
    fn string(&mut self) -> Result<String, ArrayFileProblem> {
        let (&quote, text) = match self.rest().split_first() {
            Some((quote @ (b'\'' | b'"'), text)) => (quote, text),
            _ => return Err(self.problem("expected a string but found")),
        };
        match text.iter().position(|&byte| byte == quote) {
            Some(end) => {
                self.0 = &text[end + 1..];
                Ok(String::from_utf8_lossy(&text[..end]).into_owned())
            }
            None => Err(self.problem("a string without an end:")),
        }
    }

    fn truth(&mut self) -> Result<bool, ArrayFileProblem> {
        match (self.skips("True"), self.skips("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(self.problem("expected True or False but found")),
        }
    }

    /// A tuple of whole numbers; Python 2 wrote an L behind them.
    fn shape(&mut self) -> Result<Vec<u64>, ArrayFileProblem> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.skips(")") {
            let text = self.rest();
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&text[..digits]).ok();
            match number.and_then(|number| number.parse().ok()) {
                Some(axis) => shape.push(axis),
                None => return Err(self.problem("expected the length of an axis but found")),
            }
            self.0 = &text[digits..];
            self.skips("L");
            if !self.skips(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    /// The element, and whether it is big endian.
    fn dtype(&mut self) -> Result<(Element, bool), ArrayFileProblem> {
        if let [b'[' | b'(' | b'{', ..] = self.rest() {
            // NumPy sorts the keys, so this one comes next.
            let rest = beginning(self.rest());
            let fields = rest.split("'fortran_order'").next().unwrap_or_default();
            return Err(ArrayFileProblem::Dtype {
                dtype: format!("structured: {}", fields.trim_end_matches([',', ' '])),
                advice: "save one of its fields: array[\"field\"].astype(\"float32\")",
            });
        }
        let descr = self.string()?;
        dtype(&descr).ok_or_else(|| unsupported(&descr))
    }
}

/// The element of a dtype as NumPy writes it (`<f8`), as it also reads it (`=f8`, `f8`, `d`), or by
/// its name (`float64`); and whether it is big endian.
fn dtype(descr: &str) -> Option<(Element, bool)> {
    if let Some(element) = Element::named(descr) {
        return Some((element, cfg!(target_endian = "big")));
    }
    let (big_endian, code) = match descr.split_at_checked(1)? {
        ("<", code) => (false, code),
        (">" | "!", code) => (true, code),
        ("=" | "|", code) => (cfg!(target_endian = "big"), code),
        _ => (cfg!(target_endian = "big"), descr),
    };
    let element = match code {
        "?" | "b1" => Element::Bool,
        "b" | "i1" => Element::Int8,
        "h" | "i2" => Element::Int16,
        "i" | "i4" => Element::Int32,
        "q" | "i8" => Element::Int64,
        "B" | "u1" => Element::UInt8,
        "H" | "u2" => Element::UInt16,
        "I" | "u4" => Element::UInt32,
        "Q" | "u8" => Element::UInt64,
        "e" | "f2" => Element::Float16,
        "f" | "f4" => Element::Float32,
        "d" | "f8" => Element::Float64,
        _ => return None,
    };
    Some((element, big_endian))
}

/// Why values of this dtype aren't read.
fn unsupported(descr: &str) -> ArrayFileProblem {
    let astype = "save array.astype(\"float32\")";
    let code = descr.trim_start_matches(['<', '>', '|', '=', '!']);
    let kind = code.chars().next();
    let (kind, advice) = match kind {
        Some('O') => (
            "Python objects",
            "save array.astype(\"float32\"); if its rows differ in length, make them equal first",
        ),
        Some('c' | 'F' | 'D' | 'G') => (
            "complex",
            "save its parts, numpy.concatenate([array.real, array.imag], axis=-1)",
        ),
        Some('f' | 'g') => ("floating-point numbers of another size", astype),
        Some('i' | 'u' | 'l' | 'L' | 'p' | 'P') => (
            "whole numbers whose size this machine doesn't know",
            "save array.astype(\"int64\")",
        ),
        Some('S' | 'a' | 'U') => ("text", "save the activations, not their names"),
        Some('M' | 'm') => ("times", astype),
        Some('V') if code == "V2" => (
            "raw bytes, as which NumPy saves bfloat16",
            "save array.astype(\"float32\")",
        ),
        Some('V') => ("raw bytes", astype),
        _ => ("unknown", astype),
    };
    ArrayFileProblem::Dtype {
        dtype: format!("of dtype \"{}\" ({kind})", excerpt(descr)),
        advice,
    }
}
