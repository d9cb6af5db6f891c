//! What a page says first: what froze, what that saved, and what it cost.

use frostline_activations::{Run, Status};

use crate::axis::{drawable, short};
use crate::summary::{Summary, grouped, seconds_text};
use crate::svg::escape;

/// A sentence about each run that froze layers, beside the ordinary run that it is to be compared with.
pub(crate) fn in_short(runs: &[&Run], names: &[String]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let all: Vec<Told> = runs
        .iter()
        .zip(names)
        .map(|(run, name)| Told::of(run, name))
        .collect();
    let froze: Vec<&Told> = all.iter().filter(|run| run.summary.froze()).collect();
    let mut sentences: Vec<String> = froze.iter().map(|run| run.sentence(&all)).collect();
    let held_back: Vec<String> = all.iter().filter_map(Told::why_nothing_froze).collect();
    sentences.extend(held_back.iter().cloned());
    if froze.is_empty() && held_back.is_empty() {
        sentences.push(match all.as_slice() {
            [only] => format!(
                "No layer of {} was frozen, and there is no other run on this page to compare it with.",
                only.name
            ),
            _ => "No layer was frozen in any run on this page.".to_string(),
        });
    }
    let paragraph = |text: &String| format!("<p class=\"short\">{}</p>\n", escape(text));
    sentences.iter().map(paragraph).collect()
}

/// What freezing saved by the pace of the run's own steps.
fn own_pace(saved: f64) -> String {
    const BY: &str = "By the pace of its own steps before anything froze";
    if saved > 0.0 {
        let saved = seconds_text(Some(saved));
        format!("{BY}, that saved {saved}, measuring taken off")
    } else {
        let longer = seconds_text(Some(-saved));
        format!("{BY}, that saved nothing: with measuring it took {longer} longer than without")
    }
}

struct Told<'a> {
    run: &'a Run,
    name: &'a str,
    summary: Summary,
}

impl<'a> Told<'a> {
    fn of(run: &'a Run, name: &'a str) -> Self {
        Told {
            run,
            name,
            summary: Summary::of(run),
        }
    }

    /// What froze, and what that saved and cost against an ordinary run among `all`.
    fn sentence(&self, all: &[Told]) -> String {
        let what = self.what_froze();
        if !self.finished() {
            let how = match self.summary.status {
                None => "it has no end yet".to_string(),
                Some(Status::Diverged) => format!("it {}", self.summary.outcome()),
                Some(_) => format!("it was {}", self.summary.outcome()),
            };
            return format!("{what}; {how}, so it is not compared with an ordinary run.");
        }
        let Some(ordinary) = self.ordinary(all) else {
            return format!(
                "{what}; no ordinary run of the same length on this page has ended, so there is nothing to say \
                 what that saved and cost."
            );
        };
        let quality = self.quality(ordinary);
        match self.summary.saved_seconds {
            // Two savings that differ would leave the reader to choose: what freezing did comes first, and what the clock said of
            // both runs is named for what it is.
            Some(saved) => format!(
                "{what}. {}. Against {}, {quality}. {}",
                own_pace(saved),
                ordinary.name,
                self.both_took(ordinary)
            ),
            None => format!(
                "{what}. Against {} {}, and {quality}.",
                ordinary.name,
                self.time(ordinary)
            ),
        }
    }

    /// Why a run that was to freeze layers froze none.
    fn why_nothing_froze(&self) -> Option<String> {
        let planned = self.run.info.policy != "never" && !self.summary.froze();
        let latest = self.run.history.last().filter(|_| planned)?;
        let why = match latest.reason.is_empty() {
            true => String::new(),
            false => format!(
                ": at the last of its {} checks {}",
                self.run.history.len(),
                latest.reason
            ),
        };
        let notes = self.run.info.outcome.iter().flat_map(|end| &end.notes);
        let notes: String = notes.map(|note| format!("; {note}")).collect();
        Some(format!("{} froze no layer{why}{notes}.", self.name))
    }

    fn what_froze(&self) -> String {
        let (summary, name) = (&self.summary, self.name);
        let most = summary.frost_lines.iter().map(|line| line.layers).max();
        let first = summary.frost_lines.iter().find(|line| line.layers > 0);
        let from = first.map_or(0.0, |line| self.run.info.length.progress(line.from));
        let now = match (summary.frozen, most.unwrap_or(0)) {
            (now, most) if now < most => format!(" ({now} at the end)"),
            _ => String::new(),
        };
        format!(
            "{name} froze {} of {} layers{now}, the first after {:.0} % of the training",
            most.unwrap_or(0),
            summary.layers,
            100.0 * from
        )
    }

