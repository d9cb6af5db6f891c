//! Aligned directions, held to their definition.

use frostline_svcca::{AlignedDirections, Cut, Error, Moments, Pair, View};
use nalgebra::DMatrix;

use crate::samples::{normal, related, tensor};

/// Rounding of f64 products times the square of the data's condition, which stays below 1e4.
const CLOSE: f64 = 1e-7;

fn check(x: &DMatrix<f64>, y: &DMatrix<f64>, found: &AlignedDirections) {
    let count = found.correlations.len();
    let unit = (x.nrows() as f64 - 1.0).recip();
    let mut projections = Vec::new();
    for (matrix, side) in [(x, &found.x), (y, &found.y)] {
        let mean = matrix.row_mean();
        let centred = DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
            matrix[(i, j)] - mean[j]
        });
        let projected = side.projections.as_ref().unwrap();
        let gap = (centred * &side.weights - projected).amax();
        assert!(gap < CLOSE, "weights give other projections: {gap:e}");
        let covariance = projected.transpose() * projected * unit;
        let gap = (covariance - DMatrix::identity(count, count)).amax();
        assert!(gap < CLOSE, "variance is not 1: {gap:e}");
        assert!(projected.row_mean().amax() < CLOSE);
        projections.push(projected.clone());
    }
    let correlation = projections[0].transpose() * &projections[1] * unit;
    let gap = (correlation - DMatrix::from_diagonal(&found.correlations)).amax();
    assert!(gap < CLOSE, "correlations are others: {gap:e}");
    for column in found.x.weights.column_iter() {
        let largest = column[column.icamax()];
        assert!(largest > 0.0, "{largest}");
    }
}

fn directions(x: &DMatrix<f64>, y: &DMatrix<f64>, cut: Cut) -> AlignedDirections {
    let (x, y) = (
        View::new(&tensor(x)).unwrap(),
        View::new(&tensor(y)).unwrap(),
    );
    Pair::of(&x, &y).unwrap().directions(cut).unwrap()
}

#[test]
fn projections_have_unit_variance_and_correlate_as_told() {
    let (x, y) = related(1);
    for cut in [Cut::default(), Cut::All, Cut::Directions(3)] {
        check(&x, &y, &directions(&x, &y, cut));
    }
}

#[test]
fn more_neurons_than_samples_have_directions_too() {
    let (x, y) = (normal(40, 60, 1), normal(40, 5, 2));
    check(&x, &y, &directions(&x, &y, Cut::Directions(4)));
}

#[test]
fn flipping_a_view_flips_nothing_that_is_seen() {
    let (x, y) = related(2);
    let (one, other) = (directions(&x, &y, Cut::All), directions(&x, &-&y, Cut::All));
    let gap = (one.x.weights - other.x.weights).amax();
    assert!(gap < CLOSE, "{gap:e}");
    let gap = (one.y.weights + other.y.weights).amax();
    assert!(gap < CLOSE, "{gap:e}");
}

#[test]
fn a_neuron_that_never_varies_has_no_weight() {
    let (mut x, y) = related(3);
    x.column_mut(4).fill(7.0);
    let found = directions(&x, &y, Cut::All);
    assert!(found.x.weights.row(4).iter().all(|weight| *weight == 0.0));
    check(&x, &y, &found);
}

#[test]
fn moments_give_the_weights_and_no_projections() {
    let (x, y) = related(4);
    let mut moments = Moments::new();
    moments.add(&[&tensor(&x), &tensor(&y)]).unwrap();
    let found = moments
        .pair(0, 1)
        .unwrap()
        .directions(Cut::default())
        .unwrap();
    let expected = directions(&x, &y, Cut::default());
    assert!((found.x.weights - expected.x.weights).amax() < CLOSE);
    assert!((found.y.weights - expected.y.weights).amax() < CLOSE);
    assert_eq!(found.x.projections, None);
}

#[test]
fn too_few_samples_have_no_directions() {
    let (x, y) = (normal(20, 25, 1), normal(20, 3, 2));
    let (x, y) = (
        View::new(&tensor(&x)).unwrap(),
        View::new(&tensor(&y)).unwrap(),
    );
    let refused = Pair::of(&x, &y).unwrap().directions(Cut::All);
    assert!(
        matches!(refused, Err(Error::TooFewSamples { .. })),
        "{refused:?}"
    );
}

#[test]
fn activations_near_the_smallest_float_are_refused_where_weights_would_overflow() {
    let (x, y) = (normal(30, 3, 1) * 1e-309, normal(30, 2, 2));
    let (x, y) = (
        View::new(&tensor(&x)).unwrap(),
        View::new(&tensor(&y)).unwrap(),
    );
    let refused = Pair::of(&x, &y).unwrap().directions(Cut::All);
    assert!(
        matches!(refused, Err(Error::TooSmall { .. })),
        "{refused:?}"
    );
}
