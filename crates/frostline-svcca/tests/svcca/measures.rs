//! Every measure of the reference cases, from views and from moments.

use burn::tensor::{Device, Tensor};
use frostline_svcca::{Bias, Error, Measure, Moments, Pair, View, Warning, Weights};
use serde_json::Value;

use crate::reference_case::{Case, own_cases, shared_cases};

#[test]
fn the_repositorys_cases_pass_from_views() {
    assert_eq!(check_all(&own_cases(), &from_views), 20);
}

#[test]
fn the_repositorys_cases_pass_from_moments() {
    assert_eq!(check_all(&own_cases(), &from_moments), 20);
}

#[test]
fn the_shared_cases_pass_where_they_are_present() {
    let cases = shared_cases();
    check_all(&cases, &from_views);
    check_all(&cases, &from_moments);
}

#[test]
fn moments_say_what_they_can_not_tell() {
    for (name, x, y) in [
        ("cond_1e10", true, true),
        ("scale_disparity_f32", true, false),
    ] {
        let cases = own_cases();
        let case = cases.iter().find(|case| case.name == name).expect(name);
        let [a, b] = case.views(&Device::flex());
        let found = moments(&a, &b).pair(0, 1).unwrap().cca().unwrap();
        let limited = |side: &str| {
            let side = serde_json::json!(side);
            found.warnings.iter().any(|warning| {
                let warning = serde_json::to_value(warning).unwrap();
                warning["kind"] == "IllConditioned" && warning["side"] == side
            })
        };
        assert_eq!(
            (limited("x"), limited("y")),
            (x, y),
            "{name}: {:?}",
            found.warnings
        );
        assert!(found.rank[0] < 12, "{name}: {:?}", found.rank);
    }
}

