use frostline_activations::Outcome;

use crate::front::{cost_at_equal_accuracy, points_at_equal_cost};
use crate::{Cost, Figure, Front, Trial};

/// Ordinary training and Freeze Training at several lengths, each with several seeds: what freezing is worth
/// is how far its front of accuracy against cost lies from the ordinary one.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// One line that says what was trained on what.
    pub title: String,
    /// What a reader must know before believing the numbers.
    pub notices: Vec<String>,
    /// The trainings, in the order of the table.
    pub arms: Vec<Arm>,
}

/// One training of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The freeze policy; none for ordinary training.
    pub policy: Option<String>,
    /// Its length.
    pub epochs: usize,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What one policy is worth by one cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// The policy.
    pub policy: String,
    /// What accuracy is weighed against.
    pub cost: Cost,
    /// Points of accuracy gained at equal cost, see [`points_at_equal_cost`].
    pub points: Figure,
    /// Cost at equal accuracy, as a share, see [`cost_at_equal_accuracy`].
    pub share: Figure,
}

impl Study {
    /// The ordinary front, then one a policy, in the order of the arms; an arm whose accuracy or cost is not
    /// known is in none.
    pub fn fronts(&self, cost: Cost) -> Vec<Front> {
        let policies = self.policies().into_iter().map(Some);
        std::iter::once(None)
            .chain(policies)
            .map(|policy| Front {
                name: policy.unwrap_or(ORDINARY).to_string(),
                trials: self.trials(policy, cost),
            })
            .collect()
    }

    /// What each policy is worth, in the order of the arms.
    pub fn worth(&self, cost: Cost) -> Vec<Worth> {
        let ordinary = self.trials(None, cost);
        let policies = self.policies().into_iter();
        policies
            .map(|policy| {
                let freezing = self.trials(Some(policy), cost);
                Worth {
                    policy: policy.to_string(),
                    cost,
                    points: points_at_equal_cost(&ordinary, &freezing),
                    share: cost_at_equal_accuracy(&ordinary, &freezing),
                }
            })
            .collect()
    }

    fn policies(&self) -> Vec<&str> {
        let mut policies = Vec::new();
        for policy in self.arms.iter().filter_map(|arm| arm.policy.as_deref()) {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
        policies
    }

    fn trials(&self, policy: Option<&str>, cost: Cost) -> Vec<Trial> {
        let arms = self.arms.iter();
        arms.filter(|arm| arm.policy.as_deref() == policy)
            .filter_map(|arm| {
                Some(Trial {
                    seed: arm.seed,
                    epochs: arm.epochs,
                    cost: cost.of(&arm.outcome)?,
                    accuracy: arm.outcome.accuracy?,
                })
            })
            .collect()
    }
}

/// What training without freezing is called.
pub(crate) const ORDINARY: &str = "ordinary";
