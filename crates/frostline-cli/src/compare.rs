use std::path::Path;

use frostline::report::{aligned, escaped, fixed};

use frostline::svcca::{
    Chance, Comparison, Correlations, Cut, DftCca, Error, Measure, Moments, Pair, View, Warning,
    dft_cca,
};
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
    if x.samples() != y.samples() {
        let (x, y) = (x.samples(), y.samples());
        let mismatch = Error::SampleMismatch { x, y };
        return Err(Failure::Data(mismatch.named(&names[0], &names[1])));
    }
    let mut found = if x.memory().saturating_add(y.memory()) <= IN_MEMORY {
        in_memory(&mut x, &mut y)?
    } else {
        in_blocks(&mut x, &mut y)?
    };
    let mut dft = None;
    if x.has_maps() && y.has_maps() {
        match maps(&mut x, &mut y) {
            Ok(compared) => dft = Some(compared),
            Err(Failure::Data(reason)) => {
                let measure = "dft_cca".to_string();
                let undefined = Warning::Undefined { measure, reason };
                found.warnings.push(undefined.into());
            }
            Err(other) => return Err(other),
        }
    }
    if options.json {
        out::print_json(&report(&found, dft.as_ref()))
    } else {
        let names = names.each_ref().map(String::as_str);
        out::print(&text(&found, dft.as_ref(), names))
    }
}

/// The fields that machines read.
fn report(found: &Comparison, dft: Option<&DftCca>) -> Value {
    let coefficients = |found: &Correlations| found.coefficients.as_slice().to_vec();
    let cut = |found: &Correlations| {
        let (Cut::Variance(share) | Cut::SingularValues(share)) = found.cut else {
            unreachable!("a comparison cuts by these two")
        };
        json!({"cut": share, "kept": found.kept, "coefs": coefficients(found), "mean": found.mean})
    };
    json!({
        "n": found.samples,
        "d": found.neurons,
        "rank": found.rank,
        "cca": found.cca.as_ref().map(|cca| json!({"coefs": coefficients(cca), "mean": cca.mean})),
        "svcca": found.svcca.as_ref().map(cut),
        "svcca_singular_values": found.svcca_singular_values.as_ref().map(cut),
        "pwcca": found.pwcca.as_ref().map(|pwcca| {
            json!({"x": pwcca.x, "y": pwcca.y, "default": pwcca.default})
        }),
        "cka": found.cka,
        "procrustes": found.procrustes.map(|procrustes| {
            json!({"cosine": procrustes.cosine, "angular": procrustes.angular})
        }),
        "r2": found.r2,
        "participation_ratio": found.participation_ratio,
        "chance": found.cca.as_ref().map(|cca| {
            let Chance { mean_rho, mean_rho2, edge, .. } = cca.chance;
            json!({"mean_rho": mean_rho, "mean_rho2": mean_rho2, "edge": edge})
        }),
        "bartlett": real_directions(found),
        "dft_cca": dft.map(|dft| {
            let rows = dft.mean_per_frequency.row_iter();
            let rows = rows.map(|row| row.iter().copied().collect::<Vec<f64>>());
            json!({"mean": dft.mean, "mean_per_frequency": rows.collect::<Vec<_>>()})
        }),
        "similarities": found.similarities,
        "warnings": found.warnings,
    })
}

fn in_memory(x: &mut LayerFile, y: &mut LayerFile) -> Result<Comparison, Failure> {
    let all = 0..x.samples();
    // What was read is dropped with its view: a layer is held once.
    let of_x = View::new(&x.view(all.clone())?).and_then(|view| view.of_inputs(all.len()));
    let of_x = of_x.map_err(|error| x.told(error))?;
    let of_y = View::new(&y.view(all.clone())?).and_then(|view| view.of_inputs(all.len()));
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
    for start in (0..samples).step_by(rows) {
        let block = start..samples.min(start + rows);
        let (of_x, of_y) = (x.view(block.clone())?, y.view(block.clone())?);
        moments.add(&[&of_x, &of_y])?;
        bar.set_position(block.end as u64);
    }
    bar.finish_and_clear();
    Ok(moments.pair(0, 1)?.compare()?)
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
fn text(found: &Comparison, dft: Option<&DftCca>, [x, y]: [&str; 2]) -> String {
    let [dx, dy] = found.neurons;
    let [rank_x, rank_y] = found.rank;
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
    let mut more = |name: &str, value: String, note: String| {
        let none = String::new;
        rows.push([name.to_string(), value, none(), none(), note]);
    };
    if let Some(dft) = dft {
        let [height, width] = dft.frequencies;
        let grid = format!("over {height} x {width} frequencies");
        more("dft_cca", fixed(dft.mean, 6), grid);
    }
    let [of_x, of_y] = found.participation_ratio.map(|ratio| fixed(ratio, 3));
    let both = format!("of {x}; {of_y} of {y}");
    more("participation_ratio", of_x, both);
    if let Some(real) = real_directions(found) {
        let beyond = "directions correlate beyond chance".to_string();
        more("bartlett", real.to_string(), beyond);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    let mut text = format!(
        "samples {}, neurons {dx} and {dy}, effective rank {rank_x} and {rank_y}\n\n{}",
        found.samples,
        aligned(&rows, &[1, 2, 3])
    );
    let (bold, plain) = if out::in_colour() {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    for warning in &found.warnings {
        let mut warned = warning.warning.named(x, y);
        if !warning.measures.is_empty() {
            let measures: Vec<String> = warning.measures.iter().map(Measure::to_string).collect();
            warned = format!("{}: {warned}", measures.join(", "));
        }
        text += &format!("\n{bold}warning:{plain} {}\n", escaped(&warned));
    }
    text
}

/// How many directions correlate beyond chance.
fn real_directions(found: &Comparison) -> Option<usize> {
    found.cca.as_ref()?.real_directions()
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
