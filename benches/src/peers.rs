//! The NumPy programs in `benches/peers`, and what they answer.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::Took;

/// A program of `benches/peers`.
#[derive(Clone, Debug)]
pub struct Peer {
    program: &'static str,
    covariance: bool,
}

/// What it answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The times of its round.
    pub took: Took,
    /// The largest memory of its process, in bytes.
    pub peak: u64,
    /// What it computed.
    pub values: Value,
}

impl Peer {
    /// By its usual recipe.
    pub fn new(program: &'static str) -> Peer {
        Peer {
            program,
            covariance: false,
        }
    }

    /// By covariances, where it has that.
    pub fn covariance(program: &'static str) -> Peer {
        Peer {
            program,
            covariance: true,
        }
    }

    /// What a table calls it.
    pub fn name(&self) -> String {
        let variant = if self.covariance { ", covariances" } else { "" };
        format!("NumPy `{}`{variant}", self.program)
    }

    /// Runs it once, after a round to warm up, on the arrays in `folder`.
    ///
    /// The environment is that of FROSTLINE_PEERS_VENV, or made for this call alone.
    pub fn run(&self, folder: &Path, threads: usize) -> Answer {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/run.sh");
        let mut command = Command::new("bash");
        command
            .arg(script)
            .args(["--threads", &threads.to_string()]);
        command
            .arg(self.program)
            .arg(folder)
            .args(["--rounds", "1"]);
        if self.covariance {
            command.arg("--covariance");
        }
        let output = command.output().expect("bash runs");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            panic!(
                "{}: {}",
                self.name(),
                String::from_utf8_lossy(&output.stderr)
            )
        });
        let seconds = |field: &str| {
            let seconds = answer[field][0].as_f64().expect("a round was timed");
            Duration::from_secs_f64(seconds)
        };
        Answer {
            took: Took {
                wall: seconds("wall_s"),
                cpu: seconds("cpu_s"),
            },
            peak: answer["peak_rss_bytes"].as_u64().expect("its memory"),
            values: answer["values"].clone(),
        }
    }
}
