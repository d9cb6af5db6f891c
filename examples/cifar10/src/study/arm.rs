use std::error::Error;
use std::path::Path;

use frostline::activations::{Outcome, RunFolder};
use frostline::freeze::PolicyConfig;
use frostline::prelude::*;

use crate::arguments::StudyArguments;
use crate::session::{Job, Session};

/// One training of the study.
pub(crate) struct Arm {
    /// None for ordinary training.
    pub(crate) policy: Option<PolicyConfig>,
    pub(crate) job: Job,
}

/// What an arm's folder holds.
#[derive(PartialEq)]
pub(crate) enum Found {
    Nothing,
    /// A run that was stopped or killed.
    Unfinished,
    Finished(Box<Outcome>),
}

/// The checks of an ordinary training: before the first step and after the last.
const ORDINARY_CHECKS: usize = 1;

/// All arms, seed by seed, so that a study that was stopped early has whole seeds.
/// Errors: two policies whose folders would have the same name.
pub(crate) fn arms(arguments: &StudyArguments) -> Result<Vec<Arm>, String> {
    let policies = once(&arguments.policies);
    let slugs: Vec<String> = policies.iter().map(slug).collect();
    for (index, own) in slugs.iter().enumerate() {
        if let Some(first) = slugs[..index].iter().position(|other| other == own) {
            return Err(format!(
                "the policies {} and {} would share the folders {own}-...; study one of them elsewhere \
                 (--out)",
                policies[first], policies[index]
            ));
        }
    }
    let arm = |seed: u64, epochs: u32, policy: Option<(&PolicyConfig, &String)>| {
        let name = policy.map_or("ordinary", |(_, slug)| slug);
        let policy = policy.map(|(policy, _)| policy.clone());
        Arm {
            job: Job {
                name: format!("{name}-e{epochs}-s{seed}"),
                policy: policy.clone().unwrap_or(PolicyConfig::Never),
                epochs: epochs as usize,
                seed,
                checks: match policy {
                    None => Some(ORDINARY_CHECKS),
                    Some(_) => arguments.training.checks(),
                },
                pictured: false,
            },
            policy,
        }
    };
    let mut arms = Vec::new();
    for seed in once(&arguments.seeds) {
        let ordinary = once(&arguments.lengths).into_iter();
        arms.extend(ordinary.map(|epochs| arm(seed, epochs, None)));
        for policy in policies.iter().zip(&slugs) {
            let freezing = once(&arguments.freeze_lengths).into_iter();
            arms.extend(freezing.map(|epochs| arm(seed, epochs, Some(policy))));
        }
    }
    Ok(arms)
}

impl Arm {
    /// What this arm's folder holds. Errors: a finished run with other settings, and one that can't be read.
    pub(crate) fn found_in(
        &self,
        out: &Path,
        session: &Session<'_>,
    ) -> Result<Found, Box<dyn Error>> {
        let path = out.join(&self.job.name);
        if !RunFolder::is_run(&path) {
            return Ok(Found::Nothing);
        }
        // A kill can leave a folder in which nothing is written yet.
        if !path.join("run.json").is_file() {
            return Ok(Found::Unfinished);
        }
        let info = Run::open(&path)?.info;
        let finished = |outcome: &Outcome| outcome.status == Status::Finished;
        let Some(outcome) = info.outcome.clone().filter(finished) else {
            return Ok(Found::Unfinished);
        };
        let others = self.differences(&info, session)?;
        if others.is_empty() {
            return Ok(Found::Finished(Box::new(outcome)));
        }
        Err(format!(
            "{} was trained with other settings: {}. Give the study another folder (--out), or remove that \
             one",
            path.display(),
            others.join(", ")
        )
        .into())
    }

    /// The settings that are not those of this arm, in words.
    fn differences(
        &self,
        info: &RunInfo,
        session: &Session<'_>,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let wanted = session.described(&self.job);
        let policy = self.job.policy.init()?.describe();
        // A folder of an earlier version names the device alone.
        let device = if info.device == session.adapter().device {
            info.device.clone()
        } else {
            session.adapter().to_string()
        };
        let mut pairs = vec![
            ("policy", Some(&info.policy), Some(&policy)),
            ("device", Some(&info.device), Some(&device)),
        ];
        let keys = wanted.keys().chain(info.settings.keys());
        for key in once(&keys.collect::<Vec<_>>()) {
            pairs.push((key, info.settings.get(key), wanted.get(key)));
        }
        let written = |value: Option<&String>| value.map_or("not known".into(), String::clone);
        Ok(pairs
            .into_iter()
            .filter(|(_, there, here)| there != here)
            .map(|(key, there, here)| {
                format!(
                    "{key} is {} there and {} here",
                    written(there),
                    written(here)
                )
            })
            .collect())
    }
}

/// A policy as a folder's name: letters, digits and points, `-` between.
fn slug(policy: &PolicyConfig) -> String {
    let text = policy.to_string();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// The values in their order, each once.
fn once<T: Clone + PartialEq>(values: &[T]) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(value) {
            seen.push(value.clone());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn names(arguments: &str) -> Result<Vec<String>, String> {
        let words = std::iter::once("cifar10").chain(arguments.split(' '));
        let parsed = Arguments::try_parse_from(words).unwrap();
        let Some(Command::Study(study)) = parsed.command else {
            panic!("{arguments} is a study")
        };
        let arms = arms(&study)?;
        Ok(arms.into_iter().map(|arm| arm.job.name).collect())
    }

    #[test]
    fn a_seed_s_arms_come_together_ordinary_ones_first() {
        let found = names("study --lengths 1,2,1 --freeze-lengths 3 --policy linear --seeds 1,7");
        let expected = [
            "ordinary-e1-s1",
            "ordinary-e2-s1",
            "linear-0-1-e3-s1",
            "ordinary-e1-s7",
            "ordinary-e2-s7",
            "linear-0-1-e3-s7",
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn policies_may_be_given_in_any_way_and_number() {
        let found = names(
            "study --lengths 1 --freeze-lengths 1 --seeds 1 --policy=linear --policy=linear(0,1) \
             --policy=warmup(0.3,converged(0.02,0.2))",
        );
        let expected = [
            "ordinary-e1-s1",
            "linear-0-1-e1-s1",
            "warmup-0.3-converged-0.02-0.2-e1-s1",
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn ordinary_training_is_checked_at_its_ends_only() {
        let arguments = Arguments::parse_from(["cifar10", "study", "--checks", "5"]);
        let Some(Command::Study(study)) = arguments.command else {
            panic!("it is a study")
        };
        for arm in arms(&study).unwrap() {
            let expected = Some(if arm.policy.is_none() { 1 } else { 5 });
            assert_eq!(arm.job.checks, expected, "{}", arm.job.name);
        }
    }
}
