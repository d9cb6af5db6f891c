use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use tempfile::TempDir;

use super::*;

/// A folder with the layout of CIFAR-10 and fewer images, each of one colour.
const FEW: [usize; 2] = [6, 3];

fn image_folder(cache: &Path) -> PathBuf {
    let root = cache.join("burn-dataset").join("cifar10");
    for (split, count) in ["train", "test"].into_iter().zip(FEW) {
        for (label, class) in (0..).zip(CLASSES) {
            let folder = root.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..count {
                write_image(&folder.join(format!("{number:04}.png")), 32, 20 * label);
            }
        }
    }
    root
}

fn write_image(path: &Path, side: u32, value: u8) {
    let pixel = image::Rgb([value, value + 1, value + 2]);
    image::RgbImage::from_pixel(side, side, pixel)
        .save(path)
        .unwrap();
}

fn load_with(
    cache: &Path,
    source: Source,
    download: &dyn Fn() -> Result<(), String>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Dataset, DataError> {
    let origin = Origin {
        cache: Some(cache),
        images_a_class: FEW,
        download,
    };
    super::load_from(&origin, source, 1, progress)
}

fn load_offline(cache: &Path, source: Source) -> Result<Dataset, DataError> {
    load_with(cache, source, &offline, &|_| ())
}

fn offline() -> Result<(), String> {
    Err("no route to host".into())
}

#[test]
fn a_folder_of_cifar_10_is_decoded_once_and_watched_for_changes() {
    let cache = TempDir::new().unwrap();
    let root = image_folder(cache.path());
    let decoded = AtomicBool::new(false);
    let load = || {
        decoded.store(false, Ordering::Relaxed);
        let told = |_| decoded.store(true, Ordering::Relaxed);
        let found = load_with(cache.path(), Source::Auto, &offline, &told);
        (found, decoded.load(Ordering::Relaxed))
    };

    let (first, decoded_first) = load();
    let first = first.unwrap();
    assert!(decoded_first);
    assert_eq!((first.name.as_str(), &first.notice), ("CIFAR-10", &None));
    assert!(
        first.provenance.ends_with("PNG files"),
        "{}",
        first.provenance
    );
    assert_eq!((first.train.len(), first.test.len()), (60, 30));
    assert_eq!(first.train.labels[6], 1);
    // Planes: all red, then all green, then all blue.
    assert_eq!(first.train.bytes[6 * IMAGE_SIZE], 20);
    assert_eq!(first.train.bytes[6 * IMAGE_SIZE + 1023..][..2], [20, 21]);
    assert_eq!(first.train.bytes[7 * IMAGE_SIZE - 1], 22);

    let (second, decoded_second) = load();
    let second = second.unwrap();
    assert!(!decoded_second);
    assert!(second.train == first.train && second.test == first.test);

    // A file of decoded images that was cut short is noticed and made again.
    let kept = cache.path().join("frostline").join("cifar10-v1.bin");
    let whole = fs::read(&kept).unwrap();
    fs::write(&kept, &whole[..whole.len() / 2]).unwrap();
    let (third, decoded_third) = load();
    let third = third.unwrap();
    assert!(decoded_third && third.notes[0].contains("damaged"));
    assert!(third.train == first.train);
    assert_eq!(fs::read(&kept).unwrap().len(), whole.len());

    // So is a bit that fell over.
    let mut flipped = whole;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&kept, flipped).unwrap();
    let (fourth, _) = load();
    assert!(fourth.unwrap().notes[0].contains("checksum"));

    // An image that changed is decoded anew, and one that cannot be decoded is named.
    let broken = root.join("test").join("dog").join("0001.png");
    fs::remove_file(&broken).unwrap();
    fs::write(&broken, "not an image").unwrap();
    let error = load().0.unwrap_err().to_string();
    assert!(error.contains("dog/0001.png cannot be decoded"), "{error}");

    fs::remove_file(&broken).unwrap();
    write_image(&broken, 16, 0);
    let error = load().0.unwrap_err().to_string();
    assert!(error.contains("dog/0001.png is 16x16"), "{error}");

    fs::remove_file(&broken).unwrap();
    let error = load().0.unwrap_err().to_string();
    assert!(error.contains("test/dog holds 2 images, not 3"), "{error}");

    let odd = broken.with_extension("gif");
    fs::write(&odd, "GIF89a").unwrap();
    let error = load().0.unwrap_err().to_string();
    assert!(error.contains("dog/0001.gif does not belong"), "{error}");

    fs::remove_dir_all(root.join("train").join("ship")).unwrap();
    let error = load().0.unwrap_err().to_string();
    assert!(error.contains("train/ship does not exist"), "{error}");
}

