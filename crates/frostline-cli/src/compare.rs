use std::io::IsTerminal;
use std::path::Path;

use frostline::svcca::{
    Chance, Comparison, Correlations, Cut, DftCca, Error, MeasureWarning, Moments, Pair, View,
    Warning, dft_cca,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::layer_file::{Axes, IN_MEMORY, LayerFile, Neurons};

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
    let mut x = LayerFile::open(x, options.axes, options.neurons)?;
    let mut y = LayerFile::open(y, options.axes, options.neurons)?;
    if x.samples() != y.samples() {
        let (x, y) = (x.samples(), y.samples());
        return Err(Error::SampleMismatch { x, y }.into());
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
                found
                    .warnings
                    .push(MeasureWarning::from(Warning::Undefined {
                        measure: "dft_cca".to_string(),
                        reason,
                    }))
            }
            Err(usage) => return Err(usage),
        }
    }
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report(&found, dft.as_ref()))?
        );
    } else {
        print(&found, dft.as_ref());
    }
    Ok(())
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
        "bartlett": found.cca.as_ref().map(Correlations::real_directions),
        "dft_cca": dft.map(|dft| {
            let rows = dft.mean_per_frequency.row_iter();
            let rows = rows.map(|row| row.iter().copied().collect::<Vec<f64>>());
            json!({"mean": dft.mean, "mean_per_frequency": rows.collect::<Vec<_>>()})
        }),
        "warnings": found.warnings,
    })
}

fn in_memory(x: &mut LayerFile, y: &mut LayerFile) -> Result<Comparison, Failure> {
    let all = 0..x.samples();
    // What was read is dropped with its view: a layer is held once.
    let of_x = View::new(&x.view(all.clone())?).map_err(|error| x.told(error))?;
    let of_y = View::new(&y.view(all)?).map_err(|error| y.told(error))?;
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
    let bar = ProgressBar::new(samples as u64).with_style(
        ProgressStyle::with_template("reading {bar:30} {pos}/{len} samples, {eta} left")
            .expect("the template is a constant"),
    );
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

fn print(found: &Comparison, dft: Option<&DftCca>) {
    let [dx, dy] = found.neurons;
    let [rank_x, rank_y] = found.rank;
    println!(
        "samples {}, neurons {dx} and {dy}, effective rank {rank_x} and {rank_y}\n",
        found.samples
    );
    let line = |name: &str, value: Option<f64>, note: Option<String>| {
        let value = value.map_or("-".to_string(), |value| format!("{value:.6}"));
        let line = format!("{name:<24}{value:>10}  {}", note.unwrap_or_default());
        println!("{}", line.trim_end());
    };
    let cut = |name: &str, found: Option<&Correlations>| {
        let kept = |found: &Correlations| {
            let [x, y] = found.kept;
            format!("{x} and {y} directions kept")
        };
        line(name, found.map(|found| found.mean), found.map(kept));
    };
    cut("svcca", found.svcca.as_ref());
    cut(
        "svcca_singular_values",
        found.svcca_singular_values.as_ref(),
    );
    let cca = found.cca.as_ref();
    let noise = cca.map(|cca| {
        let Chance { mean_rho, edge, .. } = cca.chance;
        format!("noise alone: {mean_rho:.3}, at most {edge:.3}")
    });
    line("cca", cca.map(|cca| cca.mean), noise);
    if let Some(real) = cca.map(Correlations::real_directions) {
        println!(
            "{:<24}{real:>10}  directions correlate beyond chance",
            "bartlett"
        );
    }
    let pwcca = found.pwcca.as_ref();
    let sides = pwcca.map(|pwcca| format!("{:.6} by x, {:.6} by y", pwcca.x, pwcca.y));
    line("pwcca", pwcca.map(|pwcca| pwcca.default), sides);
    let biased = format!("{:.6} biased", found.cka.biased);
    line("cka", found.cka.debiased, Some(biased));
    let procrustes = found.procrustes;
    let angle = procrustes.map(|procrustes| format!("{:.6} rad", procrustes.angular));
    line(
        "procrustes",
        procrustes.map(|procrustes| procrustes.cosine),
        angle,
    );
    let other = found.r2.x_from_y;
    let other = other.map_or("-".to_string(), |other| format!("{other:.6}"));
    let other = format!("of y from x; {other} of x from y");
    line("r2", found.r2.y_from_x, Some(other));
    let [of_x, of_y] = found.participation_ratio;
    println!(
        "{:<24}{of_x:>10.3}  of x; {of_y:.3} of y",
        "participation_ratio"
    );
    if let Some(dft) = dft {
        let [height, width] = dft.frequencies;
        let grid = format!("over {height} x {width} frequencies");
        line("dft_cca", Some(dft.mean), Some(grid));
    }
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (bold, plain) = if colour {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    for warning in &found.warnings {
        println!("\n{bold}warning:{plain} {warning}");
    }
}
