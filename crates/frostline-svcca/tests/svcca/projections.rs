//! Projections, held to their definition and to the shortest route we know.

use burn::tensor::{DType, Device, Tensor, TensorData};
use frostline_svcca::{Cut, Error, Pair, Projection, View, most_active_neurons, random_neurons};
use nalgebra::DMatrix;

use crate::samples::{normal, related, tensor};

/// Rounding of f64 products times the square of the condition of the data, which stays below 1e4.
const CLOSE: f64 = 1e-9;

fn centred(x: &DMatrix<f64>) -> DMatrix<f64> {
    let mean = x.row_mean();
    DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] - mean[j])
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .into_data()
        .convert_dtype(DType::F64)
        .try_into_vec()
        .unwrap()
}

fn applied(projection: &Projection, x: &DMatrix<f64>) -> DMatrix<f64> {
    let rows = host(projection.apply(tensor(x)).unwrap());
    DMatrix::from_row_slice(x.nrows(), x.ncols(), &rows)
}

/// `mean + Q Qᵀ X`, Q an orthonormal basis of the variates by nalgebra's QR.
fn naive(x: &DMatrix<f64>, weights: &DMatrix<f64>) -> DMatrix<f64> {
    let q = (centred(x) * weights).qr().q();
    let mean = DMatrix::from_fn(x.nrows(), x.ncols(), |_, j| x.row_mean()[j]);
    mean + &q * (q.transpose() * centred(x))
}

fn assert_near(found: &DMatrix<f64>, expected: &DMatrix<f64>, tolerance: f64) {
    let gap = (found - expected).amax() / expected.amax();
    assert!(gap < tolerance, "{gap:e}");
}

#[test]
fn nalgebras_route_agrees_for_any_directions() {
    for (samples, neurons) in [(120, 12), (30, 50)] {
        let x = normal(samples, neurons, 1).add_scalar(2.0);
        let weights = normal(neurons, 6, 2);
        for k in [1, 4, 6] {
            let projection = Projection::onto(&tensor(&x), &weights, k).unwrap();
            assert_eq!(projection.kept(), k);
            let expected = naive(&x, &weights.columns(0, k).into_owned());
            assert_near(&applied(&projection, &x), &expected, CLOSE);
        }
    }
}

#[test]
fn the_formula_of_the_map_holds_and_applies_to_other_samples() {
    let (x, others) = (normal(80, 7, 1), normal(5, 7, 2));
    let weights = normal(7, 3, 3);
    let projection = Projection::onto(&tensor(&x), &weights, 3).unwrap();

    let covariance = centred(&x).transpose() * centred(&x);
    let inner = (weights.transpose() * &covariance * &weights)
        .try_inverse()
        .unwrap();
    let map = covariance * &weights * inner * weights.transpose();
    let found = projection.decode() * projection.encode().transpose();
    assert_near(&found, &map, CLOSE);
    let mean = x.row_mean();
    let expected = DMatrix::from_fn(5, 7, |i, j| {
        let rest = (0..7).map(|from| map[(j, from)] * (others[(i, from)] - mean[from]));
        mean[j] + rest.sum::<f64>()
    });
    assert_near(&applied(&projection, &others), &expected, CLOSE);
}

#[test]
fn variates_are_uncorrelated_with_variance_1_and_svcca_directions_stay_as_they_are() {
    let (x, y) = related(1);
    let views = [&x, &y].map(|side| View::new(&tensor(side)).unwrap());
    let pair = Pair::of(&views[0], &views[1]).unwrap();
    let directions = pair.directions(Cut::default()).unwrap().x;
    let projection = Projection::onto(&tensor(&x), &directions.weights, 4).unwrap();

    let first = directions.weights.columns(0, 4).into_owned();
    assert_near(projection.encode(), &first, 1e-7); // as the directions' own test
    let weights = normal(12, 5, 3);
    let projection = Projection::onto(&tensor(&x), &weights, 5).unwrap();
    let variates = centred(&x) * projection.encode();
    let covariance = variates.transpose() * variates / 119.0;
    assert_near(&covariance, &DMatrix::identity(5, 5), CLOSE);
}

