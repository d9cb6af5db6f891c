/// What can go wrong between a run folder and its page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no runs to show.
    #[error("no runs were given")]
    NoRuns,
    /// Reading a run failed.
    #[error(transparent)]
    Activations(#[from] frostline_activations::Error),
    /// Drawing failed.
    #[error(transparent)]
    Report(#[from] frostline_report::Error),
}
