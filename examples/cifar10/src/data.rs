//! The images that the examples train on: CIFAR-10, or generated ones where it cannot be had.

mod decoded;
mod download;
mod folder;
mod images;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use thiserror::Error;

use crate::synthetic;
pub use folder::CLASSES;
pub use images::{Augmentation, IMAGE_SIZE, Images, Move};

/// Where the images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Source {
    /// CIFAR-10 from the cache folder or the network, else generated images and a notice
    #[default]
    Auto,
    /// CIFAR-10 from the cache folder or the network, else an error
    Cifar10,
    /// Ten classes of generated images; nothing is read or downloaded
    Synthetic,
}

/// Training and test images, with what a reader of the results has to know about them.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Images to train on.
    pub train: Images,
    /// Images never trained on.
    pub test: Images,
    /// `CIFAR-10`, `CIFAR-10 (JPEG files)` or `synthetic images`.
    pub name: String,
    /// A class's name, by label.
    pub classes: Vec<String>,
    /// Where the pixels come from, for the tables. JPEG files do not keep CIFAR-10's pixels
    /// exactly, so the files' format is part of it.
    pub provenance: String,
    /// Set when generated images replace CIFAR-10: what happened, and what the results are
    /// about. Belongs beside every result.
    pub notice: Option<String>,
    /// Lesser remarks: the decoded images could not be kept for the next start, for one.
    pub notes: Vec<String>,
}

/// How far a load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a progress bar would show it.
    pub what: &'static str,
    /// Images finished.
    pub done: usize,
    /// Images in all.
    pub total: usize,
}

/// Why there are no images to train on.
#[derive(Error)]
pub enum DataError {
    /// Neither a cache folder nor a download.
    #[error(
        "CIFAR-10 is not here: {folder} does not exist and the download failed ({reason}). \
         Connect to a network and start again, or put the images there as \
         {{train,test}}/<class>/<name>.png or .jpg, 5000 and 1000 images for each of the ten \
         classes ({classes}), or use generated images: --data synthetic",
        folder = .folder.display(),
        classes = CLASSES.join(", ")
    )]
    NotHere {
        /// Where Burn looks for the images.
        folder: PathBuf,
        /// What the download said.
        reason: String,
    },
    /// The system names no cache folder for this user.
    #[error(
        "CIFAR-10 has no place to be: this user has no cache folder (set HOME or \
         XDG_CACHE_HOME), or use generated images: --data synthetic"
    )]
    NoCacheFolder,
    /// A class folder that should exist does not.
    #[error("{folder} does not exist; {HINT}", folder = .folder.display())]
    MissingFolder {
        /// The folder that was looked for.
        folder: PathBuf,
    },
    /// A class folder with too few or too many images.
    #[error("{folder} holds {found} images, not {expected}; {HINT}", folder = .folder.display())]
    WrongCount {
        /// The class folder.
        folder: PathBuf,
        /// Images in it.
        found: usize,
        /// Images that CIFAR-10 has there.
        expected: usize,
    },
    /// Something that is neither an image of CIFAR-10 nor one of its folders.
    #[error("{path} does not belong to CIFAR-10 (ten class folders of .png or .jpg); {HINT}", path = .path.display())]
    Odd {
        /// The file or folder.
        path: PathBuf,
    },
    /// An image of another size.
    #[error("{file} is {width}x{height}, not 32x32; {HINT}", file = .file.display())]
    WrongSize {
        /// The image file.
        file: PathBuf,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// An image that cannot be decoded.
    #[error("{file} cannot be decoded: {reason}; {HINT}", file = .file.display())]
    Corrupt {
        /// The image file.
        file: PathBuf,
        /// What the decoder said.
        reason: image::ImageError,
    },
    /// A file or folder that cannot be read.
    #[error("{path} cannot be read: {reason}", path = .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
}

const HINT: &str = "if a download was cut short, delete the cifar10 folder and start again, \
                    or use generated images: --data synthetic";

/// The images of `source`. `seed` matters to generated images only. `progress` is called from
/// several threads while images are decoded or generated; pass `&|_| ()` to hear nothing.
///
/// Images are decoded once: their bytes are kept in the user's cache folder
/// (`frostline/cifar10-v1.bin`) and read from there at the next start, as long as the image
/// folder has not changed.
pub fn load(
    source: Source,
    seed: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Dataset, DataError> {
    let cache = dirs::cache_dir();
    let origin = Origin {
        cache: cache.as_deref(),
        images_a_class: [5000, 1000],
        download: &download::cifar10,
    };
    load_from(&origin, source, seed, progress)
}

/// What [`load`] finds outside, so that tests can stand in for it.
struct Origin<'a> {
    /// The user's cache folder.
    cache: Option<&'a Path>,
    /// Training and test images in each class folder.
    images_a_class: [usize; 2],
    /// Fills the folder of images in the cache folder.
    download: &'a dyn Fn() -> Result<(), String>,
}

