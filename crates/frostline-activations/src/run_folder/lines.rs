use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::{io, regular};
use crate::Error;

/// The lines of a file of the run folder, up to the first that can't be read.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    /// What each line holds, with its bytes, the end of the line included.
    pub(crate) items: Vec<(T, Vec<u8>)>,
    /// The line that ended the reading.
    pub(crate) trouble: Option<Trouble>,
}

/// A line that can't be read.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) problem: String,
    /// It is the last line and has no end: of a process that was killed while it wrote.
    pub(crate) half_written: bool,
}

/// Reads the lines of a file one by one, so that no file takes more memory than what it holds. `problem` looks at what a
/// line says, with what the line before said. None where there is no such file.
///
/// Errors: `NoFile` for a pipe, a device or a folder, `Io`.
pub(crate) fn read<T: DeserializeOwned>(
    path: &Path,
    longest: u64,
    mut problem: impl FnMut(&T, Option<&T>) -> Option<String>,
) -> Result<Option<Lines<T>>, Error> {
    if !regular(path)? {
        return Ok(None);
    }
    let file = File::open(path).map_err(io(path))?;
    let mut reader = BufReader::new(file);
    let mut lines = Lines {
        items: Vec::new(),
        trouble: None,
    };
    for line in 1.. {
        let mut text = Vec::new();
        let mut limited = reader.by_ref().take(longest);
        let read = limited.read_until(b'\n', &mut text).map_err(io(path))?;
        if read == 0 {
            break;
        }
        if text == b"\n" {
            continue;
        }
        let before = lines.items.last().map(|(item, _)| item);
        let (said, parsed) = match serde_json::from_slice::<T>(&text) {
            Ok(item) => match problem(&item, before) {
                None => {
                    lines.items.push((item, text));
                    continue;
                }
                said => (said.unwrap_or_default(), true),
            },
            Err(source) => (
                format!("is damaged or half written ({})", told(&text, &source)),
                false,
            ),
        };
        lines.trouble = Some(Trouble {
            line,
            problem: said,
            half_written: !parsed && text.last() != Some(&b'\n') && read < longest as usize,
        });
        break;
    }
    Ok(Some(lines))
}

/// The last byte of a file that has one.
pub(super) fn last_byte(path: &Path) -> Result<u8, Error> {
    let mut byte = [0];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut byte)
    });
    read.map_err(io(path))?;
    Ok(byte[0])
}

/// What is wrong with a text, with the field in which it is.
pub(crate) fn told(text: &[u8], error: &serde_json::Error) -> String {
    match field_at(text, error.line(), error.column()) {
        Some(field) => format!("field `{field}`: {error}"),
        None => error.to_string(),
    }
}

/// The path of the field, dots between, whose value stands at this place of a JSON text or is the last before it.
fn field_at(text: &[u8], line: usize, column: usize) -> Option<String> {
    /// A container, and the name of the field that is being read in it.
    struct Open {
        is_object: bool,
        field: Option<String>,
    }
    let before = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1));
    let end = before
        .map(<[u8]>::len)
        .sum::<usize>()
        .saturating_add(column)
        .min(text.len());
    let (mut open, mut at): (Vec<Open>, usize) = (Vec::new(), 0);
    let mut latest: Option<Vec<u8>> = None;
    while at < end {
        match text[at] {
            b'"' => {
                let from = at + 1;
                at = from;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                latest = Some(text[from..at.min(text.len())].to_vec());
            }
            b':' => {
                if let (Some(within), Some(name)) = (open.last_mut(), latest.take()) {
                    within.field = Some(String::from_utf8_lossy(&name).into_owned());
                }
            }
            b'{' | b'[' => open.push(Open {
                is_object: text[at] == b'{',
                field: None,
            }),
            // The end of what is wrong is still a part of it.
            b'}' | b']' if at + 1 < end => {
                open.pop();
            }
            b',' if at + 1 < end => {
                if let Some(within) = open.last_mut().filter(|within| within.is_object) {
                    within.field = None;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let names: Vec<String> = open.into_iter().filter_map(|within| within.field).collect();
    (!names.is_empty()).then(|| names.join("."))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it is tried")]
    struct Inner {
        deep: Vec<f64>,
        flag: bool,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it is tried")]
    struct Outer {
        step: usize,
        inner: Inner,
        last: String,
    }

    #[test]
    fn what_is_wrong_in_a_text_is_told_with_its_field() {
        let whole = r#"{"step":1,"inner":{"deep":[1.5,2],"flag":true},"last":"a,\"b:"}"#;
        assert!(serde_json::from_str::<Outer>(whole).is_ok());
        for (from, to, field) in [
            ("1,", "{},", "step"),
            ("1,", "-1,", "step"),
            ("1,", "1e999,", "step"),
            ("[1.5,2]", "[1.5,null]", "inner.deep"),
            ("[1.5,2]", "{}", "inner.deep"),
            ("true", "\"x\"", "inner.flag"),
            (r#""a,\"b:""#, "[]", "last"),
        ] {
            let text = whole.replacen(from, to, 1);
            let error = serde_json::from_str::<Outer>(&text).unwrap_err();
            let said = told(text.as_bytes(), &error);
            assert!(
                said.starts_with(&format!("field `{field}`: ")),
                "{text}: {said}"
            );
        }
    }
}
