//! Each policy's formula against values computed by hand.

use burn::module::list_param_ids;
use frostline_freeze::{
    Check, Converged, Cubic, Error, FreezePolicy, Geometric, GradNorm, Layers, Length, Measure,
    WeightDelta,
};

use crate::histories::{LAYERS, LENGTH, answer, at, history, moved, pulled};
use crate::nets::Net;

#[test]
fn cubic_freezes_layer_i_when_the_cube_of_its_share_has_passed() {
    // L = 4 and t0 = 0.5: r = (0.5 + 0.125 i)³ = 0.244140625, 0.421875, 0.669921875, and the last layer stays.
    let policy = Cubic {
        t0: 0.5,
        scale_lr: true,
    };
    let length = Length::steps(1000);
    assert_eq!(policy.wanted_steps(4, length), [245, 422, 670]);
    // L = 6 and t0 = 0.8: r = (0.8 + i/30)³ = 0.579, 0.651, 0.729, 0.813, 0.903.
    let policy = Cubic::default();
    assert_eq!(policy.wanted_steps(LAYERS, LENGTH), [58, 66, 73, 82, 91]);
    let found = [0, 57, 58, 65, 66, 73, 82, 90, 91, 100].map(|step| answer(&policy, step));
    assert_eq!(found, [0, 0, 1, 1, 2, 3, 4, 4, 5, 5]);
    // 0.9³ · 1000 is 729 and not 730, though floating point has a little more.
    let policy = Cubic {
        t0: 0.8,
        scale_lr: true,
    };
    assert_eq!(policy.wanted_steps(2, length), [729]);
}

#[test]
fn cubic_gives_each_layer_a_cosine_that_ends_where_it_freezes() {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    let length = Length::steps(1000);
    let policy = Cubic {
        t0: 0.5,
        scale_lr: true,
    };
    let shares = [0.244140625, 0.421875, 0.669921875, 1.0];
    let ends = [245.0, 422.0, 670.0, 1000.0];
    let ids = [
        list_param_ids(&net.block1)[0],
        list_param_ids(&net.block2)[0],
        list_param_ids(&net.block3)[0],
        list_param_ids(&net.head)[0],
    ];
    let mut schedule = policy.schedule(&layers, 0.1, length).unwrap();
    for done in 0..245 {
        let rates = schedule.step();
        for ((id, share), end) in ids.iter().zip(shares).zip(ends) {
            let angle = std::f64::consts::PI * f64::from(done) / end;
            let expected = 0.5 * (0.1 / share) * (1.0 + angle.cos());
            let found = rates.lr_from_param(*id, None);
            assert!(
                (found - expected).abs() < 1e-12,
                "{done}: {found} {expected}"
            ); // f64 rounding
        }
        assert_eq!(rates.base(), rates.lr_from_param(ids[3], None));
    }
    // The first layer's next rate is zero, and it is frozen.
    assert!(schedule.step().lr_from_param(ids[0], None).abs() < 1e-12);

    let unscaled = Cubic {
        scale_lr: false,
        ..policy
    };
    let rates = unscaled.schedule(&layers, 0.1, length).unwrap().step();
    assert!(
        ids.iter()
            .all(|id| (rates.lr_from_param(*id, None) - 0.1).abs() < 1e-12)
    );
}

#[test]
fn a_scaled_rate_above_one_is_an_error_with_the_layer_and_the_rate() {
    let layers = Layers::of(&Net::new(3)).unwrap();
    let policy = Cubic {
        t0: 0.5,
        scale_lr: true,
    };
    let refused = |rate| policy.schedule(&layers, rate, LENGTH).err().unwrap();
    // 0.5 / 0.244140625
    assert!(matches!(
        refused(0.5),
        Error::LearningRate { layer, rate, base: 0.5 } if layer == "block1" && rate == 2.048
    ));
    let message = refused(0.5).to_string();
    assert!(
        message.contains("block1") && message.contains("2.048"),
        "{message}"
    );
    assert!(matches!(refused(0.0), Error::LearningRate { layer, .. } if layer == "head"));
    assert!(matches!(refused(f64::NAN), Error::LearningRate { .. }));
    let unscaled = Cubic {
        scale_lr: false,
        ..policy
    };
    assert!(unscaled.schedule(&layers, 0.5, LENGTH).is_ok());
}