fn load_from(
    origin: &Origin<'_>,
    source: Source,
    seed: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Dataset, DataError> {
    if source == Source::Synthetic {
        return Ok(generated(seed, None, progress));
    }
    let reason = match cifar10(origin, progress) {
        Err(DataError::NotHere { folder, reason }) if source == Source::Auto => format!(
            "{} does not exist and the download failed ({reason})",
            folder.display()
        ),
        Err(DataError::NoCacheFolder) if source == Source::Auto => {
            "this user has no cache folder".into()
        }
        other => return other,
    };
    let notice = format!(
        "CIFAR-10 is not here: {reason}. All results are on images generated from seed {seed}, \
         not on CIFAR-10."
    );
    Ok(generated(seed, Some(notice), progress))
}

fn generated(seed: u64, notice: Option<String>, progress: &(dyn Fn(Progress) + Sync)) -> Dataset {
    let total = synthetic::TRAIN + synthetic::TEST;
    let what = "generating images";
    progress(Progress {
        what,
        done: 0,
        total,
    });
    let train = synthetic::images(seed, synthetic::Split::Train, synthetic::TRAIN);
    progress(Progress {
        what,
        done: synthetic::TRAIN,
        total,
    });
    let test = synthetic::images(seed, synthetic::Split::Test, synthetic::TEST);
    progress(Progress {
        what,
        done: total,
        total,
    });
    Dataset {
        train,
        test,
        name: "synthetic images".into(),
        classes: synthetic::class_names(),
        provenance: format!("generated from seed {seed}: striped and chequered shapes"),
        notice,
        notes: Vec::new(),
    }
}

fn cifar10(
    origin: &Origin<'_>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Dataset, DataError> {
    let cache = origin.cache.ok_or(DataError::NoCacheFolder)?;
    let images = cache.join("burn-dataset").join("cifar10");
    if !images.exists() {
        fetch(&images, origin)?;
    }
    let listing = folder::list(&images, origin.images_a_class)?;
    let kept = cache.join("frostline").join("cifar10-v1.bin");
    let mut notes = Vec::new();

    let (train, test) = match decoded::read(&kept, listing.fingerprint) {
        decoded::Found::Images(train, test) => (train, test),
        missing => {
            if let decoded::Found::Damaged(reason) = missing {
                notes.push(format!(
                    "{} was damaged ({reason}): the images were decoded again",
                    kept.display()
                ));
            }
            let (train, test) = folder::decode(&listing, progress)?;
            if let Err(reason) = decoded::write(&kept, listing.fingerprint, &train, &test) {
                notes.push(format!(
                    "{} cannot be written ({reason}): the next start decodes the images again",
                    kept.display()
                ));
            }
            (train, test)
        }
    };
    Ok(Dataset {
        train,
        test,
        name: match listing.format() {
            "PNG files" => "CIFAR-10".into(),
            lossy => format!("CIFAR-10 ({lossy})"),
        },
        classes: CLASSES.map(String::from).to_vec(),
        // Where the cache folder is, is this machine's affair: a run's settings are passed on.
        provenance: format!(
            "CIFAR-10 from {} in the cache folder; {}",
            images.strip_prefix(cache).unwrap_or(&images).display(),
            listing.format()
        ),
        notice: None,
        notes,
    })
}

/// Downloads into `images`, leaving either all of it or nothing.
fn fetch(images: &Path, origin: &Origin<'_>) -> Result<(), DataError> {
    (origin.download)().map_err(|reason| {
        // Burn unpacks in place and takes any folder that exists for the whole: half a folder
        // left behind would be its answer for good. Another process may have finished the same
        // download meanwhile, so a complete one stays.
        if folder::list(images, origin.images_a_class).is_err() {
            let _ = std::fs::remove_dir_all(images);
        }
        DataError::NotHere {
            folder: images.to_path_buf(),
            reason,
        }
    })
}

/// What `Display` writes: an error that leaves `main` is printed by `Debug`.
impl std::fmt::Debug for DataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
