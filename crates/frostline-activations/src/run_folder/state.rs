use std::collections::{HashMap, HashSet};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::{RunFolder, STATE, io, not_written, read_regular};
use crate::{Error, write_aside};

/// Tensors that lie in a file beside a note of a saved model, and by which that file is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// The file's name, in the folder `state` of the run folder.
    pub name: String,
    /// The hash of its bytes.
    pub hash: String,
}

impl RunFolder {
    /// Keeps tensors that a run needs to go on and that are too large for a line. The file is named by what it holds:
    /// the same tensors are kept once.
    ///
    /// # Errors
    /// [`Error::NotWritten`].
    pub fn keep_state(&self, tensors: Vec<(String, TensorData)>) -> Result<StateFile, Error> {
        let folder = self.path.join(STATE);
        std::fs::create_dir_all(&folder).map_err(not_written(&folder))?;
        let refused = |problem: String| not_written(&folder)(std::io::Error::other(problem));
        let tensors: Vec<(String, Vec<usize>, Dtype, Vec<u8>)> = tensors
            .into_iter()
            .map(|(name, data)| {
                let shape = data.shape().to_vec();
                let (dtype, bytes) = host_bytes(data);
                (name, shape, dtype, bytes)
            })
            .collect();
        let views = tensors.iter().map(|(name, shape, dtype, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            Ok((name, view.map_err(|error| refused(error.to_string()))?))
        });
        let views = views.collect::<Result<Vec<_>, Error>>()?;
        let bytes = safetensors::serialize(views, None::<HashMap<String, String>>);
        let bytes = bytes.map_err(|error| refused(error.to_string()))?;
        let hash = format!("{:032x}", xxh3_128(&bytes));
        let name = format!("{hash}.safetensors");
        let path = folder.join(&name);
        if !path.exists() {
            write_aside(&path, &bytes).map_err(not_written(&path))?;
        }
        Ok(StateFile { name, hash })
    }

    /// Removes the files of tensors that none of these notes needs.
    ///
    /// # Errors
    /// [`Error::NotWritten`].
    pub fn keep_only_states(&self, needed: &[StateFile]) -> Result<(), Error> {
        let folder = self.path.join(STATE);
        if !folder.is_dir() {
            return Ok(());
        }
        let needed: HashSet<&str> = needed.iter().map(|file| file.name.as_str()).collect();
        for entry in std::fs::read_dir(&folder).map_err(io(&folder))? {
            let entry = entry.map_err(io(&folder))?;
            let name = entry.file_name();
            let ours = name.to_str().filter(|name| name.ends_with(".safetensors"));
            if ours.is_some_and(|name| !needed.contains(name)) {
                std::fs::remove_file(entry.path()).map_err(not_written(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Reads the tensors that [`keep_state`](Self::keep_state) kept.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the file is gone or is not the one that was kept.
    pub fn state(
        path: impl AsRef<Path>,
        file: &StateFile,
    ) -> Result<Vec<(String, TensorData)>, Error> {
        let path = path.as_ref().join(STATE).join(&file.name);
        let damaged = |problem: String| Error::Damaged {
            path: path.clone(),
            line: String::new(),
            problem,
        };
        let plain = Path::new(&file.name)
            .file_name()
            .is_some_and(|name| name == file.name.as_str());
        if !plain {
            return Err(damaged(
                "the note of a saved model names no file of this folder".into(),
            ));
        }
        let Some(bytes) = read_regular(&path)? else {
            return Err(damaged(
                "it is missing, and the run can't go on from this model without it; only the files of the latest \
                 saved models are kept, so go on from a later one"
                    .into(),
            ));
        };
        if format!("{:032x}", xxh3_128(&bytes)) != file.hash {
            return Err(damaged("it is not as it was written".into()));
        }
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let all = tensors.iter().map(|(name, view)| {
            let data = host_data(&view).ok_or_else(|| {
                damaged(format!(
                    "`{name}` holds {:?}, which is never kept",
                    view.dtype()
                ))
            })?;
            Ok((name.to_string(), data))
        });
        all.collect()
    }
}

/// The type and the bytes with which a file holds a tensor of floats.
pub(super) fn host_bytes(data: TensorData) -> (Dtype, Vec<u8>) {
    let (dtype, data) = match data.dtype() {
        DType::F64 => (Dtype::F64, data),
        DType::F16 => (Dtype::F16, data),
        DType::BF16 => (Dtype::BF16, data),
        _ => (Dtype::F32, data.convert::<f32>()),
    };
    (dtype, data.bytes().to_vec())
}

/// A tensor of floats in a file; none for any other.
pub(super) fn host_data(view: &TensorView<'_>) -> Option<TensorData> {
    let (bytes, shape) = (view.data(), view.shape().to_vec());
    Some(match view.dtype() {
        Dtype::F64 => TensorData::new(numbers(bytes, f64::from_le_bytes), shape),
        Dtype::F32 => TensorData::new(numbers(bytes, f32::from_le_bytes), shape),
        Dtype::F16 => TensorData::new(numbers(bytes, f16::from_le_bytes), shape),
        Dtype::BF16 => TensorData::new(numbers(bytes, bf16::from_le_bytes), shape),
        _ => return None,
    })
}

/// Numbers of `N` bytes each.
fn numbers<T, const N: usize>(bytes: &[u8], number: fn([u8; N]) -> T) -> Vec<T> {
    let each = bytes.as_chunks::<N>().0.iter();
    each.map(|bytes| number(*bytes)).collect()
}