#[test]
fn projecting_twice_is_projecting_once() {
    let x = normal(60, 9, 4);
    let onto = Projection::onto(&tensor(&x), &normal(9, 4, 5), 4).unwrap();
    let keeping = Projection::keeping(&tensor(&x), &[7, 2]).unwrap();
    for projection in [onto, keeping] {
        let once = applied(&projection, &x);
        assert_near(&applied(&projection, &once), &once, CLOSE);
        let product = projection.encode().transpose() * projection.decode();
        let identity = DMatrix::identity(projection.kept(), projection.kept());
        assert_near(&product, &identity, CLOSE);
    }
}

#[test]
fn all_directions_of_a_cut_hold_the_variance_that_the_cut_keeps() {
    let (x, y) = related(2);
    let views = [&x, &y].map(|side| View::new(&tensor(side)).unwrap());
    let pair = Pair::of(&views[0], &views[1]).unwrap();
    for kept in [2, 5, 9] {
        let directions = pair.directions(Cut::Directions(kept)).unwrap().x;
        let projection = Projection::onto(&tensor(&x), &directions.weights, kept).unwrap();
        let left = centred(&applied(&projection, &x)).norm_squared() / centred(&x).norm_squared();
        let values = centred(&x).singular_values();
        let mut squares: Vec<f64> = values.iter().map(|value| value * value).collect();
        squares.sort_by(|a, b| b.total_cmp(a));
        let share = squares[..kept].iter().sum::<f64>() / squares.iter().sum::<f64>();
        assert!((left - share).abs() < CLOSE, "{left} {share}");
    }
}

#[test]
fn as_many_directions_as_the_rank_leave_the_samples_as_they_are() {
    let mut x = normal(50, 8, 6).add_scalar(-1.0);
    let whole = Projection::onto(&tensor(&x), &normal(8, 8, 7), 8).unwrap();
    assert_eq!(whole.kept(), 8);
    assert_near(&applied(&whole, &x), &x, 1e-7); // ε times the square of the weights' condition

    // A neuron that repeats two others, and one that never varies.
    let sum = x.column(0) + x.column(1);
    x.set_column(3, &sum);
    x.column_mut(5).fill(0.25);
    let identity = DMatrix::identity(8, 8);
    let whole = Projection::onto(&tensor(&x), &identity, 8).unwrap();
    assert_eq!(whole.kept(), 6);
    assert_near(&applied(&whole, &x), &x, CLOSE);
}

#[test]
fn directions_that_say_nothing_or_the_same_are_left_out() {
    let x = normal(40, 5, 8);
    let mut weights = normal(5, 4, 9);
    weights.column_mut(1).fill(0.0);
    let double = weights.column(0) * -1e6;
    weights.set_column(2, &double);
    let projection = Projection::onto(&tensor(&x), &weights, 4).unwrap();
    assert_eq!(projection.kept(), 2);
    let rest = weights.select_columns(&[0, 3]);
    assert_near(&applied(&projection, &x), &naive(&x, &rest), CLOSE);

    let still = normal(40, 5, 8).map(|_| 3.0);
    let nothing = Projection::onto(&tensor(&still), &weights, 2).unwrap();
    assert_eq!(nothing.kept(), 0);
    assert_eq!(applied(&nothing, &x), x.map(|_| 3.0));
}

#[test]
fn activations_of_any_size_are_projected_alike() {
    let (x, weights) = (normal(40, 5, 1), normal(5, 2, 2));
    for power in [-200, -20, 20, 150] {
        let factor = 10f64.powi(power);
        let projection = Projection::onto(&tensor(&(&x * factor)), &weights, 2).unwrap();
        let found = applied(&projection, &(&x * factor)) / factor;
        assert_near(&found, &naive(&x, &weights), CLOSE);
    }
}

#[test]
fn activations_near_the_smallest_float_are_refused_where_weights_would_overflow() {
    let x = normal(30, 3, 1) * 1e-309;
    let refused = Projection::onto(&tensor(&x), &normal(3, 2, 2), 2);
    assert!(
        matches!(refused, Err(Error::TooSmall { .. })),
        "{refused:?}"
    );
}

