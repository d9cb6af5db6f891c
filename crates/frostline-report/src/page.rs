use frostline_activations::{ByChance, PanesCost, Run};

use crate::axis::drawable;
use crate::cost::flops_text;
use crate::heatmap::panes_apart;
use crate::in_short::in_short;
use crate::judged::samples_a_direction;
use crate::page_curves::compared_curves;
use crate::page_numbers::{checks_table, frozen_table, panes_tables, to_end_table};
use crate::page_size::{MOST_BYTES, within};
use crate::page_tables::{runs_table, settings_table};
use crate::savings::savings;
use crate::scheme::{in_scheme, variables};
use crate::summary::{Summary, grouped, ledger, run_names, seconds_text};
use crate::svg::escape;
use crate::{
    Error, LayerCurve, Pane, freeze_timeline, own_share_of_change, similarity_to_end,
    similarity_to_previous,
};

/// What there is to show of a run.
#[derive(Clone, Debug)]
pub struct RunPictures<'a> {
    /// The run.
    pub run: &'a Run,
    /// Layers during training against layers at the end, at a few moments.
    pub panes: Vec<Pane>,
    /// Each layer against its final self, from the input up.
    pub to_end: Vec<LayerCurve>,
}

/// A page that compares runs: one file that needs no script and no network.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The heading.
    pub title: String,
    /// What a reader must know first. The notices and the problems that the runs themselves record
    /// are shown in any case.
    pub notices: Vec<String>,
    /// The runs, in the order of the legends.
    pub runs: Vec<RunPictures<'a>>,
}

impl Page<'_> {
    /// The page. A picture for which nothing was recorded is replaced by a sentence that says so.
    ///
    /// Errors: `PaneShape` and `OutOfRange`, for panes and curves that cannot be drawn.
    pub fn html(&self) -> Result<String, Error> {
        Ok(document(&self.title, &self.body()?))
    }

    /// The page, with word to the browser to load it anew every so many seconds: for runs that go on.
    ///
    /// Errors: as for [`html`](Self::html).
    pub fn reloading_html(&self, seconds: u32) -> Result<String, Error> {
        let every = match seconds {
            1 => "second".to_string(),
            seconds => format!("{seconds} seconds"),
        };
        let says = format!("<p class=\"none\">This page loads itself anew every {every}.</p>\n");
        let html = document(&self.title, &(says + &self.body()?));
        let meta = format!("<head>\n<meta http-equiv=\"refresh\" content=\"{seconds}\">");
        Ok(html.replacen("<head>", &meta, 1))
    }

    fn body(&self) -> Result<String, Error> {
        let runs: Vec<&Run> = self.runs.iter().map(|pictures| pictures.run).collect();
        let names = run_names(&runs);
        let mut html = in_short(&runs, &names);
        for text in self.all_notices(&runs, &names) {
            html += &notice(&text);
        }
        if runs.is_empty() {
            html += "<p class=\"none\">There are no runs to show.</p>\n";
            return Ok(html);
        }
        if runs.len() > 1 {
            html += &contents(&names);
        }
        html += "<section id=\"runs\">\n<h2>Runs</h2>\n";
        html += &runs_table(&runs, &names);
        html += "<h3>Settings</h3>\n";
        html += &settings_table(&runs, &names);
        html += "</section>\n<section id=\"curves\">\n<h2>Loss, accuracy and convergence compared</h2>\n";
        html += &compared_curves(&self.runs)?;
        html += "</section>\n";
        for (index, (pictures, name)) in self.runs.iter().zip(&names).enumerate() {
            html += &run_section(index, pictures, name)?;
        }
        html += "<section id=\"freezing\">\n<h2>Freezing</h2>\n";
        for (run, name) in runs.iter().zip(&names) {
            html += &freezing(run, name)?;
        }
        html += "</section>\n";
        Ok(html)
    }

    fn all_notices(&self, runs: &[&Run], names: &[String]) -> Vec<String> {
        let mut notices: Vec<String> = Vec::new();
        let of_runs = runs.iter().filter_map(|run| run.info.notice.clone());
        // The same images usually trained every run: said once.
        for notice in self.notices.iter().cloned().chain(of_runs) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        let mut problems: Vec<(&String, Vec<&str>)> = Vec::new();
        for (run, name) in runs.iter().zip(names) {
            for problem in &run.problems {
                match problems.iter_mut().find(|(known, _)| *known == problem) {
                    Some((_, names)) => names.push(name),
                    None => problems.push((problem, vec![name])),
                }
            }
        }
        let problems = problems.into_iter();
        notices.extend(problems.map(|(problem, names)| format!("{}: {problem}", names.join(", "))));
        notices
    }
}