#[test]
fn without_cache_and_network_auto_says_so_and_generates_images() {
    let cache = TempDir::new().unwrap();
    let found = load_offline(cache.path(), Source::Auto).unwrap();
    assert_eq!(found.name, "synthetic images");
    assert_eq!(found.train.len(), synthetic::TRAIN);
    let notice = found.notice.unwrap();
    assert!(notice.contains("no route to host"), "{notice}");
    assert!(notice.contains("generated from seed 1"), "{notice}");
}

#[test]
fn cifar10_falls_back_to_nothing_and_says_what_to_do() {
    let cache = TempDir::new().unwrap();
    let error = load_offline(cache.path(), Source::Cifar10).unwrap_err();
    let error = error.to_string();
    let folder = cache.path().join("burn-dataset").join("cifar10");
    assert!(error.contains(&folder.display().to_string()), "{error}");
    assert!(error.contains("{train,test}/<class>/"), "{error}");

    let nowhere = Origin {
        cache: None,
        images_a_class: FEW,
        download: &offline,
    };
    let error = super::load_from(&nowhere, Source::Cifar10, 1, &|_| ()).unwrap_err();
    assert!(matches!(error, DataError::NoCacheFolder));
}

#[test]
fn a_download_that_fails_half_way_leaves_no_folder_behind() {
    let cache = TempDir::new().unwrap();
    let images = cache.path().join("burn-dataset").join("cifar10");
    let half = || {
        fs::create_dir_all(images.join("train").join("cat")).unwrap();
        Err("connection reset".into())
    };
    let error = load_with(cache.path(), Source::Cifar10, &half, &|_| ()).unwrap_err();
    assert!(matches!(error, DataError::NotHere { .. }), "{error}");
    assert!(!images.exists());
}

#[test]
fn a_folder_that_is_not_all_of_cifar_10_is_no_reason_to_fall_back() {
    let cache = TempDir::new().unwrap();
    fs::create_dir_all(cache.path().join("burn-dataset").join("cifar10")).unwrap();
    let error = load_offline(cache.path(), Source::Auto).unwrap_err();
    assert!(matches!(error, DataError::MissingFolder { .. }), "{error}");
}

#[test]
fn decoded_images_that_cannot_be_kept_are_used_all_the_same() {
    let cache = TempDir::new().unwrap();
    let images = Images {
        bytes: vec![7; IMAGE_SIZE],
        labels: vec![3],
    };
    // A file stands where the folder should be made.
    fs::write(cache.path().join("frostline"), "").unwrap();
    let kept = cache.path().join("frostline").join("cifar10-v1.bin");
    assert!(decoded::write(&kept, 1, &images, &images).is_err());

    image_folder(cache.path());
    let found = load_offline(cache.path(), Source::Auto).unwrap();
    assert_eq!(found.train.len(), 60);
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("cannot be written"))
    );
}