#[test]
fn kept_neurons_stay_and_the_others_go_to_their_mean() {
    let x = normal(30, 6, 1).add_scalar(4.0);
    let projection = Projection::keeping(&tensor(&x), &[4, 1]).unwrap();
    assert_eq!((projection.kept(), projection.neurons()), (2, 6));
    let mean = x.row_mean();
    let expected = DMatrix::from_fn(30, 6, |i, j| match j {
        1 | 4 => x[(i, j)],
        _ => mean[j],
    });
    assert_near(&applied(&projection, &x), &expected, 1e-14);
}

#[test]
fn maps_are_projected_pixel_by_pixel_and_sequences_token_by_token() {
    let rows = normal(2 * 3 * 4, 5, 1);
    let projection = Projection::onto(&tensor(&rows), &normal(5, 2, 2), 2).unwrap();
    let expected = tensor(&applied(&projection, &rows));

    let maps = tensor(&rows).reshape([2, 3, 4, 5]).permute([0, 3, 1, 2]);
    let found = projection.apply(maps).unwrap();
    assert_eq!(found.dims(), [2, 5, 3, 4]);
    let found = found.permute([0, 2, 3, 1]).reshape([24, 5]);
    assert_eq!(found.into_data(), expected.clone().into_data());

    let sequences = projection.apply(tensor(&rows).reshape([2, 12, 5])).unwrap();
    assert_eq!(
        sequences.reshape([24, 5]).into_data(),
        expected.clone().into_data()
    );

    let convolved = tensor(&rows).reshape([2, 12, 5]).swap_dims(1, 2);
    let found = projection.apply(convolved).unwrap().swap_dims(1, 2);
    assert_eq!(
        found.reshape([24, 5]).into_data(),
        expected.clone().into_data()
    );
    let last = projection.clone().along(3);
    let found = last.apply(tensor(&rows).reshape([2, 3, 4, 5])).unwrap();
    assert_eq!(found.reshape([24, 5]).into_data(), expected.into_data());

    let one = Projection::keeping(&tensor(&normal(9, 1, 3)), &[0]).unwrap();
    let numbers = Tensor::<1>::from_data([1.0, 2.0], (&Device::flex(), DType::F64));
    assert_eq!(one.apply(numbers.clone()).unwrap().dims(), [2]);
}

#[test]
fn of_three_axes_of_which_two_are_as_long_the_neurons_are_named() {
    let rows = normal(2 * 5, 5, 1);
    let projection = Projection::onto(&tensor(&rows), &normal(5, 2, 2), 2).unwrap();
    let square = tensor(&rows).reshape([2, 5, 5]);
    let error = projection.apply(square.clone()).unwrap_err().to_string();
    assert!(
        error.contains(".along(1)") && error.contains(".along(2)"),
        "{error}"
    );
    let tokens = projection.clone().along(2).apply(square.clone()).unwrap();
    let expected = tensor(&applied(&projection, &rows));
    assert_eq!(
        tokens.reshape([10, 5]).into_data(),
        expected.clone().into_data()
    );
    let channels = projection.clone().along(1).apply(square.swap_dims(1, 2));
    let channels = channels.unwrap().swap_dims(1, 2);
    assert_eq!(channels.reshape([10, 5]).into_data(), expected.into_data());
    let beyond = projection.along(7).apply(tensor(&rows));
    assert!(
        matches!(beyond, Err(Error::NotTheseNeurons { .. })),
        "{beyond:?}"
    );
}

#[test]
fn a_projection_takes_the_floats_of_what_it_is_applied_to() {
    let x = normal(30, 4, 1);
    let projection = Projection::onto(&tensor(&x), &normal(4, 2, 2), 2).unwrap();
    let single = tensor(&x).cast(DType::F32);
    let found = projection.apply(single).unwrap();
    assert_eq!(found.dtype(), DType::F32);
    let found = DMatrix::from_row_slice(30, 4, &host(found));
    assert_near(&found, &applied(&projection, &x), 1e-6);
}

