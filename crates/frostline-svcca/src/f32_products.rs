//! The route of devices without f64, forced on the CPU and held to the tolerances of such a device.

use burn::tensor::{DType, Device};

use crate::{
    Cut, View, correlations,
    precision::Precision,
    reference_case::{Case, numbers, own_cases, shared_cases},
};

#[test]
fn products_in_f32_meet_the_tolerances_of_a_gpu() {
    let mut checked = 0;
    for case in own_cases().iter().chain(&shared_cases()) {
        // These two can't be compared in f32: the columns span more decades than it has digits.
        if ["cond_1e10", "scale_disparity_f32"].contains(&case.name.as_str()) {
            continue;
        }
        for (field, cut) in [
            ("cca", Cut::All),
            ("svcca_099_variance", Cut::Variance(0.99)),
            ("svcca_099_singular_value_sum", Cut::SingularValues(0.99)),
        ] {
            checked += usize::from(check(case, field, cut));
        }
    }
    assert!(checked >= 50, "{checked} comparisons");
}

fn check(case: &Case, field: &str, cut: Cut) -> bool {
    let name = format!("{} {field}", case.name);
    let Some(expected) = case.expected.get(field) else {
        return false;
    };
    let [x, y] = case.views(&Device::flex()).map(|view| {
        let view = View::with_precision(view.cast(DType::F32), Precision::F32);
        view.and_then(|view| view.basis(cut)).expect(&name)
    });
    let found = correlations(&x, &y).expect(&name);
    // A cut nearer than this to a cumulative sum may fall either way.
    if expected["cut_margin"]
        .as_f64()
        .is_some_and(|margin| margin <= 1e-5)
    {
        return false;
    }
    let coefs = numbers(&expected["coefs"]);
    assert_eq!(
        found.coefficients.len(),
        coefs.len(),
        "{name}: {:?}",
        found.kept
    );
    let worst = found
        .coefficients
        .iter()
        .zip(&coefs)
        .map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, f64::max);
    let mean = (found.mean - expected["mean"].as_f64().expect("a mean")).abs();
    assert!(worst < 1e-4, "{name}: coefficients off by {worst:e}");
    assert!(mean < 1e-5, "{name}: mean off by {mean:e}");
    true
}
