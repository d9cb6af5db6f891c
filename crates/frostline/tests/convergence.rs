//! The order in which layers converge.

use frostline::report::LayerCurve;
use frostline::{ConvergenceOrder, Error};

fn curve(points: &[(usize, f64)]) -> LayerCurve {
    LayerCurve {
        layer: "layer".into(),
        points: points.to_vec(),
        chance: vec![],
    }
}

fn steps(curves: &[&[(usize, f64)]], threshold: f64) -> Vec<Option<f64>> {
    let curves: Vec<LayerCurve> = curves.iter().map(|points| curve(points)).collect();
    ConvergenceOrder::of(&curves, threshold).unwrap().steps
}

/// Layers that reach the threshold at these steps.
fn order(reached: &[usize]) -> ConvergenceOrder {
    let layer = |&step: &usize| curve(&[(0, 0.0), (step, 1.0), (1000, 1.0)]);
    let curves: Vec<LayerCurve> = reached.iter().map(layer).collect();
    ConvergenceOrder::of(&curves, 1.0).unwrap()
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

#[test]
fn a_layer_has_converged_where_the_line_between_checkpoints_meets_the_threshold() {
    let found = steps(&[&[(0, 0.5), (100, 0.7), (200, 0.9), (300, 1.0)]], 0.8);
    assert_close(found[0].unwrap(), 150.0);
    assert_eq!(
        steps(&[&[(0, 0.5), (100, 0.8), (200, 1.0)]], 0.8),
        [Some(100.0)]
    );
}

#[test]
fn a_layer_that_falls_back_converges_only_when_it_stays() {
    let found = steps(&[&[(0, 0.5), (100, 0.95), (200, 0.6), (300, 1.0)]], 0.9);
    assert_close(found[0].unwrap(), 275.0);
}

#[test]
fn a_layer_that_never_was_below_has_the_first_step_and_one_that_ends_below_none() {
    let found = steps(
        &[&[(10, 0.9), (20, 1.0)], &[(10, 0.1), (20, 0.2)], &[]],
        0.9,
    );
    assert_eq!(found, [Some(10.0), None, None]);
}

#[test]
fn from_the_bottom_up_is_one_and_from_the_top_down_minus_one() {
    assert_close(order(&[10, 20, 300, 301]).with_depth.unwrap(), 1.0);
    assert_close(order(&[301, 300, 20, 10]).with_depth.unwrap(), -1.0);
}

#[test]
fn without_ties_the_textbooks_formula_holds() {
    // Ranks 2 1 4 3 5: Σd² = 4, so 1 - 6·4/(5·24) = 0.8.
    assert_close(order(&[20, 10, 40, 30, 50]).with_depth.unwrap(), 0.8);
}

#[test]
fn equal_steps_share_their_mean_rank() {
    // Ranks 1.5 1.5 3 4 against 1 2 3 4: products of deviations 4.5, their squares 4.5 and 5.
    let expected = 4.5 / (4.5f64 * 5.0).sqrt();
    assert_close(order(&[10, 10, 20, 30]).with_depth.unwrap(), expected);
    assert_eq!(order(&[10, 10, 10]).with_depth, None);
    assert_eq!(order(&[10]).with_depth, None);
}

#[test]
fn several_runs_have_a_mean_and_students_interval() {
    let runs = [
        order(&[20, 10, 40, 30, 50]),
        order(&[10, 20, 30, 40, 50]),
        order(&[10, 20, 30, 50, 40]),
        order(&[10]),
    ];
    let found = ConvergenceOrder::over(&runs).unwrap();
    // 0.8, 1 and 0.9; the run of one layer has none. Deviation 0.1, t(2) = 4.302653.
    assert_eq!(found.seeds, 3);
    assert_close(found.mean, 0.9);
    let [low, high] = found.interval.unwrap();
    assert!((low - (0.9 - 4.302653 * 0.1 / 3f64.sqrt())).abs() < 1e-6);
    assert_eq!(high, 1.0, "1.148 is no rank correlation");
    assert!(ConvergenceOrder::over(&runs[3..]).is_none());
}

#[test]
fn thresholds_and_similarities_that_mean_nothing_are_errors() {
    for threshold in [0.0, 1.1, -1.0, f64::NAN] {
        let refused = ConvergenceOrder::of(&[curve(&[(0, 1.0)])], threshold);
        assert!(matches!(refused, Err(Error::BadThreshold { .. })));
    }
    let refused = ConvergenceOrder::of(&[curve(&[(0, 1.0), (7, f64::NAN)])], 0.9).unwrap_err();
    assert!(matches!(&refused, Error::BadSimilarity { layer, step: 7, .. } if layer == "layer"));
}
