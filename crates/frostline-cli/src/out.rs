//! The one way by which the command prints: a reader that went away ends it quietly, and nothing that comes from a file
//! reaches the terminal but as text.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};

use frostline::report::escaped;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Prints a text as it is: who makes it has [`escaped`] what comes from files.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Data(format!("standard output can't be written: {error}")),
    })
}

/// Prints a value as JSON, exactly: JSON has escapes of its own.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Prints a line about the work on standard error.
pub(crate) fn warn(warning: impl Display) {
    tell(&format!("warning: {}", escaped(&warning.to_string())));
}

/// Prints a line on standard error; with that one closed there is nobody to tell.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether what is printed may have colours.
pub(crate) fn in_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A bar on standard error, where that is a terminal.
pub(crate) fn bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    ProgressBar::new(0).with_style(style)
}
