use std::io::{Read, Seek};

use frostline_activations::{ArrayFile, ArrayFileProblem as Problem};

/// What was opened can be read, unless it holds whole numbers that no float64 is: all rows at once are the rows one by one, and none follow.
pub fn agree<R: Read + Seek>(mut file: ArrayFile<R>) {
    let samples = file.samples();
    let all = match file.read_rows(0..samples) {
        Ok(all) => all,
        Err(error) => {
            assert!(matches!(error.problem, Problem::Inexact { .. }), "{error}");
            return;
        }
    };
    let row = all.bytes().len() / samples;
    assert_eq!(all.shape().to_vec(), file.shape());
    assert!(file.read_rows(samples..samples + 1).is_err());

    // The first and the last few: a file can have as many rows as bytes.
    for k in (0..samples.min(8)).chain(samples.saturating_sub(8)..samples) {
        let one = file.read_rows(k..k + 1).expect("the length was checked");
        assert_eq!(&one.bytes()[..], &all.bytes()[k * row..(k + 1) * row]);
    }
}
