use frostline_activations::Run;

use crate::page::{SHADED, nothing};
use crate::page_numbers::curves_table;
use crate::summary::run_names;
use crate::svg::escape;
use crate::{Against, Error, RunPictures, accuracy, compared_layers, loss};

/// The curves of all runs on common axes, with a choice of what the horizontal ones count.
///
/// Every curve is there once an axis; the page's style hides those whose radio button isn't chosen.
pub(crate) fn compared_curves(pictures: &[RunPictures<'_>]) -> Result<String, Error> {
    let runs: Vec<&Run> = pictures.iter().map(|pictures| pictures.run).collect();
    let axes = Against::known(&runs);
    let losses = switched(&axes, |against| loss(&runs, against))?;
    let accuracies = switched(&axes, |against| accuracy(&runs, against))?;
    let layers = layers(pictures, &axes)?;

    let mut html = String::new();
    let parts = [&losses, &accuracies, &layers];
    if parts.iter().any(|part| part.contains("<svg")) {
        html += &choice(&axes);
        html += &uncounted(&runs, &axes);
    }
    html += &format!(
        "<div class=\"pair\">\n<div>\n<h3>Training loss</h3>\n{}</div>\n\
         <div>\n<h3>Test accuracy</h3>\n{}</div>\n</div>\n",
        captioned(
            &losses,
            "Each point is the mean training loss since the check before it, as recorded, not smoothed; \
             lower is better, and against time or operations the lower curve has learnt more for the same cost."
        ),
        captioned(
            &accuracies,
            "Higher is better; dots are checks during training, as recorded, not smoothed; a ring is the final \
             accuracy, which may be of more samples. Training time leaves measuring and testing out, operations \
             have measuring in them."
        ),
    );
    html += &curves_table(&runs);
    html += &layers;
    Ok(html)
}

/// The radio buttons. They work without a script: the style looks for the one that is checked.
fn choice(axes: &[Against]) -> String {
    let mut html =
        "<fieldset class=\"choice\">\n<legend>Horizontal axis of the curves</legend>\n".to_string();
    for (index, against) in axes.iter().enumerate() {
        let (slug, name) = (against.slug(), against.name());
        let checked = if index == 0 { " checked" } else { "" };
        html += &format!(
            "<label for=\"against-{slug}\"><input type=\"radio\" name=\"against\" id=\"against-{slug}\"{checked}> \
             {name}</label>\n"
        );
    }
    html + "</fieldset>\n"
}

/// Says which runs have no place on the axis of operations.
fn uncounted(runs: &[&Run], axes: &[Against]) -> String {
    let counted = |run: &Run| Against::known(&[run]).contains(&Against::Flops);
    let names = run_names(runs);
    let missing = runs.iter().zip(&names).filter(|(run, _)| !counted(run));
    let missing: Vec<&str> = missing.map(|(_, name)| name.as_str()).collect();
    if missing.is_empty() || !axes.contains(&Against::Flops) {
        return String::new();
    }
    format!(
        "<p class=\"none against operations\">Operations were not counted in {}.</p>\n",
        escape(&missing.join(", "))
    )
}

/// The same picture against each axis; the reason alone where there is none at all.
fn switched(
    axes: &[Against],
    picture: impl Fn(Against) -> Result<String, Error>,
) -> Result<String, Error> {
    let (mut html, mut first_reason, mut drawn) = (String::new(), None, false);
    for &against in axes {
        let shown = match picture(against) {
            Ok(svg) => {
                drawn = true;
                svg
            }
            Err(Error::Nothing(reason)) => {
                let shown = nothing(&reason);
                first_reason.get_or_insert(shown.clone());
                shown
            }
            Err(error) => return Err(error),
        };
        html += &for_choice(against, &shown);
    }
    match first_reason {
        Some(reason) if !drawn => Ok(reason),
        _ => Ok(html),
    }
}

fn for_choice(against: Against, shown: &str) -> String {
    format!(
        "<div class=\"against {}\">\n{shown}</div>\n",
        against.slug()
    )
}

fn captioned(pictures: &str, caption: &str) -> String {
    match pictures.contains("<svg") {
        true => format!("<figure>\n{pictures}<figcaption>{caption}</figcaption>\n</figure>\n"),
        false => pictures.to_string(),
    }
}

/// Small plots of the layers that runs share; empty where they share none.
fn layers(pictures: &[RunPictures<'_>], axes: &[Against]) -> Result<String, Error> {
    /// More plots than this are folded away.
    const OPEN: usize = 8;
    let mut names: Vec<String> = Vec::new();
    let mut plots = String::new();
    for &against in axes {
        let mut of_axis = String::new();
        for compared in compared_layers(pictures, against)? {
            of_axis += &compared.svg;
            if !names.contains(&compared.layer) {
                names.push(compared.layer);
            }
        }
        plots += &for_choice(
            against,
            &format!("<div class=\"small\">\n{of_axis}</div>\n"),
        );
    }
    if names.is_empty() {
        return Ok(String::new());
    }
    let judged = pictures.iter().any(|pictures| {
        let mut curves = pictures.to_end.iter();
        curves.any(|curve| curve.chance.iter().any(Option::is_some))
    });
    let figure = captioned(
        &plots,
        &format!(
            "Each layer that several runs have, compared with itself at the end of the same run, as recorded, not \
             smoothed. All plots share their axes: a curve that reaches 1 further to the left has converged earlier. \
             The numbers are with each run.{}",
            if judged { SHADED } else { "" }
        ),
    );
    let mut html = "<h3>Similarity of each layer to its own end</h3>\n".to_string();
    html += &match names.len() > OPEN {
        true => format!(
            "<details>\n<summary>{} layers, a small plot each</summary>\n{figure}</details>\n",
            names.len()
        ),
        false => figure,
    };
    Ok(html)
}
