use std::path::Path;

use frostline::report::{aligned, escaped, fixed};

use frostline::svcca::{
    Bias, Chance, Comparison, Correlations, Cut, DftCca, Measure, Moments, Pair, Warning, dft_cca,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::layer_file::{Axes, IN_MEMORY, LayerFile, Neurons};
use crate::out;

/// What to compare, and how to say it.
pub(crate) struct Options {
    pub(crate) axes: Option<Axes>,
    pub(crate) neurons: Neurons,
    pub(crate) json: bool,
}

/// A block of layers that are too large to be held, as f64.
const BLOCK: u64 = 64 << 20;

/// Prints every measure between the layers in two files.
pub(crate) fn compare(x: &Path, y: &Path, options: &Options) -> Result<(), Failure> {
    let names = [x, y].map(|path| path.display().to_string());
    let mut x = LayerFile::open(x, options.axes, options.neurons)?;
    let mut y = LayerFile::open(y, options.axes, options.neurons)?;
    let labels = names.each_ref().map(String::as_str);
    if let Some(mismatch) = x.places().mismatch(&y.places(), labels) {
        return Err(Failure::Data(mismatch));
    }
    let mut found = if x.memory().saturating_add(y.memory()) <= IN_MEMORY {
        in_memory(&mut x, &mut y)?
    } else {
        in_blocks(&mut x, &mut y)?
    };
    let mut dft = None;
    let mut more: Vec<Warned> = Vec::new();
    if x.has_maps() && y.has_maps() {
        match maps(&mut x, &mut y) {
            Ok(compared) => {
                more.extend(compared.warnings.iter().cloned().map(Warned::of_dft));
                dft = Some(compared);
            }
            Err(Failure::Data(reason)) => {
                let measure = "dft_cca".to_string();
                let undefined = Warning::Undefined { measure, reason };
                found.warnings.push(undefined.into());
            }
            Err(other) => return Err(other),
        }
    }
    let own = found.warnings.iter().map(|warning| Warned {
        measures: warning.measures.iter().map(Measure::to_string).collect(),
        warning: warning.warning.clone(),
    });
    let warnings: Vec<Warned> = own.chain(more).collect();
    if options.json {
        out::print_json(&report(&found, dft.as_ref(), &warnings))
    } else {
        out::print(&text(&found, dft.as_ref(), &warnings, labels))
    }
}

/// A warning with the names of the measures that it is about; none where it is about all.
#[derive(Serialize)]
struct Warned {
    measures: Vec<String>,
    #[serde(flatten)]
    warning: Warning,
}

impl Warned {
    fn of_dft(warning: Warning) -> Warned {
        Warned {
            measures: vec!["dft_cca".to_string()],
            warning,
        }
    }
}

/// The fields that machines read.
fn report(found: &Comparison, dft: Option<&DftCca>, warnings: &[Warned]) -> Value {
    let coefficients = |found: &Correlations| found.coefficients.as_slice().to_vec();
    let cut = |found: &Correlations| {
        let (Cut::Variance(share) | Cut::SingularValues(share)) = found.cut else {
            unreachable!("a comparison cuts by these two")
        };
        json!({"cut": share, "kept": found.kept, "coefs": coefficients(found), "mean": found.mean})
    };
    // Where a layer doesn't vary there is nothing to correlate, and no number that says so.
    let varies = !found.rank.contains(&0);
    let is_measured = |measure: Measure| {
        found
            .similarities
            .iter()
            .any(|similarity| similarity.measure == measure)
    };
    let chance = |found: Chance| {
        let Chance {
            mean_rho,
            mean_rho2,
            edge,
            ..
        } = found;
        json!({"mean_rho": mean_rho, "mean_rho2": mean_rho2, "edge": edge})
    };
    json!({
        "n": found.samples,
        "d": found.neurons,
        "rank": found.rank,
        "cca": found.cca.as_ref().filter(|_| varies).map(|cca| json!({"coefs": coefficients(cca), "mean": cca.mean})),
        "svcca": found.svcca.as_ref().filter(|_| varies).map(cut),
        "svcca_singular_values": found.svcca_singular_values.as_ref().filter(|_| varies).map(cut),
        "pwcca": found.pwcca.as_ref().filter(|_| varies).map(|pwcca| {
            json!({"x": pwcca.x, "y": pwcca.y, "default": pwcca.default})
        }),
        "cka": varies.then(|| json!({
            "biased": is_measured(Measure::Cka(Bias::Biased)).then_some(found.cka.biased),
            "debiased": found.cka.debiased.filter(|_| is_measured(Measure::Cka(Bias::Debiased))),
            "doubt": found.cka.doubt,
        })),
        "procrustes": found.procrustes.filter(|_| is_measured(Measure::Procrustes)).map(|procrustes| {
            json!({"cosine": procrustes.cosine, "angular": procrustes.angular})
        }),
        "r2": varies.then_some(found.r2),
        "participation_ratio": found.participation_ratio,
        "chance": found.cca.as_ref().filter(|_| varies).map(|cca| chance(cca.chance)),
        "bartlett": real_directions(found),
        "dft_cca": dft.map(|dft| {
            let rows = dft.mean_per_frequency.row_iter();
            let rows = rows.map(|row| row.iter().copied().collect::<Vec<f64>>());
            let varies = !dft.rank.contains(&0);
            json!({
                "mean": varies.then_some(dft.mean),
                "mean_per_frequency": rows.collect::<Vec<_>>(),
                "rank": dft.rank,
                "chance": dft_levels(dft).map(|(chance, _)| chance),
                "corrected": dft_levels(dft).and_then(|(_, corrected)| corrected),
            })
        }),
        "similarities": found.similarities,
        "warnings": warnings,
    })
}

fn in_memory(x: &mut LayerFile, y: &mut LayerFile) -> Result<Comparison, Failure> {
    let all = 0..x.samples();
    // What was read is dropped with its view: a layer is held once.
    let of_x = x.values(all.clone())?.view(all.len(), true);
    let of_x = of_x.map_err(|error| x.told(error))?;
    let of_y = y.values(all.clone())?.view(all.len(), true);
    let of_y = of_y.map_err(|error| y.told(error))?;
    Ok(Pair::of(&of_x, &of_y)?.compare()?)
}

/// From moments, which don't grow with the samples.
fn in_blocks(x: &mut LayerFile, y: &mut LayerFile) -> Result<Comparison, Failure> {
    let samples = x.samples();
    // Moments are as wide and as high as both layers together; comparing them takes about four times
    // as much.
    let neurons = x.neurons() + y.neurons();
    if neurons.saturating_mul(neurons) > IN_MEMORY / (4 * 8) {
        return Err(Failure::Data(format!(
            "comparing both layers takes more than {0} GiB of memory, and comparing the moments of their \
             {neurons} neurons would too: compare fewer samples, or with --neurons means",
            IN_MEMORY >> 30
        )));
    }
    let rows = (BLOCK / x.sample_size().max(y.sample_size())).max(1) as usize;
    let bar = out::bar("reading {bar:30} {pos}/{len} samples, {eta} left");
    bar.set_length(samples as u64);
    let mut moments = Moments::new();
    // Rows of one input aren't independent, which moments can't tell: the first block stands for all.
    let mut share = 1.0;
    for start in (0..samples).step_by(rows) {
        let block = start..samples.min(start + rows);
        let (of_x, of_y) = (x.values(block.clone())?, y.values(block.clone())?);
        moments.add(&[&of_x.values, &of_y.values])?;
        if start == 0 && x.rows_of_sample() > 1 {
            let few = block.len();
            let views = [of_x.view(few, false)?, of_y.view(few, false)?];
            let found = Pair::of(&views[0], &views[1])?.similarity(Measure::Cka(Bias::Biased));
            share = found.map_or(1.0, |found| {
                found.samples as f64 / views[0].samples() as f64
            });
        }
        bar.set_position(block.end as u64);
    }
    bar.finish_and_clear();
    let independent = (share * moments.samples() as f64).round() as usize;
    Ok(moments.pair(0, 1)?.counting(independent).compare()?)
}

fn maps(x: &mut LayerFile, y: &mut LayerFile) -> Result<DftCca, Failure> {
    if x.maps_memory().saturating_add(y.maps_memory()) > IN_MEMORY {
        return Err(Failure::Data(format!(
            "its planes are held in memory, and the layers take more than {} GiB of it",
            IN_MEMORY >> 30
        )));
    }
    let all = 0..x.samples();
    Ok(dft_cca(&x.maps(all.clone())?, &y.maps(all)?)?)
}

/// The table for people. `x` and `y` are the layers' names.
fn text(
    found: &Comparison,
    dft: Option<&DftCca>,
    warnings: &[Warned],
    [x, y]: [&str; 2],
) -> String {
    let [dx, dy] = found.neurons;
    let [rank_x, rank_y] = found.rank;
    // Paths would push the numbers that stand between them out of sight.
    let long = x.len().max(y.len()) > 24;
    let (head, [x, y]) = match long {
        true => (
            format!("x is {}\ny is {}\n", escaped(x), escaped(y)),
            ["x", "y"],
        ),
        false => (String::new(), [x, y]),
    };
    let mut rows = vec![["measure", "value", "chance", "corrected", ""].map(String::from)];
    for measure in Measure::ALL {
        let mut similarities = found.similarities.iter();
        let similarity = similarities.find(|similarity| similarity.measure == measure);
        let number = |value: Option<f64>, digits| {
            value.map_or("-".to_string(), |value| fixed(value, digits))
        };
        rows.push([
            measure.to_string(),
            similarity.map_or("n/a".to_string(), |found| fixed(found.value, 6)),
            number(similarity.map(|found| found.chance), 3),
            number(similarity.and_then(|found| found.corrected), 3),
            note(found, measure, [x, y]),
        ]);
    }
    let mut more = |name: &str, value: String, chance: [String; 2], note: String| {
        let [chance, corrected] = chance;
        rows.push([name.to_string(), value, chance, corrected, note]);
    };
    let none = || [String::new(), String::new()];
    if let Some(dft) = dft {
        let [height, width] = dft.frequencies;
        let grid = format!("over {height} x {width} frequencies");
        let levels = match dft_levels(dft) {
            None => [String::from("-"), String::from("-")],
            Some((chance, corrected)) => {
                let corrected = corrected.map(|corrected| fixed(corrected, 3));
                [fixed(chance, 3), corrected.unwrap_or("-".to_string())]
            }
        };
        let value = if dft.rank.contains(&0) {
            "n/a".to_string()
        } else {
            fixed(dft.mean, 6)
        };
        more("dft_cca", value, levels, grid);
    }
    let [of_x, of_y] = found.participation_ratio.map(|ratio| fixed(ratio, 3));
    let both = format!("of {x}; {of_y} of {y}");
    more("participation_ratio", of_x, none(), both);
    if let Some(real) = real_directions(found) {
        let beyond = "directions correlate beyond chance".to_string();
        more("bartlett", real.to_string(), none(), beyond);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    let mut text = format!(
        "{head}samples {}, neurons {dx} and {dy}, effective rank {rank_x} and {rank_y}\n\n{}",
        found.samples,
        aligned(&rows, &[1, 2, 3])
    );
    let (bold, plain) = if out::in_colour() {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    for Warned { measures, warning } in warnings {
        let mut warned = warning.named(x, y);
        if !measures.is_empty() {
            warned = format!("{}: {warned}", measures.join(", "));
        }
        text += &format!("\n{bold}warning:{plain} {}\n", escaped(&warned));
    }
    text
}

/// What unrelated maps give by DFT-CCA in the mean, and its value freed of that: frequencies at which a layer doesn't vary count
/// as 0 in both. None where a layer varies at no frequency.
fn dft_levels(dft: &DftCca) -> Option<(f64, Option<f64>)> {
    let compared = dft
        .coefficients
        .iter()
        .filter(|rho| !rho.is_empty())
        .count();
    if compared == 0 {
        return None;
    }
    let most = compared as f64 / dft.coefficients.len() as f64;
    let chance = dft.chance.mean_rho * most;
    let corrected = (dft.mean - chance) / (most - chance);
    Some((chance, (chance < most).then_some(corrected)))
}

/// How many directions correlate beyond chance.
fn real_directions(found: &Comparison) -> Option<usize> {
    let varies = !found.rank.contains(&0);
    found.cca.as_ref().filter(|_| varies)?.real_directions()
}

/// What there is to say of a measure beside its value.
fn note(found: &Comparison, measure: Measure, [x, y]: [&str; 2]) -> String {
    let kept = |found: &Correlations| {
        let [x, y] = found.kept;
        format!("{x} and {y} directions kept")
    };
    let note = match measure {
        Measure::Svcca(Cut::Variance(_)) => found.svcca.as_ref().map(kept),
        Measure::Svcca(Cut::SingularValues(_)) => found.svcca_singular_values.as_ref().map(kept),
        Measure::CCA => {
            let some = |cca: &&Correlations| !cca.coefficients.is_empty();
            let edge = found.cca.as_ref().filter(some).map(|cca| cca.chance.edge);
            edge.map(|edge| {
                let edge = fixed(edge, 3);
                format!("the largest correlation of noise is about {edge}")
            })
        }
        Measure::Procrustes => found
            .procrustes
            .map(|procrustes| format!("{} rad", fixed(procrustes.angular, 6))),
        // Where a layer doesn't vary there is nothing to explain.
        Measure::R2 if found.rank.contains(&0) => None,
        Measure::R2 => {
            let other = found.r2.x_from_y.map(|share| fixed(share, 6));
            let other = other.unwrap_or("n/a".to_string());
            Some(format!("of {y} from {x}; {other} of {x} from {y}"))
        }
        _ => None,
    };
    note.unwrap_or_default()
}
