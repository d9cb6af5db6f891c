use frostline_svcca::Measure;
use serde::{Deserialize, Serialize};

use super::ROUNDING;
use crate::{FreezePolicy, History, Watched};

/// Freezes the longest run of layers, from the input up, that have converged.
///
/// # Formula
///
/// A layer has converged when all of this holds:
/// - it is slow: its change ([`History::change`], or with [`by_own`](Self::by_own) [`History::own_change`]) was at most
///   `threshold` at every check of the last `patience` of the training. Where checks are more than a twentieth apart, it also moved no
///   further than [`FAR`](Self::FAR), or `threshold` if that is more: nothing moves further than 1, so for each twentieth of a long
///   time everything moves little;
/// - it has learnt: it lies at least [`LEFT`](Self::LEFT) from what it was at the first check, `√(1 - s)` of its likeness to itself there
///   ([`Check::from_start`](crate::Check::from_start)), or its changes in that time were at most half of its largest, or nothing of it
///   trains ([`Check::fixed`](crate::Check::fixed)), or its updates
///   are known to gain ([`History::gain_share`]): a linear first layer learns where SVCCA, which ignores linear maps, sees it stand
///   still;
/// - nothing is judged by another cause: unless by its own changes, a layer is held against checks after the frost line below it
///   moved last ([`History::frost_line_since`]), since what it inherited from below vanished there.
///
/// Nothing freezes while the training itself has not got going: while the learning rate rises beyond what it has been
/// ([`History::rate_rises`]), or until the loss has fallen by a tenth of what it was at first, beyond doubt
/// ([`History::loss_has_fallen`]); a loop that tells no loss freezes nothing.
///
/// A layer that stands still has not converged for that: it may stand on a plateau, wait for a rate, or be frozen below.
///
/// Source: the idea of Raghu et al. 2017, section 4.3, decided while training instead of by a schedule. The conditions are
/// our own; the architecture guide says which trainings each of them is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Converged {
    /// The largest change of a layer that counts as converged.
    pub threshold: f64,
    /// For how much of the training, in `[0, 1]`.
    pub patience: f64,
    /// By what a layer is compared; none for the default, SVCCA at 99 % of the variance.
    #[serde(default)]
    pub measure: Option<Measure>,
    /// Whether layers are judged by what their own weights changed alone.
    #[serde(default)]
    pub by_own: bool,
}

impl Default for Converged {
    fn default() -> Self {
        Converged {
            threshold: 0.5,
            patience: 0.1,
            measure: None,
            by_own: false,
        }
    }
}

/// What keeps a layer, or all of them, from counting as converged.
enum Holds {
    /// Nothing.
    Nothing,
    /// What it is, as a sentence.
    Back(String),
}

impl Converged {
    /// How far from what it was at first a layer has to be.
    pub const LEFT: f64 = 0.2;
    /// From check to check a layer that moved further than this may be any number of times as fast.
    pub const FAR: f64 = 0.5;
    /// The share of the first loss by which the loss has to have fallen.
    pub const FALLEN: f64 = 0.1;

    /// What keeps everything from freezing.
    fn training(&self, history: &History) -> Holds {
        let back = |what: &str| Holds::Back(what.to_string());
        if history.checks().len() < 2 {
            return back("nothing has been compared yet");
        }
        if history.rate_rises() {
            return back("the learning rate is still rising");
        }
        match history.loss_has_fallen(Self::FALLEN) {
            Some(true) => Holds::Nothing,
            Some(false) => Holds::Back(format!(
                "the loss has not yet fallen by {:.0} % of what it was at first",
                100.0 * Self::FALLEN
            )),
            None => back(
                "the loop has not told its loss, without which standing still can't be told from having converged",
            ),
        }
    }