#[test]
fn a_balanced_choice_has_each_class_as_often_and_the_seed_decides() {
    let all = synthetic::images(1, synthetic::Split::Train, 300);
    let chosen = all.balanced(100, 4);
    for label in 0..10 {
        assert_eq!(
            chosen
                .labels
                .iter()
                .filter(|found| **found == label)
                .count(),
            10
        );
    }
    assert_eq!(chosen, all.balanced(100, 4));
    assert_ne!(chosen, all.balanced(100, 5));
    // Its beginning is balanced, and it holds no image twice.
    assert_eq!(chosen.labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let mut images: Vec<_> = chosen.bytes.chunks(IMAGE_SIZE).collect();
    images.sort();
    images.dedup();
    assert_eq!(images.len(), 100);
}

#[test]
fn a_balanced_choice_of_more_than_there_is_is_all_there_is() {
    let all = synthetic::images(1, synthetic::Split::Train, 23);
    let mut labels = all.balanced(1000, 1).labels;
    labels.sort();
    let mut expected = all.labels.clone();
    expected.sort();
    assert_eq!(labels, expected);
}

#[test]
fn a_batch_is_normalised_by_channel_in_the_order_of_its_indices() {
    let mut bytes = vec![0; 2 * IMAGE_SIZE];
    bytes[IMAGE_SIZE + 2 * 1024] = 255;
    let images = Images {
        bytes,
        labels: vec![4, 9],
    };
    let (pixels, labels) = images.batch(&[1, 0], &Device::flex());
    assert_eq!(pixels.dims(), [2, 3, 32, 32]);
    let labels = labels.into_data().convert::<i64>().try_to_vec::<i64>();
    assert_eq!(labels.unwrap(), [9, 4]);
    let pixels = pixels.into_data().try_to_vec::<f32>().unwrap();
    // (0 - 0.4914) / 0.2470 and (1 - 0.4465) / 0.2616, to f32's rounding.
    assert!((pixels[0] + 1.989_474).abs() < 1e-5, "{}", pixels[0]);
    assert!(
        (pixels[2 * 1024] - 2.115_826).abs() < 1e-5,
        "{}",
        pixels[2 * 1024]
    );
}

#[test]
fn augmenting_moves_an_image_by_at_most_four_pixels_and_mirrors_it_half_of_the_time() {
    // One white pixel at row 10, column 5: it can be found again after any move.
    let mut bytes = vec![0; 400 * IMAGE_SIZE];
    for image in bytes.chunks_mut(IMAGE_SIZE) {
        image[10 * 32 + 5] = 255;
    }
    let images = Images {
        bytes,
        labels: vec![0; 400],
    };
    let indices: Vec<usize> = (0..400).collect();
    let device = Device::flex();
    let batch = |seed| {
        let moved = indices
            .iter()
            .map(|index| (*index, Augmentation::Shift.of(seed, *index)));
        let moved: Vec<_> = moved.collect();
        images.moved_batch(&moved, &device).0.into_data()
    };
    let moved = batch(1);
    let mut mirrored = 0;
    let mut places = std::collections::BTreeSet::new();
    for image in moved.try_to_vec::<f32>().unwrap().chunks(IMAGE_SIZE) {
        let red = &image[..1024];
        let at = (0..1024).max_by(|one, other| red[*one].total_cmp(&red[*other]));
        let (row, column) = (at.unwrap() / 32, at.unwrap() % 32);
        assert!((6..=14).contains(&row), "row {row}");
        if column > 16 {
            mirrored += 1;
            assert!((22..=30).contains(&column), "column {column}");
        } else {
            assert!((1..=9).contains(&column), "column {column}");
        }
        places.insert((row, column));
    }
    // Binomial: 400 coins fall within 200 ± 50 but for five standard deviations.
    assert!((150..250).contains(&mirrored), "{mirrored} of 400 mirrored");
    // Of 9 × 9 × 2 places, 400 draws miss about 8 % by chance.
    assert!(places.len() > 120, "{} places", places.len());
    assert_eq!(moved, batch(1));
    assert_ne!(moved, batch(2));
}

#[test]
fn every_move_has_a_number_of_its_own_and_mirroring_has_two() {
    let numbers = |augmentation: Augmentation| {
        let moves = (0..5000).map(|index| augmentation.of(3, index).number());
        moves.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(numbers(Augmentation::None), [0].into());
    assert_eq!(numbers(Augmentation::Mirror), [0, 1].into());
    assert_eq!(numbers(Augmentation::Shift).len(), 9 * 9 * 2);
}
