//! Expected results of the reference cases, computed in f64 from the definitions by two routes.

use burn::tensor::Device;
use frostline_svcca::{Chance, Correlations, Cut, Error, Svcca, cca, svcca};

use crate::reference_case::{Case, numbers, own_cases, shared_cases};

#[test]
fn the_repositorys_cases_pass_on_flex() {
    assert_eq!(check_all(&own_cases(), &Device::flex()), 20);
}

#[test]
fn the_repositorys_cases_pass_on_ndarray() {
    assert_eq!(check_all(&own_cases(), &ndarray()), 20);
}

#[test]
fn the_shared_cases_pass_where_they_are_present() {
    let cases = shared_cases();
    if cases.is_empty() {
        println!("no shared cases beside the repository");
        return;
    }
    assert!(check_all(&cases, &Device::flex()) >= 20);
    assert!(check_all(&cases, &ndarray()) >= 20);
}

#[expect(deprecated, reason = "checked for as long as Burn has it")]
fn ndarray() -> Device {
    Device::ndarray()
}

fn check_all(cases: &[Case], device: &Device) -> usize {
    cases.iter().for_each(|case| check(case, device));
    cases.len()
}

fn check(case: &Case, device: &Device) {
    let [x, y] = case.views(device);
    if case.expected.get("cca_error").is_some() {
        let refused = cca(&x, &y);
        assert!(
            matches!(
                refused,
                Err(Error::TooFewSamples {
                    samples: 30,
                    dims: 29
                })
            ),
            "{refused:?}"
        );
        return;
    }
    let cut = |cut| svcca(&x, &y, &Svcca { cut }).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    compare(case, "cca", &cut(Cut::All));
    compare(case, "svcca_099_variance", &cut(Cut::Variance(0.99)));
    compare(
        case,
        "svcca_099_singular_value_sum",
        &cut(Cut::SingularValues(0.99)),
    );
    compare_shape(case, &cut(Cut::All));
}

fn compare(case: &Case, field: &str, found: &Correlations) {
    let (name, expected) = (&case.name, &case.expected[field]);
    if let Some(kept) = expected["kept_x"].as_u64() {
        // A cut nearer than this to a cumulative sum may fall either way in f32.
        let clear = expected["cut_margin"]
            .as_f64()
            .is_none_or(|margin| margin > 1e-5);
        let kept = [kept, expected["kept_y"].as_u64().expect("kept_y")].map(|kept| kept as usize);
        assert!(
            !clear && !is_f64(case) || found.kept == kept,
            "{name} {field}: {:?}",
            found.kept
        );
    }
    let coefs = numbers(&expected["coefs"]);
    assert_eq!(found.coefficients.len(), coefs.len(), "{name} {field}");
    let worst = found
        .coefficients
        .iter()
        .zip(&coefs)
        .map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, f64::max);
    let mean = (found.mean - expected["mean"].as_f64().expect("a mean")).abs();
    let (coefs_within, mean_within) = tolerances(case, field);
    assert!(
        worst <= coefs_within,
        "{name} {field}: coefficients off by {worst:e}"
    );
    assert!(mean <= mean_within, "{name} {field}: mean off by {mean:e}");
}

fn is_f64(case: &Case) -> bool {
    case.expected["dtype"] == "float64"
}

/// Of the coefficients and the mean, from the table beside the cases.
fn tolerances(case: &Case, field: &str) -> (f64, f64) {
    match (case.name.as_str(), field) {
        // 1e10 times ε, and plain CCA keeps all of it.
        ("cond_1e10", "cca") => (1e-6, 1e-6),
        _ if is_f64(case) => (1e-10, 1e-10),
        _ => (1e-6, 2e-7),
    }
}

/// Rank, spectrum and chance level.
fn compare_shape(case: &Case, found: &Correlations) {
    let (name, expected) = (&case.name, &case.expected);
    let rank = ["rank_x", "rank_y"].map(|rank| expected[rank].as_u64().expect("a rank") as usize);
    assert_eq!(found.rank, rank, "{name}");
    let Some(null) = expected.get("wachter_null") else {
        return;
    };
    let [low, high] = numbers(&null["rho2_edges"])[..] else {
        panic!("two edges")
    };
    assert!(low < high);
    // The expected values are themselves integrated numerically, with a mass off by up to 1e-11.
    let close = |what: &str, found: f64, expected: f64| {
        assert!(
            (found - expected).abs() < 1e-9,
            "{name}: {what} {found} against {expected}"
        );
    };
    let number = |field: &str| null[field].as_f64().expect("a number");
    // Of a single direction the law is known for any number of samples, not in the limit alone.
    if found.kept.contains(&1) {
        let exact = Chance::multiple_correlation(found.samples, found.kept[0].max(found.kept[1]));
        close("mean ρ", found.chance.mean_rho, exact);
    } else {
        close("mean ρ", found.chance.mean_rho, number("mean_rho"));
    }
    close("mean ρ²", found.chance.mean_rho2, number("mean_rho2"));
    close("edge", found.chance.edge, high.sqrt());
    let [x, y] = found.kept;
    let mean_sq = expected["cca"]["mean_sq"].as_f64().expect("a mean");
    let direct = Chance::of(found.samples, x, y, mean_sq);
    assert!(
        (direct.corrected - found.chance.corrected).abs() < 1e-6,
        "{name}"
    );
}
