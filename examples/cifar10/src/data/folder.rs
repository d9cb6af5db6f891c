//! The folder of image files: `{train,test}/<class>/<name>.png`, as Burn's `CifarDataset` unpacks it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::UNIX_EPOCH;

use super::decoded::Checksum;
use super::{DataError, IMAGE_SIZE, Images, Progress};

/// The class folders' names in their sorted order, which is the labels' order.
pub const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];
const SPLITS: [&str; 2] = ["train", "test"];

/// Every image file of the folder, in the order in which they are decoded.
pub(super) struct Listing {
    /// Files and labels of the training images: class after class, sorted by name.
    train: Vec<(PathBuf, u8)>,
    /// The same of the test images.
    test: Vec<(PathBuf, u8)>,
    /// Changes when a file is added, removed, renamed or written to.
    pub(super) fingerprint: u64,
}

impl Listing {
    /// The files' format in words.
    pub(super) fn format(&self) -> &'static str {
        let mut png = self
            .train
            .iter()
            .chain(&self.test)
            .map(|(path, _)| is_png(path));
        match (png.clone().any(|png| png), png.all(|png| png)) {
            (_, true) => "PNG files",
            (false, _) => "JPEG files",
            _ => "PNG and JPEG files",
        }
    }
}

/// Lists the images below `root`; whatever CIFAR-10 has not, or has and is not there, is an error.
/// `images_a_class` is what each class folder of the training and of the test images must hold.
pub(super) fn list(root: &Path, images_a_class: [usize; 2]) -> Result<Listing, DataError> {
    let mut fingerprint = Checksum::default();
    let mut splits = [Vec::new(), Vec::new()];
    for ((split, expected), files) in SPLITS.into_iter().zip(images_a_class).zip(&mut splits) {
        let split = root.join(split);
        for found in entries(&split)? {
            let known = found
                .file_name()
                .is_some_and(|name| CLASSES.iter().any(|class| name == *class));
            if found.is_dir() && !known {
                return Err(DataError::Odd { path: found });
            }
        }
        for (label, class) in (0..).zip(CLASSES) {
            let folder = split.join(class);
            let images = entries(&folder)?;
            if let Some(odd) = images.iter().find(|path| !is_png(path) && !is_jpeg(path)) {
                return Err(DataError::Odd { path: odd.clone() });
            }
            if images.len() != expected {
                return Err(DataError::WrongCount {
                    folder,
                    found: images.len(),
                    expected,
                });
            }
            for path in images {
                add_to_fingerprint(&mut fingerprint, root, &path)?;
                files.push((path, label));
            }
        }
    }
    let [train, test] = splits;
    Ok(Listing {
        train,
        test,
        fingerprint: fingerprint.value(),
    })
}

/// Training and test images of the listing, decoded on all cores.
pub(super) fn decode(
    listing: &Listing,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Images, Images), DataError> {
    let counter = AtomicUsize::new(0);
    let total = listing.train.len() + listing.test.len();
    let count = || {
        let done = counter.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(500) || done == total {
            progress(Progress {
                what: "decoding images",
                done,
                total,
            });
        }
    };
    let train = decode_files(&listing.train, &count)?;
    let test = decode_files(&listing.test, &count)?;
    Ok((train, test))
}

fn decode_files(files: &[(PathBuf, u8)], count: &(dyn Fn() + Sync)) -> Result<Images, DataError> {
    let mut bytes = vec![0; files.len() * IMAGE_SIZE];
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let shares: Vec<_> = files
            .chunks(share)
            .zip(bytes.chunks_mut(share * IMAGE_SIZE))
            .map(|(files, bytes)| {
                scope.spawn(move || {
                    for ((file, _), planes) in files.iter().zip(bytes.chunks_mut(IMAGE_SIZE)) {
                        decode_file(file, planes)?;
                        count();
                    }
                    Ok(())
                })
            })
            .collect();
        // The first failure in the files' order, whichever thread was faster.
        shares
            .into_iter()
            .map(|share| share.join().expect("decoding gives an error, not a panic"))
            .collect::<Result<Vec<()>, DataError>>()
    })?;
    Ok(Images {
        bytes,
        labels: files.iter().map(|(_, label)| *label).collect(),
    })
}

/// Decodes one file into its red, green and blue planes.
fn decode_file(file: &Path, planes: &mut [u8]) -> Result<(), DataError> {
    let content = fs::read(file).map_err(|reason| DataError::Unreadable {
        path: file.to_path_buf(),
        reason,
    })?;
    let image = image::load_from_memory(&content)
        .map_err(|reason| DataError::Corrupt {
            file: file.to_path_buf(),
            reason,
        })?
        .into_rgb8();
    let (width, height) = image.dimensions();
    if (width, height) != (32, 32) {
        return Err(DataError::WrongSize {
            file: file.to_path_buf(),
            width,
            height,
        });
    }
    let plane = IMAGE_SIZE / 3;
    for (at, pixel) in image.pixels().enumerate() {
        for (channel, value) in pixel.0.into_iter().enumerate() {
            planes[channel * plane + at] = value;
        }
    }
    Ok(())
}

/// What a folder holds, sorted by name. Hidden files are no one's images.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |reason: std::io::Error| match reason.kind() {
        std::io::ErrorKind::NotFound => DataError::MissingFolder {
            folder: folder.to_path_buf(),
        },
        _ => DataError::Unreadable {
            path: folder.to_path_buf(),
            reason,
        },
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn add_to_fingerprint(
    fingerprint: &mut Checksum,
    root: &Path,
    path: &Path,
) -> Result<(), DataError> {
    let about = fs::metadata(path).map_err(|reason| DataError::Unreadable {
        path: path.to_path_buf(),
        reason,
    })?;
    let name = path.strip_prefix(root).unwrap_or(path);
    // A file system without times still gives name and length.
    let written = about
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |age| age.as_nanos() as u64);
    fingerprint.add(name.as_os_str().as_encoded_bytes());
    fingerprint.add(&about.len().to_le_bytes());
    fingerprint.add(&written.to_le_bytes());
    Ok(())
}

fn is_png(path: &Path) -> bool {
    has_extension(path, &["png"])
}

fn is_jpeg(path: &Path) -> bool {
    has_extension(path, &["jpg", "jpeg"])
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.extension().is_some_and(|extension| {
        known
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}
