use frostline::report::{Cost, Figure, Study};
use serde_json::{Value, json};

/// The study's trainings, named as their folders are, and what each policy is worth.
pub(crate) fn of<'a>(study: &Study, names: impl Iterator<Item = &'a str>) -> Value {
    let arms = study.arms.iter().zip(names).map(|(arm, name)| {
        json!({
            "name": name,
            "policy": arm.policy,
            "epochs": arm.epochs,
            "seed": arm.seed,
            "outcome": arm.outcome,
        })
    });
    let worth = Cost::ALL.into_iter().flat_map(|cost| study.worth(cost));
    let worth = worth.map(|worth| {
        json!({
            "policy": worth.policy,
            "against": worth.cost.name(),
            "points_at_equal_cost": figure(&worth.points),
            "cost_at_equal_accuracy": figure(&worth.share),
        })
    });
    json!({
        "title": study.title,
        "notices": study.notices,
        "arms": arms.collect::<Vec<_>>(),
        "worth": worth.collect::<Vec<_>>(),
    })
}

fn figure(figure: &Figure) -> Value {
    let each = figure.each.iter().map(|compared| {
        json!({
            "seed": compared.seed,
            "epochs": compared.epochs,
            "value": compared.value.as_ref().ok(),
            "not_known": compared.value.as_ref().err().map(|why| why.to_string()),
        })
    });
    let each: Vec<Value> = each.collect();
    match &figure.overall {
        Ok(overall) => json!({
            "mean": overall.mean,
            "interval": overall.interval,
            "seeds": overall.seeds,
            "each": each,
        }),
        Err(why) => json!({
            "mean": null,
            "not_known": why.to_string(),
            "each": each,
        }),
    }
}
