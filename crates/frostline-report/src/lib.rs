//! Pictures of training runs: what every layer was like while it trained, when it froze, and what that
//! cost. SVG for one picture, or one HTML page for a comparison of runs.
//!
//! ```
//! use frostline_activations::Run;
//! use frostline_report::{Page, RunPictures};
//!
//! fn page(runs: &[Run]) -> Result<String, frostline_report::Error> {
//!     let pictures = |run| RunPictures { run, panes: vec![], to_end: vec![] };
//!     let runs = runs.iter().map(pictures).collect();
//!     Page { title: "Two runs".into(), notices: vec![], runs }.html()
//! }
//! # assert!(page(&[])?.contains("<h1>Two runs</h1>"));
//! # Ok::<(), frostline_report::Error>(())
//! ```
//!
//! - [`Page`] puts everything on one page, under a [`page_title`] for all runs, [`text_table`] the numbers into a terminal.
//! - [`panes`], [`similarity_to_end`], [`similarity_to_previous`], [`own_share_of_change`] and [`freeze_timeline`] show the layers
//!   of a run, [`loss`], [`accuracy`], [`train_accuracy`], [`test_loss`], [`learning_rate`], [`frozen_layers`] and
//!   [`compared_layers`] what all runs did and reached, [`Against`] steps, epochs, training time or operations.
//! - [`Study`] weighs what freezing policies are worth: [`fronts`] draws accuracy against cost,
//!   [`points_at_equal_cost`] and [`cost_at_equal_accuracy`] put numbers to the distance between two fronts.
//! - [`heatmap`] shows the layers of one network against those of another, [`by_depth`] a value a layer,
//!   [`strips`] the directions in which two networks agree, [`trade_off`] one quantity against another.
//! - [`Summary`] holds a run's numbers.
//! - [`svg_files`], [`csv_files`] and [`tensorboard_files`] are the page's pictures and numbers as files for
//!   other programs.
//! - [`aligned`], [`escaped`] and [`fixed`] are for whatever else is printed on a terminal.
//!
//! Nothing here sees a tensor: similarities come in as numbers. A picture for which nothing was recorded
//! is [`Error::Nothing`]; names and notices may hold anything, they stay text.

mod against;
mod axis;
mod by_depth;
mod colour;
mod compact;
mod compared_layers;
mod cost;
mod csv_files;
mod curves;
mod doubts;
mod error;
mod front;
mod fronts;
mod hatching;
mod heatmap;
mod home;
mod in_short;
mod judged;
mod legend;
mod own_share;
mod page;
mod page_curves;
mod page_numbers;
mod page_size;
mod page_tables;
mod page_title;
mod plot;
mod report_file;
mod run_curves;
mod savings;
mod savings_pictures;
mod scheme;
mod short_names;
mod smoothing;
mod strips;
mod study;
mod study_page;
mod summary;
mod svg;
mod svg_files;
mod tensorboard;
mod terminal;
mod timeline;
mod trade_off;

pub use against::Against;
pub use by_depth::{ByDepth, DepthCurve, by_depth};
pub use compared_layers::{ComparedLayer, compared_layers};
pub use cost::Cost;
pub use csv_files::csv_files;
pub use curves::{
    Certainty, LayerCurve, similarity_to_end, similarity_to_end_with, similarity_to_previous,
};
pub use error::Error;
pub use front::{
    Compared, Estimate, Figure, NoFigure, Trial, cost_at_equal_accuracy, points_at_equal_cost,
};
pub use fronts::{Front, fronts};
pub use heatmap::{Heatmap, Pane, heatmap, panes, similarity_colours};
pub use own_share::own_share_of_change;
pub use page::{Page, RunPictures};
pub use page_title::page_title;
pub use report_file::ReportFile;
pub use run_curves::{accuracy, frozen_layers, learning_rate, loss, test_loss, train_accuracy};
pub use strips::{Strip, Strips, strips};
pub use study::{Arm, Study, Worth};
pub use summary::{FrostLine, Summary, text_table};
pub use svg_files::svg_files;
pub use tensorboard::tensorboard_files;
pub use terminal::{aligned, escaped, fixed};
pub use timeline::freeze_timeline;
pub use trade_off::{TradeOff, TradeOffLine, TradeOffPoint, trade_off};
