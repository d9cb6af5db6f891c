//! A file of `torch.save`: a tensor, or tensors in dicts and lists. A pickle describes them, and says
//! of each where its values are: since PyTorch 1.6 in another entry of the same zip archive, before
//! that behind the pickle.

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::element::Element;
use super::pickle::{Id, Pickle, Value, bad};
use super::stretch::{Stretch, StretchReader};
use super::zip_directory::ZipEntry;
use super::{
    ArrayEntry, ArrayFileProblem, Contents, LONGEST_NAME, MOST_ARRAYS, Order, Refused, Stored,
    too_long,
};

const PICKLE: &str = "data.pkl";
/// The number that a file begins with that PyTorch before 1.6 wrote.
const OLD_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// How deep tensors may lie in dicts and lists.
const DEEPEST: usize = 64;
/// The most values that are looked at for tensors: parts that occur often are looked at each time.
const MOST_LOOKS: usize = 4 << 20;
/// The most bytes that the names of all tensors may have.
const LONGEST_NAMES: usize = 64 << 20;
/// How many times as long as what is stored all tensors together may be. Views share their storage,
/// but a few bytes could be views of very many tensors.
const MOST_SHARED: u64 = 16;

/// Whether a zip archive with these entries was written by PyTorch.
pub(super) fn is_archive(entries: &[ZipEntry]) -> bool {
    root(entries).is_some()
}

/// Whether a file that begins so was written by PyTorch before 1.6.
pub(super) fn is_old(first: &[u8]) -> bool {
    let magic = &first[..first.len().min(64)];
    first.first() == Some(&0x80) && magic.windows(10).any(|bytes| bytes == OLD_MAGIC)
}

/// The folder of the archive in which its pickle is.
fn root(entries: &[ZipEntry]) -> Option<&str> {
    let roots = entries
        .iter()
        .filter_map(|entry| entry.name.strip_suffix(PICKLE));
    roots
        .filter(|root| root.is_empty() || root.ends_with('/'))
        .min_by_key(|root| root.len())
}

/// The tensors of an archive.
pub(super) fn contents(
    reader: &mut (impl Read + Seek),
    entries: Vec<ZipEntry>,
) -> Result<Contents, ArrayFileProblem> {
    let root = root(&entries).unwrap_or_default().to_string();
    let mut entries: HashMap<String, Result<Stretch, ArrayFileProblem>> = entries
        .into_iter()
        .filter_map(|entry| Some((entry.name.strip_prefix(&root)?.to_string(), entry.stretch)))
        .collect();
    let pickle = entries
        .remove(PICKLE)
        .unwrap_or_else(|| Err(bad("it is missing")))?;
    let pickle = Pickle::read(&mut BufReader::new(StretchReader::new(
        &mut *reader,
        pickle,
    )))?;

    let mut order = Vec::new();
    if let Some(stretch) = entries.remove("byteorder") {
        StretchReader::new(reader, stretch?)
            .take(16)
            .read_to_end(&mut order)?;
    }
    let storages = entries.into_iter().filter_map(|(name, stretch)| {
        let key = name.strip_prefix("data/")?.to_string();
        Some((key, stretch))
    });
    Tensors {
        pickle: &pickle,
        storages: storages.collect(),
        big_endian: order.starts_with(b"big"),
    }
    .listed()
}

