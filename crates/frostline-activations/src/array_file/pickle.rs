//! A pickle of PyTorch, taken apart. Nothing in it is run: what would be a call stays the name of the
//! function beside its arguments. Source: CPython's `Lib/pickletools.py`, protocols 0 to 5.
//!
//! The reader is our own because pytorch-reader 0.22.1, which burn-store uses, wants a dictionary at
//! the root, forgets its order, reads a tensor as a whole and takes some 90 bytes of memory for each
//! byte of a pickle. Here values refer to one another by their number: a value that occurs twice
//! isn't copied, one that contains itself does no harm, and none is freed by recursion.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use super::{ArrayFileProblem, excerpt};

/// The longest pickle that is read, in bytes; that of ten thousand tensors takes about two million.
const LONGEST: u64 = 64 << 20;
/// The most values that a pickle may hold, and the most that may lie on its stack: a tensor takes
/// about 25.
const MOST_VALUES: usize = 4 << 20;

/// The number of a value.
pub(super) type Id = u32;

/// A piece of text in a pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    start: u32,
    length: u32,
}

/// A value of a pickle.
#[derive(Debug)]
pub(super) enum Value {
    /// Bytes and the like: nothing that describes a tensor.
    Other,
    /// Python's None.
    Nothing,
    Real(f64),
    /// A whole number; True is 1.
    Number(i64),
    Text(Text),
    /// A tuple, a list or a set.
    Sequence(Vec<Id>),
    /// A dictionary, in its own order.
    Dict(Vec<(Id, Id)>),
    /// A class or function: its module and its name.
    Global(Text, Text),
    /// What lies outside of the pickle, by the value that describes it.
    Outside(Id),
    Object(Box<Object>),
}

/// What a call makes.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) function: Id,
    pub(super) arguments: Id,
    /// Its attributes.
    pub(super) state: Option<Id>,
    /// What it holds, if it is some kind of dictionary.
    pub(super) pairs: Vec<(Id, Id)>,
}

/// A pickle that has been read.
pub(super) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) root: Id,
    text: String,
}

impl Pickle {
    /// Reads a pickle up to its end; `reader` stands behind it afterwards.
    pub(super) fn read(reader: &mut impl BufRead) -> Result<Self, ArrayFileProblem> {
        let mut machine = Machine {
            input: Input {
                reader,
                left: LONGEST,
            },
            values: Vec::new(),
            text: String::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        while machine.step()? {}
        Ok(Self {
            root: machine.pop()?,
            values: machine.values,
            text: machine.text,
        })
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id as usize] // `Machine` makes no others
    }

    pub(super) fn str(&self, text: Text) -> &str {
        let start = text.start as usize;
        &self.text[start..start + text.length as usize]
    }

    /// The text with this number.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(self.str(*text)),
            _ => None,
        }
    }

    /// The module and the name of a class or function.
    pub(super) fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.value(id) {
            Value::Global(module, name) => Some((self.str(*module), self.str(*name))),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// A whole number that isn't negative.
    pub(super) fn count(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Number(number) => (*number).try_into().ok(),
            _ => None,
        }
    }
}