/// A whole page, of this body.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    let around = |body: &str| {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\
             </main>\n</body>\n</html>\n",
            variables(),
            include_str!("page.css"),
        )
    };
    let room = MOST_BYTES.saturating_sub(around("").len());
    // The page's style says it for all texts.
    let body = in_scheme(body).replace(" dy=\"0.5ex\"", "");
    around(&within(room, body))
}

/// What a reader must know first.
pub(crate) fn notice(text: &str) -> String {
    format!(
        "<div class=\"notice\" role=\"note\">{}</div>\n",
        escape(text)
    )
}

/// Links to the sections.
fn contents(names: &[String]) -> String {
    let mut html = "<nav aria-label=\"Contents\">\n<ul>\n".to_string();
    let mut link = |id: &str, text: &str| {
        html += &format!("<li><a href=\"#{id}\">{}</a></li>\n", escape(text));
    };
    link("runs", "Runs");
    link("curves", "Loss, accuracy and convergence compared");
    for (index, name) in names.iter().enumerate() {
        link(&run_id(index), name);
    }
    link("freezing", "Freezing");
    html + "</ul>\n</nav>\n"
}

fn run_id(index: usize) -> String {
    format!("run-{}", index + 1)
}

/// The layers of a run during training.
fn run_section(index: usize, pictures: &RunPictures<'_>, name: &str) -> Result<String, Error> {
    let run = pictures.run;
    let mut html = format!(
        "<section class=\"run\" id=\"{}\">\n<h2>{}</h2>\n",
        run_id(index),
        escape(name)
    );
    if let Some(title) = &run.info.title {
        html += &format!("<p>{}</p>\n", escape(title));
    }
    let summary = Summary::of(run);
    html += &format!(
        "<p>{}. Frozen layers at the end: {}. Policy: {}. {} samples in the probe.</p>\n",
        escape(&capitalised(&summary.outcome())),
        escape(&summary.frozen_text()),
        escape(&run.info.policy),
        grouped(run.info.probe.evaluated())
    );
    html += "<h3>Layers during training against layers at the end</h3>\n";
    html += &panes_sentence(pictures);
    let beside =
        |pictures: Vec<String>| format!("<div class=\"panes\">\n{}</div>\n", pictures.concat());
    html += &figure(panes_apart(pictures).map(beside), &panes_caption(pictures))?;
    html += &panes_tables(pictures);
    html += "<h3>Similarity of each layer to itself at the end</h3>\n";
    let judged = pictures
        .to_end
        .iter()
        .any(|curve| curve.chance.iter().any(Option::is_some));
    html += &figure(
        similarity_to_end(pictures),
        &format!(
            "A layer whose curve reaches 1 early has converged early; dark curves are layers near the \
             input, light ones near the output.{}",
            if judged { SHADED } else { "" }
        ),
    )?;
    html += &to_end_table(pictures);
    html += "<h3>Change since the previous check</h3>\n";
    let judged = run
        .history
        .iter()
        .any(|check| check.chance.iter().any(Option::is_some));
    html += &figure(
        similarity_to_previous(run),
        &format!(
            "Lower is more converged; the axis is logarithmic, and its right side reads the change as \
             similarity. A ring ends a curve where its layer was frozen; frozen layers are not \
             measured again.{}",
            if judged { SHADED } else { "" }
        ),
    )?;
    if run.history.iter().any(|check| !check.parts.is_empty()) {
        html += "<h3>Own and inherited change</h3>\n";
        html += &figure(
            own_share_of_change(run),
            "How much of each layer's change since the previous check its own weights made, on the inputs of the check before; \
             the rest it inherits from the layers below, and loses when they freeze. The lowest layer has nothing else.",
        )?;
    }
    html += &checks_table(run);
    html += "</section>\n";
    Ok(html)
}