#[test]
fn what_can_not_be_projected_is_an_error_with_its_numbers() {
    let x = tensor(&normal(30, 4, 1));
    let weights = normal(4, 3, 2);
    let message = |error: Error| error.to_string();
    for k in [0, 4] {
        let refused = message(Projection::onto(&x, &weights, k).unwrap_err());
        let expected =
            format!("{k} directions can't be kept of 3: at least 1, and at most all of them");
        assert_eq!(refused, expected);
    }
    let refused = message(Projection::onto(&x, &normal(5, 3, 2), 1).unwrap_err());
    assert!(
        refused.contains("of 5 neurons but the view has 4"),
        "{refused}"
    );
    let mut broken = weights.clone();
    broken[(3, 1)] = f64::INFINITY;
    let refused = Projection::onto(&x, &broken, 2);
    assert!(
        matches!(
            refused,
            Err(Error::BadWeight {
                neuron: 3,
                direction: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(Projection::onto(&x, &broken, 1).is_ok());

    let refused = Projection::keeping(&x, &[0, 4]);
    assert!(matches!(
        refused,
        Err(Error::UnknownNeuron {
            neuron: 4,
            neurons: 4
        })
    ));
    let refused = Projection::keeping(&x, &[2, 0, 2]);
    assert!(matches!(refused, Err(Error::RepeatedNeuron { neuron: 2 })));
    let refused = Projection::keeping(&x, &[]);
    assert!(matches!(
        refused,
        Err(Error::BadCount {
            asked: 0,
            most: 4,
            ..
        })
    ));

    let projection = Projection::keeping(&x, &[0]).unwrap();
    let refused = projection.apply(Tensor::<4>::zeros([2, 3, 4, 4], &Device::flex()));
    let refused = message(refused.unwrap_err());
    assert!(
        refused.contains("4 neurons") && refused.contains("[2, 3, 4, 4]"),
        "{refused}"
    );

    let data = TensorData::new(vec![1.0, f64::NAN, 0.0, 2.0], [2, 2]);
    let broken = Tensor::<2>::from_data(data, (&Device::flex(), DType::F64));
    for refused in [
        Projection::onto(&broken, &normal(2, 1, 1), 1).map(|_| ()),
        Projection::keeping(&broken, &[0]).map(|_| ()),
        most_active_neurons(&broken, 1).map(|_| ()),
    ] {
        assert!(
            matches!(
                refused,
                Err(Error::NotFinite {
                    row: 0,
                    column: 1,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn the_most_active_neurons_have_the_largest_norms_about_zero() {
    let mut x = normal(40, 5, 1);
    // Never varies, and yet its norm is the largest.
    x.column_mut(3).fill(-20.0);
    let doubled = x.column(1) * 2.0;
    x.set_column(4, &doubled);
    let twin = x.column(1).into_owned();
    x.set_column(0, &twin);
    x.column_mut(2).fill(0.0);
    for factor in [1.0, 1e200, 1e-200] {
        let found = most_active_neurons(&tensor(&(&x * factor)), 5).unwrap();
        assert_eq!(found, [3, 4, 0, 1, 2], "{factor:e}");
    }
    let refused = most_active_neurons(&tensor(&x), 6);
    assert!(matches!(
        refused,
        Err(Error::BadCount {
            asked: 6,
            most: 5,
            ..
        })
    ));
}

#[test]
fn random_neurons_are_distinct_nested_and_alike_for_a_seed() {
    let all = random_neurons(50, 50, 7).unwrap();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    assert_eq!(random_neurons(50, 9, 7).unwrap(), all[..9]);
    assert_ne!(random_neurons(50, 9, 8).unwrap(), all[..9]);
    let refused = random_neurons(50, 51, 7);
    assert!(matches!(
        refused,
        Err(Error::BadCount {
            asked: 51,
            most: 50,
            ..
        })
    ));
}

#[test]
fn every_neuron_is_drawn_as_often() {
    let mut counts = [0usize; 10];
    for seed in 0..5000 {
        for neuron in random_neurons(10, 3, seed).unwrap() {
            counts[neuron] += 1;
        }
    }
    // 1500 each, with a standard deviation of 32.
    assert!(
        counts.iter().all(|count| count.abs_diff(1500) < 160),
        "{counts:?}"
    );
}