/// The stack machine that a pickle is a program of.
struct Machine<'a, R> {
    input: Input<'a, R>,
    values: Vec<Value>,
    text: String,
    stack: Vec<Id>,
    /// How high the stack was at each mark that isn't used up.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<R: BufRead> Machine<'_, R> {
    /// Runs one instruction; false behind the last.
    fn step(&mut self) -> Result<bool, ArrayFileProblem> {
        let code = self.input.byte()?;
        match code {
            b'.' => return Ok(false),
            0x80 => {
                let protocol = self.input.byte()?;
                if protocol > 5 {
                    return Err(bad(format!(
                        "it is of protocol {protocol}, and 0 to 5 can be"
                    )));
                }
            }
            0x95 => self.input.skip(8)?, // how long the frame is

            b'N' => self.push(Value::Nothing)?,
            0x88 => self.push(Value::Number(1))?,
            0x89 => self.push(Value::Number(0))?,
            b'K' => {
                let [number] = self.input.array()?;
                self.push(Value::Number(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.input.array()?);
                self.push(Value::Number(number.into()))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.input.array()?);
                self.push(Value::Number(number.into()))?;
            }
            b'I' | b'L' => {
                let line = self.input.line()?;
                let digits = line.strip_suffix('L').unwrap_or(&line);
                let number = digits.parse().map_or(Value::Other, Value::Number);
                self.push(number)?;
            }
            0x8a => {
                let length = self.input.byte()?.into();
                let number = self.long(length)?;
                self.push(number)?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.input.array()?);
                let number = self.long(length.into())?;
                self.push(number)?;
            }
            b'G' => {
                let real = f64::from_be_bytes(self.input.array()?);
                self.push(Value::Real(real))?;
            }
            b'F' => {
                let line = self.input.line()?;
                let real = line.trim().parse().ok();
                self.push(real.map_or(Value::Other, Value::Real))?;
            }

            b'V' => {
                let line = self.input.line()?;
                self.push_text(&line)?;
            }
            b'S' => {
                let line = self.input.line()?;
                let inner = line
                    .get(1..line.len().saturating_sub(1))
                    .unwrap_or_default();
                self.push_text(inner)?;
            }
            0x8c | b'U' => {
                let length = self.input.byte()?.into();
                self.read_text(length)?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.input.array()?);
                self.read_text(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.input.array()?);
                self.read_text(length)?;
            }
            b'C' => {
                let length = self.input.byte()?.into();
                self.input.skip(length)?;
                self.push(Value::Other)?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.input.array()?);
                self.input.skip(length.into())?;
                self.push(Value::Other)?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.input.array()?);
                self.input.skip(length)?;
                self.push(Value::Other)?;
            }

            b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Sequence(items))?;
            }
            b't' | b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Value::Sequence(items))?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(pairs(&items)?))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }

            b'(' => {
                if self.marks.len() == MOST_VALUES {
                    return Err(too_many());
                }
                self.marks.push(self.stack.len());
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.push_id(top)?;
            }

            b'g' => {
                let index = self.input.index()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.input.byte()?.into();
                self.recall(index)?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.recall(index)?;
            }
            b'p' => {
                let index = self.input.index()?;
                self.remember(index)?;
            }
            b'q' => {
                let index = self.input.byte()?.into();
                self.remember(index)?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?, // at most as many as values

            b'c' => {
                let module = self.input.line()?;
                let module = self.keep(&module)?;
                let name = self.input.line()?;
                let name = self.keep(&name)?;
                self.push(Value::Global(module, name))?;
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                let texts = (&self.values[module as usize], &self.values[name as usize]);
                let (Value::Text(module), Value::Text(name)) = texts else {
                    return Err(bad("a class has no name"));
                };
                self.push(Value::Global(*module, *name))?;
            }
            b'P' => {
                let line = self.input.line()?;
                self.push_text(&line)?;
                let id = self.pop()?;
                self.push(Value::Outside(id))?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Outside(id))?;
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.call(function, arguments)?;
            }
            0x92 => {
                self.pop()?; // the arguments with names
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.call(function, arguments)?;
            }
            b'i' | b'o' => {
                let mut arguments = self.pop_to_mark()?;
                let function = if code == b'o' && !arguments.is_empty() {
                    arguments.remove(0)
                } else {
                    let module = self.input.line()?;
                    let module = self.keep(&module)?;
                    let name = self.input.line()?;
                    let name = self.keep(&name)?;
                    self.push(Value::Global(module, name))?;
                    self.pop()?
                };
                self.push(Value::Sequence(arguments))?;
                let arguments = self.pop()?;
                self.call(function, arguments)?;
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                if let Value::Object(object) = &mut self.values[top as usize] {
                    object.state = Some(state);
                }
            }
            0x82..=0x84 => return Err(bad("it uses classes that are registered in Python alone")),
            0x97 | 0x98 => return Err(bad("it uses buffers that were kept outside of it")),
            other => return Err(bad(format!("it has no instruction 0x{other:02x}"))),
        }
        Ok(true)
    }

    fn push(&mut self, value: Value) -> Result<(), ArrayFileProblem> {
        if self.values.len() == MOST_VALUES {
            return Err(too_many());
        }
        self.values.push(value);
        self.push_id(self.values.len() as Id - 1)
    }

    fn push_id(&mut self, id: Id) -> Result<(), ArrayFileProblem> {
        if self.stack.len() == MOST_VALUES {
            return Err(too_many());
        }
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<Id, ArrayFileProblem> {
        let above = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(id) if self.stack.len() > above => Ok(*id),
            _ => Err(bad("it takes a value where there is none")),
        }
    }

    fn pop(&mut self) -> Result<Id, ArrayFileProblem> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, ArrayFileProblem> {
        let mark = self.marks.pop().ok_or_else(|| bad("it misses a mark"))?;
        Ok(self.stack.split_off(mark)) // the stack never gets lower than a mark
    }

    fn append(&mut self, more: &[Id]) -> Result<(), ArrayFileProblem> {
        let top = self.top()?;
        match &mut self.values[top as usize] {
            Value::Sequence(items) => items.extend(more),
            Value::Object(_) => {}
            _ => return Err(bad("it adds an item to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), ArrayFileProblem> {
        let more = pairs(items)?;
        let top = self.top()?;
        match &mut self.values[top as usize] {
            Value::Dict(pairs) => pairs.extend(more),
            Value::Object(object) => object.pairs.extend(more),
            _ => return Err(bad("it adds a key to what is no dict")),
        }
        Ok(())
    }

    /// Puts what the call makes on the stack: a dict or a sequence where it is known to, else an
    /// object.
    fn call(&mut self, function: Id, arguments: Id) -> Result<(), ArrayFileProblem> {
        let known = match &self.values[function as usize] {
            Value::Global(module, name) => {
                let text = |text: &Text| {
                    &self.text[text.start as usize..(text.start + text.length) as usize]
                };
                match (text(module), text(name)) {
                    ("collections", "OrderedDict" | "defaultdict") => Some(true),
                    ("builtins" | "__builtin__", "set" | "frozenset" | "list" | "tuple") => {
                        Some(false)
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let first = match &self.values[arguments as usize] {
            Value::Sequence(items) => items.first().copied(),
            _ => None,
        };
        let inner: &[Id] = match first.map(|first| &self.values[first as usize]) {
            Some(Value::Sequence(items)) => items,
            _ => &[],
        };
        let made = match known {
            Some(true) => {
                let mut entries = Vec::new();
                for &pair in inner {
                    if let Value::Sequence(pair) = &self.values[pair as usize]
                        && let &[key, value] = &pair[..]
                    {
                        entries.push((key, value));
                    }
                }
                Value::Dict(entries)
            }
            Some(false) => Value::Sequence(inner.to_vec()),
            None => Value::Object(Box::new(Object {
                function,
                arguments,
                state: None,
                pairs: Vec::new(),
            })),
        };
        // A long list can be the argument of many calls.
        self.input.charge(8 * inner.len() as u64)?;
        self.push(made)
    }

    fn recall(&mut self, index: u32) -> Result<(), ArrayFileProblem> {
        match self.memo.get(&index) {
            Some(&id) => self.push_id(id),
            None => Err(bad(format!(
                "it recalls value {index}, which it didn't keep"
            ))),
        }
    }

    fn remember(&mut self, index: u32) -> Result<(), ArrayFileProblem> {
        let top = self.top()?;
        if self.memo.len() == MOST_VALUES {
            return Err(too_many());
        }
        self.memo.insert(index, top);
        Ok(())
    }

    /// A whole number of so many bytes, if it is one of 64 bits.
    fn long(&mut self, length: u64) -> Result<Value, ArrayFileProblem> {
        if length > 8 {
            self.input.skip(length)?;
            return Ok(Value::Other);
        }
        let mut number = 0;
        let mut last = 0;
        for place in 0..length {
            last = self.input.byte()?;
            number |= i64::from(last) << (8 * place);
        }
        if last >= 0x80 && length < 8 {
            number -= 1 << (8 * length);
        }
        Ok(Value::Number(number))
    }

    fn read_text(&mut self, length: u64) -> Result<(), ArrayFileProblem> {
        let bytes = self.input.bytes(length)?;
        self.push_text(&String::from_utf8_lossy(&bytes))
    }

    fn push_text(&mut self, text: &str) -> Result<(), ArrayFileProblem> {
        let text = self.keep(text)?;
        self.push(Value::Text(text))
    }

    /// Keeps a text. All texts together are at most three times as long as the pickle, since a byte
    /// that isn't UTF-8 becomes a character of three.
    fn keep(&mut self, text: &str) -> Result<Text, ArrayFileProblem> {
        let kept = Text {
            start: self.text.len() as u32, // three times `LONGEST` fits
            length: text.len() as u32,
        };
        self.text.push_str(text);
        Ok(kept)
    }
}

/// Keys and values that follow one another.
fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, ArrayFileProblem> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    } else {
        Err(bad("a key has no value"))
    }
}

/// The bytes of a pickle, of which at most [`LONGEST`] are read.
struct Input<'a, R> {
    reader: &'a mut R,
    left: u64,
}

impl<R: BufRead> Input<'_, R> {
    /// Counts so many bytes as read.
    fn charge(&mut self, bytes: u64) -> Result<(), ArrayFileProblem> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            bad(format!(
                "it is longer than {} MiB, so it holds more than tensors",
                LONGEST >> 20
            ))
        })?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArrayFileProblem> {
        self.charge(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(ended)?;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, ArrayFileProblem> {
        self.array().map(|[byte]| byte)
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, ArrayFileProblem> {
        self.charge(length)?;
        let mut bytes = Vec::new();
        // It grows with what is there, whatever the length says.
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(bad("it ends too early"))
        }
    }

    fn skip(&mut self, length: u64) -> Result<(), ArrayFileProblem> {
        self.charge(length)?;
        let mut skipped = self.reader.by_ref().take(length);
        if std::io::copy(&mut skipped, &mut std::io::sink())? == length {
            Ok(())
        } else {
            Err(bad("it ends too early"))
        }
    }

    fn line(&mut self) -> Result<String, ArrayFileProblem> {
        let mut line = Vec::new();
        self.reader
            .by_ref()
            .take(self.left)
            .read_until(b'\n', &mut line)?;
        self.charge(line.len() as u64)?;
        if line.pop() != Some(b'\n') {
            return Err(bad("it ends too early"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn index(&mut self) -> Result<u32, ArrayFileProblem> {
        let line = self.line()?;
        line.parse()
            .map_err(|_| bad(format!("`{line}` is no number of a value")))
    }
}

/// A read that found the end.
fn ended(error: std::io::Error) -> ArrayFileProblem {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => bad("it ends too early"),
        _ => error.into(),
    }
}

fn too_many() -> ArrayFileProblem {
    bad(format!("it holds more than {MOST_VALUES} values"))
}

pub(super) fn bad(problem: impl AsRef<str>) -> ArrayFileProblem {
    ArrayFileProblem::Pickle {
        problem: excerpt(problem.as_ref()),
    }
}
