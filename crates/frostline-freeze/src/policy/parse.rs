use std::fmt::Display;

use super::PolicyConfig;
use crate::{
    AtMost, Converged, CostsAtMost, Cubic, DryRun, Error, FreezeAt, Geometric, GradNorm, Linear,
    ThawOnLrDrop, Warmup, WeightDelta,
};

/// Reads a policy and checks that its parameters are in range.
///
/// A policy is a name, or a name and arguments in parentheses, commas between; an argument may be a policy.
pub(super) fn policy(text: &str) -> Result<PolicyConfig, Error> {
    let whole = Part { at: 0, text };
    nested(whole, 0).map_err(|Problem { at, problem }| Error::BadPolicy {
        policy: text.to_string(),
        at: text[..at].chars().count() + 1,
        problem,
    })
}

/// Every policy there is, with the names of its parameters.
const POLICIES: [&str; 13] = [
    "never",
    "linear(start, level)",
    "cubic(t0, scaling)",
    "freeze_at(share of training, ...)",
    "geometric(alpha)",
    "grad_norm(percentile)",
    "weight_delta(threshold, patience)",
    "converged(threshold, patience, measure, whose)",
    "warmup(until, policy)",
    "at_most(fraction, policy)",
    "costs_at_most(loss, policy)",
    "thaw_on_lr_drop(factor, policy)",
    "dry_run(policy)",
];

/// Nobody needs more, and the stack has an end.
const DEEPEST: usize = 32;

/// What a number may be.
struct Allowed {
    numbers: &'static str,
    holds: fn(f64) -> bool,
}

const SHARE: Allowed = Allowed {
    numbers: "in [0, 1]",
    holds: |value| (0.0..=1.0).contains(&value),
};
const SHARE_BELOW_ONE: Allowed = Allowed {
    numbers: "in [0, 1)",
    holds: |value| (0.0..1.0).contains(&value),
};
const PATIENCE: Allowed = Allowed {
    numbers: "in [0, 1], the share of the training for which a layer is to be slow",
    holds: SHARE.holds,
};
const PERCENT: Allowed = Allowed {
    numbers: "in [0, 100]",
    holds: |value| (0.0..=100.0).contains(&value),
};
const THRESHOLD: Allowed = Allowed {
    numbers: "of 0 or more, and finite",
    holds: |value| (0.0..f64::INFINITY).contains(&value),
};
const FACTOR: Allowed = Allowed {
    numbers: "above 1, and finite",
    holds: |value| value > 1.0 && value.is_finite(),
};

fn nested(text: Part, depth: usize) -> Result<PolicyConfig, Problem> {
    if depth > DEEPEST {
        return Err(text.problem(format!("policies are nested more than {DEEPEST} deep")));
    }
    let call = Call::read(text)?;
    let within = |index| nested(call.required(index)?, depth + 1).map(Box::new);
    Ok(match call.name {
        "never" => PolicyConfig::Never,
        "linear" => {
            let Linear { start, level } = Linear::default();
            PolicyConfig::Linear(Linear {
                start: call.number(0, start, SHARE_BELOW_ONE)?,
                level: call.number(1, level, SHARE)?,
            })
        }
        "cubic" => {
            let Cubic { t0, scale_lr } = Cubic::default();
            PolicyConfig::Cubic(Cubic {
                t0: call.number(0, t0, SHARE)?,
                scale_lr: call.scaling(1, scale_lr)?,
            })
        }
        "freeze_at" => {
            let shares = 0..call.arguments.len().max(1);
            let at = shares.map(|layer| call.required_number(layer, SHARE));
            let at = at.collect::<Result<_, Problem>>()?;
            PolicyConfig::FreezeAt(FreezeAt { at })
        }
        "geometric" => {
            let Geometric { alpha } = Geometric::default();
            let alpha = call.number(0, alpha, SHARE)?;
            PolicyConfig::Geometric(Geometric { alpha })
        }
        "grad_norm" => {
            let GradNorm { percentile } = GradNorm::default();
            let percentile = call.number(0, percentile, PERCENT)?;
            PolicyConfig::GradNorm(GradNorm { percentile })
        }
        "weight_delta" => {
            let default = WeightDelta::default();
            PolicyConfig::WeightDelta(WeightDelta {
                threshold: call.number(0, default.threshold, THRESHOLD)?,
                patience: call.checks(1, default.patience)?,
            })
        }
        "converged" => {
            let default = Converged::default();
            PolicyConfig::Converged(Converged {
                threshold: call.number(0, default.threshold, THRESHOLD)?,
                patience: call.number(1, default.patience, PATIENCE)?,
                by_own: call.by_own(3)?,
                measure: match call.arguments.get(2) {
                    None => default.measure,
                    Some(name) => Some(name.text.parse().map_err(|error| name.problem(error))?),
                },
            })
        }
        "warmup" => PolicyConfig::Warmup(Warmup {
            until: call.required_number(0, SHARE)?,
            policy: within(1)?,
        }),
        "at_most" => PolicyConfig::AtMost(AtMost {
            fraction: call.required_number(0, SHARE)?,
            policy: within(1)?,
        }),
        "costs_at_most" => PolicyConfig::CostsAtMost(CostsAtMost {
            loss: call.required_number(0, SHARE)?,
            policy: within(1)?,
        }),
        "thaw_on_lr_drop" => PolicyConfig::ThawOnLrDrop(ThawOnLrDrop {
            factor: call.required_number(0, FACTOR)?,
            policy: within(1)?,
        }),
        "dry_run" => PolicyConfig::DryRun(DryRun(within(0)?)),
        name => unreachable!("`{name}` was found among the policies"),
    })
}

