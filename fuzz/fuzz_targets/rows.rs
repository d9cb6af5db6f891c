use std::io::{Read, Seek};

use frostline_activations::ArrayFile;

/// What was opened can be read: all rows at once are the rows one by one, and none follow.
pub fn agree<R: Read + Seek>(mut file: ArrayFile<R>) {
    let samples = file.samples();
    let all = file.read_rows(0..samples).expect("the length was checked");
    let row = all.bytes().len() / samples;
    assert_eq!(all.shape().to_vec(), file.shape());
    assert!(file.read_rows(samples..samples + 1).is_err());

    // The first and the last few: a file can have as many rows as bytes.
    for k in (0..samples.min(8)).chain(samples.saturating_sub(8)..samples) {
        let one = file.read_rows(k..k + 1).expect("the length was checked");
        assert_eq!(&one.bytes()[..], &all.bytes()[k * row..(k + 1) * row]);
    }
}