type Source = dyn Fn(&Tensor<2>, &Tensor<2>, &mut dyn FnMut(&Pair<'_>));

fn from_views(x: &Tensor<2>, y: &Tensor<2>, check: &mut dyn FnMut(&Pair<'_>)) {
    let (x, y) = (View::new(x).unwrap(), View::new(y).unwrap());
    check(&Pair::of(&x, &y).unwrap());
}

fn from_moments(x: &Tensor<2>, y: &Tensor<2>, check: &mut dyn FnMut(&Pair<'_>)) {
    check(&moments(x, y).pair(0, 1).unwrap());
}

/// Fed in unequal batches.
fn moments(x: &Tensor<2>, y: &Tensor<2>) -> Moments {
    let mut moments = Moments::new();
    let [samples, _] = x.dims();
    let mut start = 0;
    for size in [1, 7, 64, 30].into_iter().cycle() {
        if start >= samples {
            return moments;
        }
        let rows = start..samples.min(start + size);
        let batch = [x, y].map(|view| view.clone().slice([rows.clone()]));
        moments.add(&[&batch[0], &batch[1]]).unwrap();
        start = rows.end;
    }
    unreachable!("the sizes never end")
}

fn check_all(cases: &[Case], source: &Source) -> usize {
    for case in cases {
        let [x, y] = case.views(&Device::flex());
        source(&x, &y, &mut |pair| check(case, pair));
    }
    cases.len()
}

/// Values and tolerances: f64, and f32 data.
fn check(case: &Case, pair: &Pair<'_>) {
    let expected = &case.expected;
    let single = expected["dtype"] == "float32";
    let close = |what: &str, found: f64, expected: &Value, f64s: f64, f32s: f64| {
        let expected = expected
            .as_f64()
            .unwrap_or_else(|| panic!("{}: {what}", case.name));
        let within = if single { f32s } else { f64s };
        let gap = (found - expected).abs();
        assert!(
            gap <= within,
            "{} {what}: {found} against {expected}, {gap:e}",
            case.name
        );
    };

    let cka = pair.cka().unwrap();
    close(
        "cka biased",
        cka.biased,
        &expected["cka_linear"]["biased"],
        1e-12,
        1e-6,
    );
    match cka.debiased {
        Some(value) => close(
            "cka",
            value,
            &expected["cka_linear"]["debiased"],
            1e-12,
            1e-6,
        ),
        None => assert!(
            expected["cka_linear"]["debiased"].is_null(),
            "{}",
            case.name
        ),
    }
    match pair.procrustes() {
        Ok(found) => {
            let expected = &expected["procrustes"];
            close("cosine", found.cosine, &expected["cosine"], 1e-12, 3e-6);
            // Both bend at a cosine of 1, where half of its digits are theirs.
            let bent = if found.cosine > 0.99 { 1e-6 } else { 1e-11 };
            close("angular", found.angular, &expected["angular"], bent, 3e-3);
            close(
                "distance",
                found.distance,
                &expected["normalized"],
                bent,
                3e-3,
            );
        }
        Err(error) => {
            assert!(matches!(error, Error::NoVariance { .. }), "{error:?}");
            assert!(expected["procrustes"]["cosine"].is_null(), "{}", case.name);
        }
    }
    let ratios = pair.participation_ratios().unwrap();
    for (ratio, side) in ratios.into_iter().zip(["x", "y"]) {
        let expected = &expected["participation_ratio"][side];
        let size = expected.as_f64().expect("a ratio").max(1.0);
        close(
            "participation",
            ratio / size,
            &Value::from(expected.as_f64().unwrap() / size),
            1e-12,
            1e-6,
        );
    }
    let covariances = pair.pls().unwrap().covariances;
    let largest = covariances.get(0).copied().unwrap_or(1.0);
    let all = expected["pls_singular_values_top8"]
        .as_array()
        .expect("a list");
    for (found, expected) in covariances.iter().zip(all) {
        let share = Value::from(expected.as_f64().unwrap() / largest);
        close("pls", found / largest, &share, 1e-12, 1e-6);
    }

    // What moments can't tell apart they leave out, and say so.
    let whole = pair.cca();
    let limited = |warning: &Warning| matches!(warning, Warning::IllConditioned { .. });
    if matches!(&whole, Ok(found) if found.warnings.iter().any(limited)) {
        return;
    }
    let r2 = pair.r2().unwrap();
    // A plain CCA of cond_1e10 keeps six digits.
    let hard = if case.name == "cond_1e10" {
        1e-6
    } else {
        1e-10
    };
    for (found, side) in [(r2.y_from_x, "y_from_x"), (r2.x_from_y, "x_from_y")] {
        match found {
            Some(found) => close("r2", found, &expected["linreg_r2"][side], hard, 1e-6),
            // With no more samples than neurons anything explains everything.
            None => assert!(expected["cca_error"].is_string(), "{}", case.name),
        }
    }

    let Ok(cca) = whole else {
        assert!(expected["cca_error"].is_string(), "{}", case.name);
        assert!(pair.pwcca().is_err());
        return;
    };
    if let Some(real) = expected["bartlett"]["k_hat"].as_u64() {
        // With fewer than ten samples a direction the test finds some in noise too.
        let enough = cca.independent >= 10 * cca.kept[0].max(cca.kept[1]);
        let expected = enough.then_some(real as usize);
        assert_eq!(cca.real_directions(), expected, "{}", case.name);
    }
    close(
        "cca",
        cca.mean,
        &expected["cca"]["mean"],
        hard.max(1e-10),
        2e-7,
    );
    if expected["pwcca"]["well_defined"] == true {
        let found = pair.pwcca().unwrap();
        let within = if case.name == "cond_1e10" { 1e-6 } else { 1e-9 };
        close("pwcca x", found.x, &expected["pwcca"]["x"], within, 1e-5);
        close("pwcca y", found.y, &expected["pwcca"]["y"], within, 1e-5);
        close(
            "pwcca",
            found.default,
            &expected["pwcca"]["default"],
            within,
            1e-5,
        );
    }
    by_name(pair);
}

/// The generic way gives the typed way's numbers.
fn by_name(pair: &Pair<'_>) {
    let value = |measure| pair.similarity(measure).map(|found| found.value).ok();
    let cka = pair.cka().unwrap();
    if pair.procrustes().is_err() {
        // Where nothing varies, there is no value to name.
        for measure in Measure::ALL {
            let refused = pair.similarity(measure);
            assert!(
                matches!(refused, Err(Error::NoVariance { .. })),
                "{refused:?}"
            );
        }
        return;
    }
    assert_eq!(value(Measure::CCA), pair.cca().ok().map(|found| found.mean));
    assert_eq!(value(Measure::Cka(Bias::Biased)), Some(cka.biased));
    assert_eq!(value(Measure::Cka(Bias::Debiased)), cka.debiased);
    assert_eq!(value(Measure::R2), pair.r2().unwrap().y_from_x);
    assert_eq!(
        value(Measure::Pls),
        pair.pls().ok().map(|found| found.total)
    );
    let cosine = pair.procrustes().ok().map(|found| found.cosine);
    assert_eq!(value(Measure::Procrustes), cosine);
    let weighted = pair.pwcca().ok().map(|found| found.y);
    assert_eq!(value(Measure::Pwcca(Weights::Y)), weighted);
}
