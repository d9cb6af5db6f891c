//! The campaign of kills for as long as one likes: runs are killed at random moments, go on, and have to end bit by bit as
//! a run that was never killed.
//!
//! ```sh
//! cargo run -p frostline-tests --example kills -- 500      # rounds
//! cargo run -p frostline-tests --example kills -- 500 7    # and the seed of the moments
//! ```

#[path = "../killed/mod.rs"]
mod killed;

use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if killed::train_as_child()? {
        return Ok(());
    }
    let mut numbers = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>());
    let rounds = numbers.next().transpose()?.unwrap_or(100);
    let seed = numbers.next().transpose()?.unwrap_or(1);
    let this = std::env::current_exe()?;
    let kills = killed::campaign(
        || Command::new(&this),
        rounds as usize,
        seed,
        |line| println!("{line}"),
    );
    println!(
        "{kills} kills in {rounds} rounds, and every run ended as the one that was never killed"
    );
    Ok(())
}