    /// The ordinary run to compare with: as long as this one, and of its seed if there is one.
    fn ordinary<'b>(&self, all: &'b [Told<'b>]) -> Option<&'b Told<'b>> {
        let fits = |other: &&Told| {
            !other.summary.froze()
                && other.finished()
                && other.run.info.length == self.run.info.length
        };
        let same_seed = |other: &&Told| other.run.info.seed == self.run.info.seed;
        let mut fitting = all.iter().filter(fits);
        fitting.clone().find(same_seed).or_else(|| fitting.next())
    }

    fn finished(&self) -> bool {
        self.summary.status == Some(Status::Finished)
    }

    /// Seconds of training and measuring.
    fn seconds(&self) -> Option<f64> {
        let seconds = self.summary.training_seconds? + self.summary.measuring_seconds?;
        (drawable(seconds) && seconds > 0.0).then_some(seconds)
    }

    /// The seconds of both runs, in which there is more than what freezing saved.
    fn both_took(&self, ordinary: &Told) -> String {
        let (Some(took), Some(usual)) = (self.seconds(), ordinary.seconds()) else {
            return "How long both runs took is not known.".into();
        };
        let more_than_freezing = if self.run.info.device == ordinary.run.info.device {
            "how fast the machine was during each"
        } else {
            "that they ran on other devices"
        };
        format!(
            "By the clock it took {} and {} took {} for training and measuring: in the {} between them is also \
             {more_than_freezing}.",
            seconds_text(Some(took)),
            ordinary.name,
            seconds_text(Some(usual)),
            seconds_text(Some((usual - took).abs()))
        )
    }

    fn time(&self, ordinary: &Told) -> String {
        let (Some(took), Some(usual)) = (self.seconds(), ordinary.seconds()) else {
            return "the time that it saved is not known".into();
        };
        let devices = [self, ordinary].map(|told| &told.run.info.device);
        let elsewhere = match devices[0] == devices[1] {
            true => "",
            false => " on another device",
        };
        let (saved, less) = (usual - took, if took <= usual { "less" } else { "more" });
        format!(
            "it took {} {less} for training and measuring{elsewhere} ({:.0} % of {})",
            seconds_text(Some(saved.abs())),
            100.0 * saved.abs() / usual,
            seconds_text(Some(usual))
        )
    }

    fn quality(&self, ordinary: &Told) -> String {
        let accuracies = (self.summary.accuracy, ordinary.summary.accuracy);
        let (Some(reached), Some(usual)) = accuracies else {
            return self.loss(ordinary);
        };
        let difference = 100.0 * (reached - usual);
        let than = format!("{:.2} % against {:.2} %", 100.0 * reached, 100.0 * usual);
        let what = match difference {
            d if d < 0.0 => format!("its test accuracy is {:.2} points lower, {than}", -d),
            d if d > 0.0 => format!("its test accuracy is {d:.2} points higher, {than}"),
            _ => format!("its test accuracy is the same, {:.2} %", 100.0 * reached),
        };
        let samples = (self.summary.test_samples, ordinary.summary.test_samples);
        let (Some(n), Some(m)) = samples else {
            return what;
        };
        if n == 0 || m == 0 || difference == 0.0 {
            return what;
        }
        // Two shares of independent samples: half the width of the 95 % interval around their difference.
        let variance = |share: f64, n: usize| share * (1.0 - share) / n as f64;
        let doubt = 196.0 * (variance(reached, n) + variance(usual, m)).max(0.0).sqrt();
        match difference.abs() < doubt {
            true => format!(
                "{what}; {} test samples leave {doubt:.1} points open, so that may be chance",
                grouped(n.min(m))
            ),
            false => what,
        }
    }

    /// In place of an accuracy that nobody knows.
    fn loss(&self, ordinary: &Told) -> String {
        let known = |told: &Told| {
            let points = told.run.metrics.points();
            let tested = told
                .run
                .metrics
                .tested()
                .rev()
                .find_map(|test| test.test_loss);
            let tested = tested.map(|loss| ("test loss", loss.mean));
            tested.or_else(|| {
                let steps = points.iter().filter_map(|point| point.loss);
                let steps: Vec<f64> = steps.map(|loss| loss.mean).collect();
                let last = &steps[steps.len() - steps.len().div_ceil(20)..];
                let mean = last.iter().sum::<f64>() / last.len() as f64;
                mean.is_finite()
                    .then_some(("training loss over the last twentieth of its steps", mean))
            })
        };
        match (known(self), known(ordinary)) {
            (Some((what, reached)), Some((same, usual))) if what == same => format!(
                "no accuracy is known; its {what} is {} against {}",
                short(reached),
                short(usual)
            ),
            _ => "what it cost in accuracy is not known".into(),
        }
    }
}
