use frostline_activations::Ledger;

use crate::cost::flops_text;
use crate::page::{document, figure, notice};
use crate::page_tables::table;
use crate::study::ORDINARY;
use crate::summary::{seconds_text, something_froze};
use crate::svg::escape;
use crate::terminal::{aligned, escaped};
use crate::{Arm, Cost, Error, Estimate, Figure, Study, Worth, fronts};

impl Study {
    /// The study for a terminal: every training, and what each policy is worth by each cost.
    pub fn text(&self) -> String {
        let mut text = aligned(&self.arm_rows(), &NUMBERS);
        text.push('\n');
        text += &aligned(&self.worth_rows(), &[]);
        text.push('\n');
        for sentence in self.missing() {
            text += &format!("{}\n", escaped(&sentence));
        }
        text
    }

    /// The study as one HTML page that needs no script and no network.
    ///
    /// A picture for which nothing was recorded is replaced by a sentence that says so.
    pub fn html(&self) -> Result<String, Error> {
        let mut html = String::new();
        for text in &self.notices {
            html += &notice(text);
        }
        html += "<h2>What freezing is worth</h2>\n";
        html += &table("What freezing is worth", &self.worth_rows(), &[]);
        let missing = self.missing();
        if !missing.is_empty() {
            html += "<ul>\n";
            for sentence in missing {
                html += &format!("<li>{}</li>\n", escape(&sentence));
            }
            html += "</ul>\n";
        }
        html += "<p>Equal cost: the accuracy of each freezing training less that of ordinary training with \
                 the same seed, read between its lengths at the same cost. Equal accuracy: what freezing \
                 pays for the accuracy of the longest ordinary training, as a share of what ordinary \
                 training pays for it. Both are means over seeds with Student's 95 % interval.</p>\n";
        html += "<h2>Accuracy against cost</h2>\n";
        for cost in Cost::ALL {
            html += &format!("<h3>Against {}</h3>\n", cost.name());
            html += &figure(
                fronts(&self.fronts(cost), cost),
                "Higher and further to the left is better. Each line joins the means over seeds at each \
                 length; bars reach from the lowest to the highest seed, light points are the single \
                 trainings. A seed that is good in one training tends to be so in all.",
            )?;
        }
        html += "<h2>Trainings</h2>\n";
        html += &table("Trainings", &self.arm_rows(), &NUMBERS);
        Ok(document(&self.title, &html))
    }

    fn arm_rows(&self) -> Vec<Vec<String>> {
        let head = [
            "policy",
            "epochs",
            "seed",
            "test accuracy",
            "training",
            "measuring",
            "processor",
            "operations",
            "saved",
        ];
        let arms = self.arms.iter().map(arm_row);
        std::iter::once(head.map(String::from).to_vec())
            .chain(arms)
            .collect()
    }

    fn worth_rows(&self) -> Vec<Vec<String>> {
        let head = [
            "policy",
            "against",
            "at equal cost",
            "cost at equal accuracy",
        ];
        let mut rows = vec![head.map(String::from).to_vec()];
        for Worth {
            policy,
            cost,
            points,
            share,
        } in self.known_worth()
        {
            rows.push(vec![
                policy,
                cost.name().into(),
                estimate_text(&points, |points| format!("{points:+.2}"), " points"),
                estimate_text(&share, |share| format!("{:.1}", 100.0 * share), " %"),
            ]);
        }
        rows
    }

    /// By the costs that ordinary trainings know.
    fn known_worth(&self) -> Vec<Worth> {
        let known = Cost::ALL
            .into_iter()
            .filter(|&cost| !self.fronts(cost)[0].trials.is_empty());
        known.flat_map(|cost| self.worth(cost)).collect()
    }

    /// The comparisons that have no value, in words; what holds against several costs is said once.
    fn missing(&self) -> Vec<String> {
        let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
        for worth in self.known_worth() {
            let figures = [
                ("at equal cost", &worth.points),
                ("at equal accuracy", &worth.share),
            ];
            for (what, figure) in figures {
                for (compared, why) in figure.missing() {
                    let length = compared.epochs;
                    let length =
                        length.map_or(String::new(), |epochs| format!(", {epochs} epochs"));
                    let sentence = format!(
                        "{}{length}, seed {}, {what}: not known, {why}",
                        worth.policy, compared.seed
                    );
                    match missing.iter_mut().find(|(known, _)| *known == sentence) {
                        Some((_, costs)) => costs.push(worth.cost.name()),
                        None => missing.push((sentence, vec![worth.cost.name()])),
                    }
                }
            }
        }
        let sentences = missing.into_iter();
        sentences
            .map(|(sentence, costs)| format!("{sentence} ({})", costs.join(", ")))
            .collect()
    }
}

/// The columns of the trainings' table that are numbers.
const NUMBERS: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn arm_row(arm: &Arm) -> Vec<String> {
    let outcome = &arm.outcome;
    let finite = |seconds: f64| Some(seconds).filter(|seconds| seconds.is_finite());
    let written = |cost: Cost| cost.of(outcome).map_or("–".into(), |c| cost.written(c));
    let saved = |ledger: &Ledger| {
        let seconds = ledger.saved_seconds(outcome.measuring_seconds)?;
        let seconds = seconds_text(Some(finite(seconds)?));
        Some(match ledger.layers.is_empty() {
            true => seconds,
            false => format!("{seconds}, {}", flops_text(ledger.saved_flops())),
        })
    };
    let ledger = outcome.ledger.as_ref().filter(|l| something_froze(l));
    let accuracy = outcome.accuracy.filter(|accuracy| accuracy.is_finite());
    vec![
        arm.policy.clone().unwrap_or(ORDINARY.into()),
        arm.epochs.to_string(),
        arm.seed.to_string(),
        accuracy.map_or("–".into(), |share| format!("{:.2} %", 100.0 * share)),
        seconds_text(finite(outcome.training_seconds)),
        seconds_text(finite(outcome.measuring_seconds)),
        written(Cost::CpuSeconds),
        written(Cost::Flops),
        ledger.and_then(saved).unwrap_or("–".into()),
    ]
}

/// `+1.02 points (+0.31 to +1.73, 3 seeds)`.
fn estimate_text(figure: &Figure, written: impl Fn(f64) -> String, unit: &str) -> String {
    let Estimate {
        mean,
        interval,
        seeds,
    } = match &figure.overall {
        Ok(estimate) => *estimate,
        Err(why) => return format!("not known: {why}"),
    };
    let spread = match interval {
        Some([low, high]) => format!("{} to {}, {seeds} seeds", written(low), written(high)),
        None if seeds == 1 => "1 seed".into(),
        None => format!("{seeds} seeds"),
    };
    format!("{}{unit} ({spread})", written(mean))
}
