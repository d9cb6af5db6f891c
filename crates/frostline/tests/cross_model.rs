//! Every layer of one network against every layer of another.

mod samples;

use std::cell::Cell;

use burn::tensor::Tensor;
use frostline::CrossModel;
use frostline::activations::{Activation, Axes};
use frostline::svcca::{Progress, cca, dft_cca};

use samples::normal;

fn activation<const D: usize>(name: &str, tensor: &Tensor<D>) -> Activation {
    Activation::new(name, tensor.clone())
}

#[test]
fn every_cell_is_the_dft_cca_of_its_layers() {
    let shared = normal([80, 2, 8, 8], 1);
    let large = Tensor::cat(vec![shared.clone(), normal([80, 3, 8, 8], 2)], 1);
    let small = normal([80, 4, 5, 6], 3);
    let column = Tensor::cat(vec![shared, normal([80, 1, 8, 8], 4)], 1);
    let rows = vec![activation("large", &large), activation("small", &small)];
    let found = CrossModel::of(rows, vec![activation("column", &column)], |_| ());

    assert_eq!(found.rows, ["large", "small"]);
    assert_eq!(found.columns, ["column"]);
    for (row, maps) in [&large, &small].into_iter().enumerate() {
        let expected = dft_cca(maps, &column).unwrap();
        let cell = found.cells[row][0].as_ref().unwrap();
        assert!((cell.mean - expected.mean).abs() < 1e-9);
        assert_eq!(cell.frequencies, expected.frequencies);
        assert_eq!(cell.warnings, expected.warnings);
        assert_eq!(found.values()[row][0], Some(cell.mean));
        let by = found.chance()[row][0].unwrap();
        assert_eq!((by.samples, by.level), (80, expected.chance.mean_rho));
        assert_eq!(by.directions, expected.rank[0].max(expected.rank[1]));
    }
    assert!(found.values()[0][0].unwrap() > 2.0 * found.values()[1][0].unwrap());
    // Layers that share nothing are where chance has them.
    let unrelated = found.chance()[1][0].unwrap().corrected.unwrap();
    assert!(unrelated.abs() < 0.1, "{unrelated}");
}

#[test]
fn fully_connected_layers_are_maps_of_one_pixel() {
    let (x, y) = (normal([60, 5], 1), normal([60, 4], 2));
    let maps = normal([60, 3, 4, 4], 3);
    let scalar = normal([60], 4);
    let rows = vec![activation("x", &x), activation("scalar", &scalar)];
    let columns = vec![activation("y", &y), activation("maps", &maps)];
    let found = CrossModel::of(rows, columns, |_| ());

    let means = maps.mean_dims(&[2, 3]).reshape([60, 3]);
    let scalar = scalar.reshape([60, 1]);
    for (row, x) in [&x, &scalar].into_iter().enumerate() {
        for (column, y) in [&y, &means].into_iter().enumerate() {
            let cell = found.cells[row][column].as_ref().unwrap();
            assert_eq!(cell.frequencies, [1, 1]);
            assert!(
                (cell.mean - cca(x, y).unwrap().mean).abs() < 1e-9,
                "{row} {column}"
            );
        }
    }
}

#[test]
fn sequences_are_maps_of_one_row_once_their_axes_are_named() {
    let tokens = normal([50, 7, 3], 1);
    let maps = normal([50, 4, 1, 7], 2);
    let channels_first = tokens.clone().swap_dims(1, 2);
    let as_maps = channels_first.clone().reshape([50, 3, 1, 7]);
    let expected = dft_cca(&as_maps, &maps).unwrap();
    let rows = vec![
        activation("tokens", &tokens).with_axes(Axes::Tokens),
        activation("conv", &channels_first).with_axes(Axes::ChannelsFirst),
        activation("image", &as_maps.permute([0, 2, 3, 1])).with_axes(Axes::ChannelsLast),
        activation("unnamed", &tokens),
    ];
    let found = CrossModel::of(rows, vec![activation("maps", &maps)], |_| ());
    for row in &found.cells[..3] {
        let cell = row[0].as_ref().unwrap();
        assert_eq!(cell.frequencies, [1, 7]);
        assert!((cell.mean - expected.mean).abs() < 1e-9);
    }
    let why = found.cells[3][0].as_ref().unwrap_err();
    assert!(
        why.contains("Axes::ChannelsFirst") && why.contains("Axes::Tokens"),
        "{why}"
    );
}

#[test]
fn a_cell_says_why_it_has_no_value() {
    let rows = vec![
        activation("wide", &normal([30, 40], 1)),
        activation("volume", &normal([30, 2, 2, 2, 2], 2)),
        activation("fine", &normal([30, 3, 4, 4], 3)),
    ];
    let columns = vec![
        activation("fine", &normal([30, 3, 4, 4], 4)),
        activation("others", &normal([31, 3, 4, 4], 5)),
    ];
    let found = CrossModel::of(rows, columns, |_| ());
    let why = |row: usize, column: usize| found.cells[row][column].clone().unwrap_err();
    assert!(
        why(0, 0).contains("wide and fine: 30 samples are too few for 29"),
        "{}",
        why(0, 0)
    );
    assert!(
        why(1, 1).contains("`volume` has shape [30, 2, 2, 2, 2]"),
        "{}",
        why(1, 1)
    );
    assert!(
        why(2, 1).contains("fine has 30 samples but others has 31"),
        "{}",
        why(2, 1)
    );
    assert!(found.cells[2][0].is_ok());
    assert_eq!(found.values()[0], [None, None]);
}

#[test]
fn progress_hears_of_every_pair_and_rows_are_taken_one_at_a_time() {
    let maps = normal([20, 2, 3, 3], 1);
    let taken = Cell::new(0);
    let rows: Vec<&str> = vec!["a", "b", "c"];
    let rows = rows.into_iter().map(|name| {
        taken.set(taken.get() + 1);
        activation(name, &maps)
    });
    let columns = [activation("d", &maps), activation("e", &maps)];
    let mut heard = Vec::new();
    CrossModel::of(rows, columns, |progress| {
        heard.push(progress);
        // The next row is made when this one is done.
        assert_eq!(taken.get(), progress.done.div_ceil(2));
    });
    let expected: Vec<Progress> = (1..=6).map(|done| Progress { done, total: 6 }).collect();
    assert_eq!(heard, expected);
}