/// A part of the text without the spaces around it, and the byte at which it starts.
#[derive(Clone, Copy)]
struct Part<'a> {
    at: usize,
    text: &'a str,
}

/// What is wrong, and with what starts at which byte.
struct Problem {
    at: usize,
    problem: String,
}

impl<'a> Part<'a> {
    /// These bytes of it, the spaces around them left out.
    fn part(self, from: usize, to: usize) -> Part<'a> {
        let text = &self.text[from..to];
        let spaces = text.len() - text.trim_start().len();
        Part {
            at: self.at + from + spaces,
            text: text.trim(),
        }
    }

    fn problem(self, problem: impl Display) -> Problem {
        Problem {
            at: self.at,
            problem: problem.to_string(),
        }
    }
}

/// A policy's name and its arguments.
struct Call<'a> {
    name: &'a str,
    /// Its line among the policies.
    signature: &'static str,
    whole: Part<'a>,
    arguments: Vec<Part<'a>>,
}

impl<'a> Call<'a> {
    fn read(text: Part<'a>) -> Result<Self, Problem> {
        let whole = text.part(0, text.text.len());
        let (name, arguments) = match whole.text.find('(') {
            None => (whole, Vec::new()),
            Some(open) => (whole.part(0, open), arguments(whole, open)?),
        };
        let named = |signature: &&&str| signature.split('(').next() == Some(name.text);
        let Some(signature) = POLICIES.iter().find(named) else {
            let all = POLICIES.join(", ");
            return Err(name.problem(format!(
                "there is no policy `{}`; there are {all}",
                name.text
            )));
        };
        let call = Call {
            name: name.text,
            signature,
            whole,
            arguments,
        };
        let takes = call.parameters().count();
        match call.arguments.get(takes) {
            _ if signature.ends_with("...)") => Ok(call),
            None => Ok(call),
            Some(more) => Err(more.problem(format!(
                "`{signature}` takes {takes} arguments, not {}",
                call.arguments.len()
            ))),
        }
    }

    /// The names of its parameters.
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        let inside = self
            .signature
            .strip_suffix(')')
            .and_then(|s| s.split_once('('));
        inside.into_iter().flat_map(|(_, names)| names.split(", "))
    }

    fn parameter(&self, index: usize) -> &'static str {
        let named = self.parameters().filter(|name| *name != "...");
        // What may be repeated stands last.
        named.take(index + 1).last().expect("it has parameters")
    }

    fn required(&self, index: usize) -> Result<Part<'a>, Problem> {
        self.arguments.get(index).copied().ok_or_else(|| {
            let (signature, parameter) = (self.signature, self.parameter(index));
            self.whole
                .problem(format!("`{signature}` needs its {parameter}"))
        })
    }

    fn number(&self, index: usize, default: f64, allowed: Allowed) -> Result<f64, Problem> {
        match self.arguments.get(index) {
            None => Ok(default),
            Some(_) => self.required_number(index, allowed),
        }
    }

    fn required_number(&self, index: usize, allowed: Allowed) -> Result<f64, Problem> {
        let argument = self.required(index)?;
        let number = argument.text.parse().ok();
        number
            .filter(|&number| (allowed.holds)(number))
            .ok_or_else(|| {
                let numbers = allowed.numbers;
                self.refused(index, format!("a number {numbers}"))
            })
    }

    /// A number of checks.
    fn checks(&self, index: usize, default: usize) -> Result<usize, Problem> {
        let Some(argument) = self.arguments.get(index) else {
            return Ok(default);
        };
        let count = argument.text.parse().ok();
        count
            .filter(|&count| count > 0)
            .ok_or_else(|| self.refused(index, "a whole number of 1 or more"))
    }

    fn scaling(&self, index: usize, default: bool) -> Result<bool, Problem> {
        match self.arguments.get(index).map(|argument| argument.text) {
            None => Ok(default),
            Some("scaled") => Ok(true),
            Some("unscaled") => Ok(false),
            Some(_) => Err(self.refused(index, "`scaled` or `unscaled`")),
        }
    }

    /// Whose change it is: `own` for that of the layer's own weights alone.
    fn by_own(&self, index: usize) -> Result<bool, Problem> {
        match self.arguments.get(index).map(|argument| argument.text) {
            None | Some("all") => Ok(false),
            Some("own") => Ok(true),
            Some(_) => Err(self.refused(index, "`own`, or `all` for what is inherited too")),
        }
    }

    fn refused(&self, index: usize, takes: impl Display) -> Problem {
        let argument = self.arguments[index];
        argument.problem(format!(
            "{} is `{}`; it takes {takes}",
            self.parameter(index),
            argument.text
        ))
    }
}

/// What stands between the parenthesis at `open` and the one that closes it, which has to be the end.
fn arguments(whole: Part, open: usize) -> Result<Vec<Part>, Problem> {
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0, open + 1);
    for (at, character) in whole.text.char_indices().skip_while(|(at, _)| *at < open) {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 1 => {
                arguments.push(whole.part(start, at));
                start = at + 1;
            }
            _ => {}
        }
        if depth == 0 {
            arguments.push(whole.part(start, at));
            let rest = whole.part(at + 1, whole.text.len());
            return match rest.text.is_empty() {
                true => Ok(arguments),
                false => Err(rest.problem(format!("`{}` follows the end", rest.text))),
            };
        }
    }
    Err(whole
        .part(open, whole.text.len())
        .problem("this parenthesis is never closed"))
}
