//! A seed gives the same run. A device's random numbers belong to the whole process, so these tests have
//! a process of their own and take turns.

#[expect(dead_code, reason = "the other test program uses the rest")]
#[path = "freeze/nets.rs"]
mod nets;

use std::sync::Mutex;

use frostline_freeze::{Converged, DryRun, Linear, Never};
use nets::{Net, STEPS, freezing, optimizer, run, train_step, values};

static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn recording_and_dry_runs_change_nothing_in_the_training() {
    let _alone = ALONE.lock();
    let mut untouched = Net::new(5);
    let mut optimizer = optimizer();
    for step in 1..=STEPS {
        untouched = train_step(untouched, &mut optimizer, step as u64);
    }
    let expected = values(&untouched);

    let net = Net::new(5);
    let mut never = freezing(&net, Never);
    assert_eq!(values(&run(net, &mut never)), expected);

    let net = Net::new(5);
    let mut dry = freezing(&net, DryRun(Linear::default()));
    assert_eq!(values(&run(net, &mut dry)), expected);
    let decided: Vec<usize> = dry
        .history()
        .checks()
        .iter()
        .map(|check| check.decided)
        .collect();
    assert_eq!(decided, [0, 0, 0, 1, 1, 1, 2, 2, 3]);
    assert!(dry.history().checks().iter().all(|check| check.frozen == 0));
}

#[test]
fn the_same_seed_gives_the_same_similarities_and_decisions() {
    let _alone = ALONE.lock();
    let run_once = || {
        let net = Net::new(8);
        let mut freezing = freezing(
            &net,
            Converged {
                threshold: 0.2,
                patience: 1,
                ..Converged::default()
            },
        );
        run(net, &mut freezing);
        let checks = freezing.history().checks().iter();
        checks
            .map(|check| (check.similarity.clone(), check.frozen, check.reason.clone()))
            .collect::<Vec<_>>()
    };
    let (first, second) = (run_once(), run_once());
    assert_eq!(first, second);
    assert!(
        first.last().unwrap().1 > 0,
        "the threshold is loose enough to freeze something"
    );
}
