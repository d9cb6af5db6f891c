use std::io::Cursor;

use frostline_activations::{ArrayArchive, ArrayFileProblem as Problem};

/// More than any seed holds: an entry can be deflated to a thousandth.
const MOST: usize = 4 << 20;

/// Every array that is listed can be read, or says that its bytes aren't what was saved; and what was
/// read is the same row by row.
pub fn agree(bytes: &[u8], path: &str) {
    let Ok(mut archive) = ArrayArchive::new(Cursor::new(bytes), path) else {
        return;
    };
    for at in 0..archive.entries().len() {
        let entry = &archive.entries()[at];
        let name = entry.name().to_string();
        let is_sound = entry.problem().is_none();
        let mut array = match archive.array(at) {
            Ok(array) => array,
            Err(error) => {
                assert!(!is_sound && !error.to_string().contains('\x1b'));
                continue;
            }
        };
        assert!(is_sound);
        if array.bytes() > MOST as u64 {
            continue;
        }
        let samples = array.samples();
        match array.read_rows(0..samples) {
            Ok(all) => {
                let row = all.bytes().len() / samples;
                assert_eq!(all.shape().to_vec(), array.shape());
                for k in (0..samples.min(4)).chain(samples.saturating_sub(4)..samples) {
                    let one = array.read_rows(k..k + 1).expect("all rows were read");
                    assert_eq!(&one.bytes()[..], &all.bytes()[k * row..(k + 1) * row]);
                }
            }
            Err(error) => assert!(
                matches!(error.problem, Problem::Damaged { .. } | Problem::Inexact { .. }),
                "{error}"
            ),
        }
        assert!(array.read_rows(samples..samples + 1).is_err());
        if let Some(found) = archive.position(&name) {
            assert_eq!(found, at);
        }
    }
}