    /// What keeps this layer from counting as converged.
    fn layer(&self, history: &History, layer: usize) -> Holds {
        let name = &history.layers()[layer];
        let checks = history.checks();
        let change = |check: usize| match self.by_own {
            true => history.own_change(layer, check),
            false => history.change(layer, check),
        };
        // Before that its changes had another cause.
        let first = if self.by_own {
            0
        } else {
            history.frost_line_since()
        } + 1;
        let patience = self.patience * history.length().steps as f64;
        let (mut watched, mut largest) = (0.0, 0.0f64);
        let mut check = checks.len();
        while watched + ROUNDING * patience < patience || watched == 0.0 {
            check -= 1;
            if check < first {
                return Holds::Back(format!(
                    "`{name}` has been watched for {:.1} % of the training only{}",
                    100.0 * watched / history.length().steps as f64,
                    if first > 1 {
                        " since layers below it froze or thawed"
                    } else {
                        ""
                    }
                ));
            }
            let twentieths = history.trained(layer, check).unwrap_or(1.0);
            let far = |change: f64| {
                twentieths > 1.0 && change * twentieths > self.threshold.max(Self::FAR)
            };
            match change(check) {
                Some(change) if change <= self.threshold && !far(change) => {
                    largest = largest.max(change)
                }
                Some(change) if change <= self.threshold => {
                    return Holds::Back(format!(
                        "`{name}` moved by {:.3} of at most 1 since the check before, at the check of step {}: that is too far to say how fast it \
                         moves, and checks that are closer together would tell",
                        change * twentieths,
                        checks[check].step
                    ));
                }
                Some(change) => {
                    return Holds::Back(format!(
                        "`{name}` changed by {change:.3} > {} for each twentieth of the training, at the check of step {}",
                        self.threshold, checks[check].step
                    ));
                }
                None => {
                    return Holds::Back(format!(
                        "how much `{name}` changed is not known at the check of step {}",
                        checks[check].step
                    ));
                }
            }
            watched += checks[check].step.saturating_sub(checks[check - 1].step) as f64;
        }
        let from_start = checks
            .last()
            .and_then(|check| *check.from_start.get(layer)?);
        let left = from_start.map(|similarity| (1.0 - similarity).max(0.0).sqrt());
        let has_fallen = || {
            let mut all = (first..checks.len()).filter_map(change);
            all.any(|change| largest <= 0.5 * change)
        };
        let gains = || history.gain_share(layer, checks.len() - 1);
        let has_gained = || gains().is_some_and(|share| share > 0.0);
        let is_fixed = || history.is_fixed(layer, checks.len() - 1);
        if left.is_some_and(|left| left >= Self::LEFT) || has_fallen() || has_gained() || is_fixed()
        {
            return Holds::Nothing;
        }
        Holds::Back(format!(
            "`{name}` is slow, but it was from the first check on, and lies {} from what it was then ({} shows that it has learnt)",
            left.map_or("nobody knows how far".to_string(), |left| format!(
                "{left:.3}"
            )),
            Self::LEFT
        ))
    }

    /// How many layers have converged, and what holds the next one back.
    fn decide(&self, history: &History) -> (usize, Holds) {
        let frozen = history.frozen();
        if let back @ Holds::Back(_) = self.training(history) {
            return (frozen, back);
        }
        for layer in frozen..history.layers().len() {
            if let back @ Holds::Back(_) = self.layer(history, layer) {
                return (layer, back);
            }
        }
        (history.layers().len(), Holds::Nothing)
    }
}

impl FreezePolicy for Converged {
    fn frozen_layers(&self, history: &History) -> usize {
        self.decide(history).0
    }

    fn reason(&self, history: &History) -> String {
        match self.decide(history).1 {
            Holds::Nothing => "every layer has converged".to_string(),
            Holds::Back(what) => what,
        }
    }

    fn describe(&self) -> String {
        let own = if self.by_own { "own change" } else { "change" };
        let by = self.measure.map(|measure| format!(", by {measure}"));
        format!(
            "converged: {own} at most {} for {} of training{}",
            self.threshold,
            self.patience,
            by.unwrap_or_default()
        )
    }

    fn watches(&self) -> Watched {
        Watched {
            parts: self.by_own,
            ..Watched::default()
        }
    }

    fn measure(&self) -> Option<Measure> {
        self.measure
    }
}