/// The tensors of a file that PyTorch before 1.6 wrote and that is `length` bytes long: the magic, a
/// version, the machine's properties, the object and the storages' keys as a pickle each, then for
/// each key a count of values and the values.
pub(super) fn old_contents(
    reader: &mut (impl Read + Seek),
    length: u64,
) -> Result<Contents, ArrayFileProblem> {
    let mut pickles = BufReader::new(&mut *reader);
    let _magic = Pickle::read(&mut pickles)?;
    let _version = Pickle::read(&mut pickles)?;
    let machine = Pickle::read(&mut pickles)?;
    let pickle = Pickle::read(&mut pickles)?;
    let keys = Pickle::read(&mut pickles)?;
    let mut place = pickles.stream_position()?;

    // The file has no other word on how long a value of a storage is.
    let mut sizes = HashMap::new();
    for value in &pickle.values {
        if let Value::Outside(id) = value
            && let Some(storage) = Storage::of(&pickle, *id)
        {
            sizes.insert(storage.key, value_size(&storage.kind));
        }
    }
    let mut storages = HashMap::new();
    for &key in keys.sequence(keys.root).unwrap_or_default() {
        let key = key_text(&keys, key).ok_or_else(|| bad("a storage has no key"))?;
        let size = sizes.get(&key).copied().flatten();
        let size = size.ok_or_else(|| bad(format!("the size of storage `{key}` is unknown")))?;
        let mut count = [0; 8];
        reader.seek(SeekFrom::Start(place))?;
        reader.read_exact(&mut count)?;
        place += 8;
        let bytes = u64::from_le_bytes(count).checked_mul(size);
        let end = bytes.and_then(|bytes| place.checked_add(bytes));
        let end = end.filter(|&end| end <= length).ok_or_else(|| {
            bad(format!(
                "storage `{key}` should end beyond the file, which was cut off"
            ))
        })?;
        storages.insert(key, Ok(Stretch::plain(place, end - place)));
        place = end;
    }
    let is_little = |&(key, value): &(Id, Id)| {
        machine.text(key) == Some("little_endian") && machine.count(value) == Some(1)
    };
    let big_endian = match machine.value(machine.root) {
        Value::Dict(pairs) => !pairs.iter().any(is_little),
        _ => false,
    };
    Tensors {
        pickle: &pickle,
        storages,
        big_endian,
    }
    .listed()
}

/// A storage, as the pickle describes it.
struct Storage {
    /// The name of its class, such as `FloatStorage`.
    kind: String,
    key: String,
    /// Where a view begins in it, in values.
    offset: usize,
}

impl Storage {
    /// A tuple of the word "storage", the class, the key, the device, the count of values and, in
    /// old files, the view of it: a key, where it begins and how long it is.
    fn of(pickle: &Pickle, id: Id) -> Option<Self> {
        let [_, kind, key, _, _, view @ ..] = pickle.sequence(id)? else {
            return None;
        };
        let view = view.first().and_then(|&view| pickle.sequence(view));
        let offset = match view {
            Some(&[_, offset, _]) => pickle.count(offset)?,
            _ => 0,
        };
        let kind = match pickle.global(*kind) {
            Some((_, name)) => name,
            None => pickle.text(*kind)?,
        };
        Some(Self {
            kind: kind.to_string(),
            key: key_text(pickle, *key)?,
            offset,
        })
    }
}

