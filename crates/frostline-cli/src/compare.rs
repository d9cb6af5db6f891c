use std::io::IsTerminal;
use std::path::Path;

use frostline::svcca::{Comparison, DftValues, Error, Moments, Pair, View, Warning, dft_cca};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::layer_file::{Axes, LayerFile, Neurons};

/// What to compare, and how to say it.
pub(crate) struct Options {
    pub(crate) axes: Option<Axes>,
    pub(crate) neurons: Neurons,
    pub(crate) json: bool,
}

/// Both layers together, as f64, up to which they are held in memory; larger ones are read in blocks.
const IN_MEMORY: u64 = 2 << 30;
/// A block of larger ones.
const BLOCK: u64 = 64 << 20;

/// Prints every measure between the layers in two files.
pub(crate) fn compare(x: &Path, y: &Path, options: &Options) -> Result<(), Failure> {
    let mut x = LayerFile::open(x, options.axes, options.neurons)?;
    let mut y = LayerFile::open(y, options.axes, options.neurons)?;
    if x.samples() != y.samples() {
        let (x, y) = (x.samples(), y.samples());
        return Err(Error::SampleMismatch { x, y }.into());
    }
    let held = x.size() + y.size() <= IN_MEMORY;
    let mut found = if held {
        in_memory(&mut x, &mut y)?
    } else {
        in_blocks(&mut x, &mut y)?
    };
    if x.has_maps() && y.has_maps() {
        match maps(&mut x, &mut y, held) {
            Ok(values) => found.dft_cca = Some(values),
            Err(Failure::Data(reason)) => found.warnings.push(Warning::Undefined {
                measure: "dft_cca".to_string(),
                reason,
            }),
            Err(usage) => return Err(usage),
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print(&found);
    }
    Ok(())
}

fn in_memory(x: &mut LayerFile, y: &mut LayerFile) -> Result<Comparison, Failure> {
    let all = 0..x.samples();
    let (of_x, of_y) = (x.view(all.clone())?, y.view(all)?);
    let of_x = View::new(&of_x).map_err(|error| x.told(error))?;
    let of_y = View::new(&of_y).map_err(|error| y.told(error))?;
    Ok(Pair::of(&of_x, &of_y)?.compare()?)
}

/// From moments, which don't grow with the samples.
fn in_blocks(x: &mut LayerFile, y: &mut LayerFile) -> Result<Comparison, Failure> {
    let samples = x.samples();
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

fn maps(x: &mut LayerFile, y: &mut LayerFile, held: bool) -> Result<DftValues, Failure> {
    if !held {
        return Err(Failure::Data(format!(
            "its planes are held in memory, and the layers are larger than {} GiB",
            IN_MEMORY >> 30
        )));
    }
    let all = 0..x.samples();
    let found = dft_cca(&x.maps(all.clone())?, &y.maps(all)?)?;
    Ok(DftValues::from(&found))
}

fn print(found: &Comparison) {
    let [dx, dy] = found.d;
    let [rank_x, rank_y] = found.rank;
    println!(
        "samples {}, neurons {dx} and {dy}, effective rank {rank_x} and {rank_y}\n",
        found.n
    );
    let number = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.6}"));
    let line = |name: &str, value: Option<f64>, more: String| {
        println!(
            "{}",
            format!("{name:<24}{:>10}  {more}", number(value)).trim_end()
        );
    };
    let kept = |kept: [usize; 2]| format!("{} and {} directions kept", kept[0], kept[1]);
    let svcca = found.svcca.as_ref();
    line(
        "svcca",
        svcca.map(|s| s.mean),
        svcca.map_or(String::new(), |s| kept(s.kept)),
    );
    let values = found.svcca_singular_values.as_ref();
    line(
        "svcca_singular_values",
        values.map(|s| s.mean),
        values.map_or(String::new(), |s| kept(s.kept)),
    );
    let chance = found.chance.map(|chance| {
        format!(
            "noise alone: {:.3}, at most {:.3}",
            chance.mean_rho, chance.edge
        )
    });
    line(
        "cca",
        found.cca.as_ref().map(|cca| cca.mean),
        chance.unwrap_or_default(),
    );
    if let Some(real) = found.bartlett {
        println!(
            "{:<24}{real:>10}  directions correlate beyond chance",
            "bartlett"
        );
    }
    let pwcca = found.pwcca;
    line(
        "pwcca",
        pwcca.map(|pwcca| pwcca.default),
        pwcca.map_or(String::new(), |w| {
            format!("{:.6} by x, {:.6} by y", w.x, w.y)
        }),
    );
    line(
        "cka",
        found.cka.debiased,
        format!("{:.6} biased", found.cka.biased),
    );
    let procrustes = found.procrustes;
    line(
        "procrustes",
        procrustes.map(|p| p.cosine),
        procrustes.map_or(String::new(), |p| format!("{:.6} rad", p.angular)),
    );
    line(
        "r2",
        Some(found.r2.y_from_x),
        format!("{:.6} of x from y", found.r2.x_from_y),
    );
    let [ratio_x, ratio_y] = found.participation_ratio;
    println!(
        "{:<24}{ratio_x:>10.3}  {ratio_y:.3} of y",
        "participation_ratio"
    );
    if let Some(dft) = &found.dft_cca {
        let (rows, columns) = (
            dft.mean_per_frequency.len(),
            dft.mean_per_frequency[0].len(),
        );
        line(
            "dft_cca",
            Some(dft.mean),
            format!("over {rows} x {columns} frequencies"),
        );
    }
    let (bold, plain) = if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
    {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    for warning in &found.warnings {
        println!("\n{bold}warning:{plain} {warning}");
    }
}