#[test]
fn geometric_freezes_the_same_share_of_the_rest_each_epoch() {
    // 6 (1 - (2/3)^e) = 0, 2, 3.33, 4.22, 4.81, 5.21, rounded up, and the last layer stays.
    let policy = Geometric::default();
    let found = [0, 9, 10, 19, 20, 30, 40, 100].map(|step| answer(&policy, step));
    assert_eq!(found, [0, 0, 2, 2, 4, 5, 5, 5]);
    assert_eq!(policy.wanted_steps(LAYERS, LENGTH), [10, 20, 30]);
    // Half of eight layers, then half of four, then half of two.
    let half = Geometric { alpha: 0.5 };
    assert_eq!(half.wanted_steps(8, LENGTH), [10, 20, 30]);
    assert_eq!(answer(&Geometric { alpha: 0.0 }, 100), 0);
    assert_eq!(answer(&Geometric { alpha: 1.0 }, 10), 5);
}

#[test]
fn gradient_norm_freezes_what_lies_below_the_first_layer_that_changes_more_than_the_median() {
    let policy = GradNorm::default();
    assert!(policy.watches().gradients && !policy.watches().weights);
    let before = pulled(10, [10.0; LAYERS]);
    // η = 0.1, 0.2, 0.3, 0.1, 0.4, 0.5: the median is 0.25, and the third layer is the first above it.
    let now = pulled(20, [9.0, 12.0, 7.0, 11.0, 14.0, 5.0]);
    assert_eq!(policy.frozen_layers(&history([])), 0);
    assert_eq!(
        policy.frozen_layers(&history([before.clone()])),
        0,
        "one interval is not enough"
    );
    let two = history([before.clone(), now.clone()]);
    assert_eq!(policy.frozen_layers(&two), 2);
    assert_eq!(
        policy.reason(&two),
        "the gradient of `block3` changed by 0.3000 ≥ 0.2500"
    );
    // Three fifths of the way through the six sorted values is the fourth: 0.3.
    let percentile = |percentile| GradNorm { percentile }.frozen_layers(&two);
    assert_eq!(percentile(60.0), 2);
    assert_eq!(
        percentile(61.0),
        4,
        "0.305 is above the third and the fourth"
    );
    assert_eq!(
        percentile(100.0),
        5,
        "everything below the one that changed most"
    );
    assert_eq!(percentile(0.0), 0);

    // The third layer on is active: η = 0.1, 0.4, 0.2, 0.3 have the median 0.25.
    let frozen = Check {
        frozen: 2,
        gradients: [None, None, Some(6.3), Some(6.6), Some(16.8), Some(6.5)].to_vec(),
        ..at(30)
    };
    assert_eq!(
        policy.frozen_layers(&history([before, now.clone(), frozen])),
        3
    );
    // From nothing to something is no number, and counts as a change.
    let silent = pulled(10, [0.0, 10.0, 10.0, 10.0, 10.0, 10.0]);
    assert_eq!(policy.frozen_layers(&history([silent, now])), 0);
}

#[test]
fn weight_delta_freezes_what_moved_less_than_its_threshold_for_long_enough() {
    let policy = WeightDelta {
        threshold: 0.01,
        patience: 2,
    };
    assert!(policy.watches().weights && !policy.watches().gradients);
    let frozen = |checks: &[Check]| policy.frozen_layers(&history(checks.to_vec()));
    let still = moved(20, &[0.005, 0.0099, 0.01, 0.001]);
    assert_eq!(frozen(&[at(0), still.clone()]), 0, "seen once");
    assert_eq!(
        frozen(&[at(0), still.clone(), still.clone()]),
        2,
        "0.01 is not below 0.01, and block4 waits"
    );
    assert_eq!(frozen(&[still.clone(), moved(30, &[0.005, 0.02])]), 1);
    let unknown = Check {
        frozen: 2,
        weight_change: vec![None; LAYERS],
        ..at(30)
    };
    assert_eq!(frozen(&[still, unknown]), 2, "what is frozen doesn't move");
}

#[test]
fn converged_may_ask_for_a_measure_of_its_own() {
    let cka: Measure = "cka".parse().unwrap();
    let policy = Converged {
        measure: Some(cka),
        ..Converged::default()
    };
    assert_eq!(policy.measure(), Some(cka));
    assert!(policy.describe().ends_with(", by cka"));
    assert_eq!(Converged::default().measure(), None);
}