/// The key of a dict or of a storage: text, or a whole number.
fn key_text(pickle: &Pickle, id: Id) -> Option<String> {
    match pickle.value(id) {
        Value::Text(text) => Some(pickle.str(*text).to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A key of a dict as a part of a name, much as Python shows it; `?` for what is neither text nor made of numbers.
fn shown_key(pickle: &Pickle, id: Id, walk: &mut Walk) -> Result<String, ArrayFileProblem> {
    Ok(match pickle.value(id) {
        Value::Nothing => "None".to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Sequence(items) => {
            let mut parts = Vec::new();
            let mut length = 0;
            for &item in items {
                walk.count()?;
                let part = walk.nested(|walk| shown_key(pickle, item, walk))?;
                length += part.len();
                // A tuple may hold itself many times over.
                if length > LONGEST_NAME {
                    return Err(too_long(length));
                }
                parts.push(part);
            }
            match &parts[..] {
                [only] => format!("({only},)"),
                parts => format!("({})", parts.join(", ")),
            }
        }
        _ => key_text(pickle, id).unwrap_or_else(|| "?".to_string()),
    })
}

/// The names of tensors whose keys look the same, such as 1 and '1', get a number from the second on.
fn tell_apart(entries: &mut [ArrayEntry]) {
    let mut taken: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    if taken.len() == entries.len() {
        return;
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let count = seen.entry(entry.name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            continue;
        }
        loop {
            let name = format!("{}#{count}", entry.name);
            if taken.insert(name.clone()) {
                entry.name = name;
                break;
            }
            *count += 1;
        }
    }
}

/// The element of a typed storage, by the name of its class.
fn element(kind: &str) -> Option<Element> {
    Some(match kind {
        "BoolStorage" => Element::Bool,
        "CharStorage" => Element::Int8,
        "ShortStorage" => Element::Int16,
        "IntStorage" => Element::Int32,
        "LongStorage" => Element::Int64,
        "ByteStorage" => Element::UInt8,
        "HalfStorage" => Element::Float16,
        "BFloat16Storage" => Element::BFloat16,
        "FloatStorage" => Element::Float32,
        "DoubleStorage" => Element::Float64,
        _ => return None,
    })
}

/// How long a value of such a storage is in bytes, also of those that aren't read.
fn value_size(kind: &str) -> Option<u64> {
    match kind {
        "ComplexDoubleStorage" => Some(16),
        "ComplexFloatStorage" => Some(8),
        "QInt32Storage" => Some(4),
        "QInt8Storage" | "QUInt8Storage" | "UntypedStorage" => Some(1),
        kind => element(kind).map(|element| element.size() as u64),
    }
}

/// The tensors that a pickle describes.
struct Tensors<'a> {
    pickle: &'a Pickle,
    storages: HashMap<String, Result<Stretch, ArrayFileProblem>>,
    big_endian: bool,
}

/// The walk through a pickle's dicts and lists.
#[derive(Default)]
struct Walk {
    entries: Vec<ArrayEntry>,
    /// The keys from the root to where the walk is, with dots between them.
    path: String,
    depth: usize,
    looks: usize,
    names: usize,
}

impl Tensors<'_> {
    fn listed(&self) -> Result<Contents, ArrayFileProblem> {
        let mut walk = Walk::default();
        self.look(self.pickle.root, &mut walk)?;

        let bytes = |entry: &ArrayEntry| entry.stored.as_ref().map_or(0, Stored::bytes);
        let listed = walk.entries.iter().map(bytes).fold(0, u64::saturating_add);
        let lengths = self
            .storages
            .values()
            .flatten()
            .map(|stretch| stretch.length);
        let stored = lengths.fold(0, u64::saturating_add);
        if listed > stored.saturating_mul(MOST_SHARED) {
            return Err(bad(format!(
                "its tensors have {listed} bytes, of which {stored} are stored: they are views of one \
                 another, more than {MOST_SHARED} times"
            )));
        }
        match &mut walk.entries[..] {
            [only] if only.name.is_empty() => Ok(Contents::Nameless(walk.entries.remove(0))),
            entries => {
                tell_apart(entries);
                Ok(Contents::Named(walk.entries))
            }
        }
    }

    /// Lists the tensors in a value.
    fn look(&self, id: Id, walk: &mut Walk) -> Result<(), ArrayFileProblem> {
        walk.count()?;
        match self.pickle.value(id) {
            Value::Sequence(items) => {
                for (number, &item) in items.iter().enumerate() {
                    self.look_below(&number.to_string(), item, walk)?;
                }
                Ok(())
            }
            Value::Dict(pairs) => self.look_in_pairs(pairs, walk),
            Value::Object(object) => {
                if let Some(stored) = self.called(object.function, object.arguments, walk)? {
                    return walk.found(stored);
                }
                self.look_in_pairs(&object.pairs, walk)?;
                match object.state.map(|state| self.pickle.value(state)) {
                    Some(Value::Dict(pairs)) => self.look_in_pairs(pairs, walk),
                    _ => Ok(()),
                }
            }
            Value::Outside(_) => walk.found(Err(other_tensor("a storage", "the tensor"))),
            _ => Ok(()),
        }
    }

    fn look_in_pairs(&self, pairs: &[(Id, Id)], walk: &mut Walk) -> Result<(), ArrayFileProblem> {
        for &(key, value) in pairs {
            let key = shown_key(self.pickle, key, walk)?;
            self.look_below(&key, value, walk)?;
        }
        Ok(())
    }

    fn look_below(&self, key: &str, id: Id, walk: &mut Walk) -> Result<(), ArrayFileProblem> {
        // Most values are numbers and the like, without a tensor.
        if !matches!(
            self.pickle.value(id),
            Value::Sequence(_) | Value::Dict(_) | Value::Object(_) | Value::Outside(_)
        ) {
            return walk.count();
        }
        if walk.depth == DEEPEST {
            return Err(bad(format!(
                "its dicts and lists are more than {DEEPEST} deep"
            )));
        }
        let length = walk.path.len();
        if walk.depth > 0 {
            walk.path.push('.');
        }
        walk.path.push_str(key);
        walk.depth += 1;
        self.look(id, walk)?;
        walk.depth -= 1;
        walk.path.truncate(length);
        Ok(())
    }

    /// The tensor that a call makes; none where it makes something else.
    fn called(
        &self,
        function: Id,
        arguments: Id,
        walk: &mut Walk,
    ) -> Result<Option<Result<Stored, Refused>>, ArrayFileProblem> {
        walk.count()?;
        let arguments = self.pickle.sequence(arguments).unwrap_or_default();
        let Some((module, name)) = self.pickle.global(function) else {
            return Ok(None);
        };
        let inner = |place: usize| arguments.get(place).map(|&id| self.pickle.value(id));
        Ok(match (module, name) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
                Some(self.tensor(arguments, name == "_rebuild_tensor_v3"))
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                match inner(0) {
                    Some(Value::Object(object)) => {
                        walk.nested(|walk| self.called(object.function, object.arguments, walk))?
                    }
                    _ => None,
                }
            }
            ("torch._tensor", "_rebuild_from_type_v2") => match arguments {
                [function, _, arguments, ..] => {
                    walk.nested(|walk| self.called(*function, *arguments, walk))?
                }
                _ => None,
            },
            (module, "_reconstruct" | "scalar") if module.starts_with("numpy") => {
                let is_array = name == "_reconstruct";
                is_array.then(|| {
                    Err(other_tensor(
                        "a NumPy array in a pickle",
                        "torch.from_numpy(array), or numpy.save the array",
                    ))
                })
            }
            _ if self.holds_storage(arguments, 3, walk)? => {
                let found = format!("made by {module}.{name}");
                Some(Err(other_tensor(
                    &found,
                    "tensor.to_dense() or tensor.dequantize()",
                )))
            }
            _ => None,
        })
    }

    /// Whether a tensor or a storage is among these values or a few levels below them.
    fn holds_storage(
        &self,
        ids: &[Id],
        levels: usize,
        walk: &mut Walk,
    ) -> Result<bool, ArrayFileProblem> {
        for &id in ids {
            walk.count()?;
            let below = match self.pickle.value(id) {
                Value::Outside(_) => return Ok(true),
                Value::Sequence(items) => items,
                Value::Object(object) => std::slice::from_ref(&object.arguments),
                _ => continue,
            };
            if levels > 0 && self.holds_storage(below, levels - 1, walk)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A dense tensor: its storage, where it begins in it, its size and strides in values, whether it
    /// has a gradient, hooks, and in version 3 its type.
    fn tensor(&self, arguments: &[Id], is_v3: bool) -> Result<Stored, Refused> {
        let incomplete =
            || Refused::from(bad("a tensor isn't described as PyTorch describes them"));
        let [storage, offset, size, strides, more @ ..] = arguments else {
            return Err(incomplete());
        };
        let Value::Outside(storage) = self.pickle.value(*storage) else {
            return Err(incomplete());
        };
        let storage = Storage::of(self.pickle, *storage).ok_or_else(incomplete)?;
        let counts = |id: Id| -> Option<Vec<usize>> {
            let items = self.pickle.sequence(id)?;
            items.iter().map(|&item| self.pickle.count(item)).collect()
        };
        let offset = self.pickle.count(*offset).ok_or_else(incomplete)?;
        let shape = counts(*size).ok_or_else(incomplete)?;
        let strides = counts(*strides).ok_or_else(incomplete)?;
        if strides.len() != shape.len() {
            return Err(incomplete());
        }
        let dtype = if is_v3 {
            let dtype = more.get(2).and_then(|&dtype| self.pickle.global(dtype));
            dtype.ok_or_else(incomplete)?.1
        } else {
            storage.kind.as_str()
        };
        let found = if is_v3 {
            Element::named(dtype)
        } else {
            element(dtype)
        };
        let Some(element) = found else {
            return Err(Refused {
                dtype: format!("torch.{dtype}").into(),
                shape,
                problem: Box::new(unsupported(dtype)),
            });
        };
        let refused = |problem: ArrayFileProblem| Refused {
            dtype: element.name().into(),
            shape: shape.clone(),
            problem: Box::new(problem),
        };
        let stretch = match self.storages.get(&storage.key) {
            Some(Ok(stretch)) => *stretch,
            Some(Err(problem)) => return Err(refused(problem.clone())),
            None => {
                let problem = format!("its storage `{}` is missing", storage.key);
                return Err(refused(bad(problem)));
            }
        };

        let stored = (stretch.length / element.size() as u64) as usize; // a file's length fits
        let first = offset.checked_add(storage.offset);
        let values = shape
            .iter()
            .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        let last = first.and_then(|first| {
            shape
                .iter()
                .zip(&strides)
                .try_fold(first, |last, (&axis, &stride)| {
                    last.checked_add(axis.saturating_sub(1).checked_mul(stride)?)
                })
        });
        let (Some(first), Some(values), Some(last)) = (first, values, last) else {
            return Err(refused(ArrayFileProblem::TooLarge {
                shape: super::excerpt(&format!("{shape:?}")),
            }));
        };
        if values > 0 && last >= stored {
            let problem = format!(
                "its values reach to number {last} of storage `{}`, which has {stored}",
                storage.key
            );
            return Err(refused(bad(problem)));
        }
        if values > stored {
            return Err(refused(ArrayFileProblem::Expanded {
                values: values as u64,
                stored: stored as u64,
            }));
        }
        Stored {
            order: Order::of(&shape, strides),
            shape,
            element,
            big_endian: self.big_endian,
            stretch,
            // Within the storage, unless there are no values.
            start: (first as u64).saturating_mul(element.size() as u64),
        }
        .checked()
    }
}

impl Walk {
    fn count(&mut self) -> Result<(), ArrayFileProblem> {
        self.looks += 1;
        if self.looks > MOST_LOOKS {
            return Err(bad("its parts occur in one another very many times"));
        }
        Ok(())
    }

    /// One level deeper.
    fn nested<T>(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<T, ArrayFileProblem>,
    ) -> Result<T, ArrayFileProblem> {
        if self.depth == DEEPEST {
            return Err(bad("a tensor is wrapped very many times"));
        }
        self.depth += 1;
        let found = look(self)?;
        self.depth -= 1;
        Ok(found)
    }

    fn found(&mut self, stored: Result<Stored, Refused>) -> Result<(), ArrayFileProblem> {
        self.names += self.path.len();
        if self.path.len() > LONGEST_NAME {
            return Err(too_long(self.path.len()));
        }
        if self.entries.len() == MOST_ARRAYS || self.names > LONGEST_NAMES {
            return Err(ArrayFileProblem::TooManyArrays { most: MOST_ARRAYS });
        }
        self.entries.push(ArrayEntry {
            name: self.path.clone(),
            stored,
        });
        Ok(())
    }
}

fn other_tensor(found: &str, advice: &'static str) -> Refused {
    Refused::from(ArrayFileProblem::OtherTensor {
        found: super::excerpt(found),
        advice,
    })
}

fn unsupported(dtype: &str) -> ArrayFileProblem {
    ArrayFileProblem::Dtype {
        dtype: format!("of type torch.{}", super::excerpt(dtype)),
        advice: if dtype.to_ascii_lowercase().contains("complex") {
            "save torch.view_as_real(tensor)"
        } else if dtype.starts_with('Q') {
            "save tensor.dequantize()"
        } else {
            "save tensor.to(torch.float32)"
        },
    }
}
