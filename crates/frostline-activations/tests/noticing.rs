//! Counting what goes through taps, without recording it.

use burn::tensor::{Device, Tensor};
use frostline_activations::{Tap, notice, noticed, record, scope};

fn ones(samples: usize) -> Tensor<2> {
    Tensor::ones([samples, 3], &Device::flex())
}

#[test]
fn the_samples_of_a_tap_are_added_up_until_someone_asks() {
    notice();
    for samples in [4, 5] {
        let x = ones(samples).tap("first");
        let _ = Tensor::cat(vec![x.clone(), x], 0).tap("second");
    }
    assert_eq!(noticed(["absent", "second", "first"]), Some(18));
    // Nobody counts any more.
    let _ = ones(7).tap("first");
    assert_eq!(noticed(["first"]), None);
}

#[test]
fn what_is_recorded_does_not_count_and_the_first_tap_stands_in_for_layers_that_did_not_fire() {
    notice();
    record(|| ones(100).tap("first")).unwrap();
    assert_eq!(noticed(["first"]), None);
    notice();
    let _ = scope("block", || ones(6).tap("first"));
    assert_eq!(noticed(["block.first"]), Some(6));
}

#[test]
fn another_thread_counts_for_itself_and_one_that_is_never_asked_stops() {
    notice();
    std::thread::spawn(|| {
        let _ = ones(9).tap("first");
        assert_eq!(noticed(["first"]), None);
    })
    .join()
    .unwrap();
    for _ in 0..100_002 {
        let _ = ones(1).tap("first");
    }
    assert_eq!(noticed(["first"]), None);
}