/// What the captions of curves say where chance levels are known.
pub(crate) const SHADED: &str = " Shaded: what unrelated layers could show by chance, up to the layer with the highest chance \
                      level. A hollow point is within what chance could give to its own layer.";

/// What chance gives in place of the values of all panes, as far as it is known.
fn chance_levels<'a>(pictures: &'a RunPictures<'_>) -> impl Iterator<Item = &'a ByChance> {
    let cells = pictures
        .panes
        .iter()
        .flat_map(|pane| pane.chance.iter().flatten());
    cells.flatten()
}

/// On how many samples the panes were measured, and what that cost where it was not the checks' probe.
fn panes_sentence(pictures: &RunPictures<'_>) -> String {
    let thinnest = chance_levels(pictures)
        .min_by(|a, b| a.samples_a_direction().total_cmp(&b.samples_a_direction()));
    let mut sentences = Vec::new();
    if let Some(by) = thinnest {
        sentences.push(format!(
            "Compared on {} samples, {} or more for each direction that was kept.",
            grouped(by.samples),
            samples_a_direction(by)
        ));
    }
    if let Some(cost) = ledger(pictures.run).map(|ledger| ledger.panes)
        && cost.evaluations > 0
    {
        sentences.push(format!(
            "The panes have a probe of their own: {}.",
            panes_cost(&cost)
        ));
    }
    match sentences.is_empty() {
        true => String::new(),
        false => format!("<p>{}</p>\n", escape(&sentences.join(" "))),
    }
}

/// `2,000 samples, 4 evaluations, 3.1 s, 0.7 Tflop`.
pub(crate) fn panes_cost(cost: &PanesCost) -> String {
    let flops = match drawable(cost.flops) && cost.flops > 0.0 {
        true => format!(", {}", flops_text(cost.flops)),
        false => String::new(),
    };
    let evaluations = match cost.evaluations {
        1 => "1 evaluation".to_string(),
        evaluations => format!("{} evaluations", grouped(evaluations)),
    };
    let seconds = seconds_text(Some(cost.seconds).filter(|seconds| drawable(*seconds)));
    format!(
        "{} samples, {evaluations}, {seconds}{flops}",
        grouped(cost.samples / cost.evaluations.max(1)),
    )
}

fn panes_caption(pictures: &RunPictures<'_>) -> String {
    let judged = chance_levels(pictures).next().is_some();
    let mut caption = "Each cell compares a layer at that moment (row) with a layer at the end (column), from 0, \
         nothing in common, to 1, the same up to an invertible linear map of what was kept; a bright \
         diagonal means that layers already are what they end up as, and it fills in from the \
         bottom left when lower layers converge first."
        .to_string();
    if judged {
        caption += " Numbers are similarities as measured. Colours begin at what chance gives to unrelated layers of \
                    that size on so many samples, for each cell at its own level: they show (similarity − chance) \
                    / (1 − chance). Hatched: chance could give the value, which is at most two standard deviations \
                    above what unrelated layers give in the mean.";
    }
    caption + " A cross: not defined."
}

/// Which layers of a run froze when, and what that saved.
fn freezing(run: &Run, name: &str) -> Result<String, Error> {
    let mut html = format!("<h3>Frozen layers: {}</h3>\n", escape(name));
    html += &figure(
        freeze_timeline(&[run]),
        "Each bar is a layer, the input at the bottom: it is trained while light and frozen while \
         dark, so the frost line climbs with time.",
    )?;
    html += &frozen_table(run);
    html += &savings(run);
    Ok(html)
}

/// A picture with its caption, or in its place the sentence that there is none.
pub(crate) fn figure(picture: Result<String, Error>, caption: &str) -> Result<String, Error> {
    match picture {
        Ok(svg) => Ok(format!(
            "<figure>\n{svg}<figcaption>{caption}</figcaption>\n</figure>\n"
        )),
        Err(Error::Nothing(text)) => Ok(nothing(&text)),
        Err(error) => Err(error),
    }
}

/// In place of a picture, why there is none.
pub(crate) fn nothing(text: &str) -> String {
    format!("<p class=\"none\">{}</p>\n", escape(text))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
