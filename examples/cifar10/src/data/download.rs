//! Burn's download of CIFAR-10, with its panics turned into an error.

use std::{panic, sync::Arc, thread};

use burn_dataset::vision::{CifarDataset, CifarType};

/// Downloads and unpacks CIFAR-10 into the user's cache folder, where there is no folder yet.
pub(super) fn cifar10() -> Result<(), String> {
    without_panic(|| {
        CifarDataset::new(CifarType::Cifar10);
    })
}

/// Runs `work` on a thread of its own; a panic there becomes its message, and is not printed.
pub(super) fn without_panic(work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    const NAME: &str = "cifar10-download";
    let before: Arc<dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync> = panic::take_hook().into();
    let hook = before.clone();
    // The hook is the whole process's, so it stays silent about this thread only.
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() != Some(NAME) {
            hook(info);
        }
    }));
    let outcome = thread::Builder::new().name(NAME.into()).spawn(work);
    let outcome = match outcome {
        Ok(worker) => worker.join().map_err(|payload| {
            let message = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            in_short(message)
        }),
        Err(error) => Err(error.to_string()),
    };
    panic::set_hook(Box::new(move |info| before(info)));
    outcome
}

/// The part of a panic's message that a reader can use, on one line.
fn in_short(message: &str) -> String {
    const LONGEST: usize = 160;
    let message = message
        .rsplit_once("on an `Err` value: ")
        .map_or(message, |(_, error)| error);
    // What a network error has to say stands in quotes between names of types.
    let said: Vec<&str> = message
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|part| !part.starts_with("http"))
        .collect();
    let message = if said.is_empty() {
        message.into()
    } else {
        said.join(": ")
    };
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        let outcome = without_panic(|| panic!("no route to host"));
        assert_eq!(outcome, Err("no route to host".into()));
    }

    #[test]
    fn a_network_error_keeps_its_words_and_loses_its_types() {
        let message = r#"called `Result::unwrap()` on an `Err` value: reqwest::Error { url:
            "https://host/file", source: ConnectError("dns error", Custom { error: "no name" }) }"#;
        assert_eq!(in_short(message), "dns error: no name");
    }

    #[test]
    fn a_long_message_is_cut_short_between_characters() {
        let message = in_short(&"é".repeat(500));
        assert_eq!(message.chars().count(), 163);
        assert!(message.ends_with("..."));
    }
}
