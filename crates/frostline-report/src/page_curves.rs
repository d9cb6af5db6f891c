use frostline_activations::Run;

use crate::page::{SHADED, nothing};
use crate::page_numbers::curves_table;
use crate::smoothing::WINDOW;
use crate::summary::{grouped, run_names};
use crate::svg::escape;
use crate::{
    Against, Error, RunPictures, accuracy, compared_layers, frozen_layers, learning_rate, loss,
    test_loss, train_accuracy,
};

/// The curves of all runs on common axes, with a choice of what the horizontal ones count, and of whether curves of
/// many points are smoothed.
///
/// Every curve is there once an axis; the page's style hides those whose radio button isn't chosen.
pub(crate) fn compared_curves(pictures: &[RunPictures<'_>]) -> Result<String, Error> {
    let runs: Vec<&Run> = pictures.iter().map(|pictures| pictures.run).collect();
    let axes = Against::known(&runs);
    let of_all = |picture: Picture| switched(&axes, |against| picture(&runs, against));
    let (losses, accuracies) = (of_all(loss)?, of_all(accuracy)?);
    let layers = layers(pictures, &axes)?;
    let mut more = String::new();
    for (heading, picture, caption) in MORE {
        let drawn = of_all(picture)?;
        if drawn.contains("<svg") {
            more += &titled(heading, &captioned(&drawn, caption));
        }
    }

    let mut html = String::new();
    let parts = [&losses, &accuracies, &layers, &more];
    let any = |what: &str| parts.iter().any(|part| part.contains(what));
    if any("<svg") {
        html += &choice(
            "Horizontal axis of the curves",
            "against",
            &axis_options(&axes),
        );
        html += &uncounted(&runs, &axes);
    }
    if any(" class=\"smoothed\"") {
        let options = [
            ("raw", "as recorded".to_string()),
            (
                "smoothed",
                "smoothed, with what was recorded behind it".into(),
            ),
        ];
        html += &choice("Loss and accuracy of training", "curves", &options);
        html += &smoothing_caption(&runs);
    }
    html += &format!(
        "<div class=\"pair\">\n{}{}</div>\n",
        titled(
            "Training loss",
            &captioned(
                &losses,
                "What every step reported; where there are more steps than places to draw them, means of neighbouring \
                 steps, with a band from the least to the greatest. A run that kept no loss of its steps has the mean \
                 since the check before at each check. Lower is better, and against time or operations the lower curve \
                 has learnt more for the same cost."
            )
        ),
        titled(
            "Test accuracy",
            &captioned(
                &accuracies,
                "Higher is better; dots are tests during training, as recorded, not smoothed, but for means of neighbours \
                 where there are hundreds; a ring is the final accuracy, which may be of more samples. Training time leaves \
                 measuring and testing out, operations have measuring in them."
            )
        ),
    );
    html += &curves_table(&runs);
    if !more.is_empty() {
        html += &format!("<div class=\"pair\">\n{more}</div>\n");
    }
    html += &layers;
    Ok(html)
}

/// A picture of all runs.
type Picture = fn(&[&Run], Against) -> Result<String, Error>;

/// What is shown where some run recorded it.
const MORE: [(&str, Picture, &str); 4] = [
    (
        "Training accuracy",
        train_accuracy,
        "On the batches of training, drawn as the training loss is; higher is better. It is measured while the network \
         changes, and on what the network has seen.",
    ),
    (
        "Test loss",
        test_loss,
        "On held-out samples, as recorded, not smoothed; lower is better. Where it rises while the training loss falls, \
         the network learns its samples by heart.",
    ),
    (
        "Learning rate",
        learning_rate,
        "The learning rate of the steps, as the loop reported it.",
    ),
    (
        "Frozen layers",
        frozen_layers,
        "How many layers, from the input up, were frozen; it changes at checks alone.",
    ),
];

fn titled(heading: &str, html: &str) -> String {
    format!("<div>\n<h3>{heading}</h3>\n{html}</div>\n")
}

/// Says how the smoothed curves come about.
fn smoothing_caption(runs: &[&Run]) -> String {
    let longest = runs.iter().map(|run| run.info.length.steps).max();
    let steps = (WINDOW * longest.unwrap_or(0) as f64).round().max(1.0) as usize;
    format!(
        "<p class=\"smoothed none\">A smoothed value is the mean over the {} steps around it, {:.0} % of the longest \
         run's: centred, so that curves are not late, over fewer steps at the beginning, and cut off at the end.</p>\n",
        grouped(steps),
        100.0 * WINDOW
    )
}

/// Radio buttons, each with what its id ends in and what it says. They work without a script: the style looks for
/// the one that is checked.
fn choice(legend: &str, name: &str, options: &[(&str, String)]) -> String {
    let mut html = format!("<fieldset class=\"choice\">\n<legend>{legend}</legend>\n");
    for (index, (slug, says)) in options.iter().enumerate() {
        let checked = if index == 0 { " checked" } else { "" };
        html += &format!(
            "<label for=\"{name}-{slug}\"><input type=\"radio\" name=\"{name}\" id=\"{name}-{slug}\"{checked}> \
             {says}</label>\n"
        );
    }
    html + "</fieldset>\n"
}

fn axis_options(axes: &[Against]) -> Vec<(&'static str, String)> {
    let option = |against: &Against| (against.slug(), against.name().to_string());
    axes.iter().map(option).collect()
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
