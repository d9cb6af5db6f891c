use burn::tensor::Tensor;

use crate::{Error, centre, projection::check_count, split_mix::SplitMix};

/// `k` of so many neurons, drawn without replacement; the same seed draws the same, and more of them begin with
/// those that fewer are.
///
/// Errors: `BadCount`.
pub fn random_neurons(neurons: usize, k: usize, seed: u64) -> Result<Vec<usize>, Error> {
    check_count("neurons", k, neurons)?;
    let mut random = SplitMix(seed);
    let mut drawn: Vec<usize> = (0..neurons).collect();
    for place in 0..k {
        let rest = (neurons - place) as u128;
        let chosen = (u128::from(random.draw()) * rest) >> 64;
        drawn.swap(place, place + chosen as usize);
    }
    drawn.truncate(k);
    Ok(drawn)
}

/// The `k` most active neurons, the most active first: those with the largest mean square of their activations,
/// which has the order of the Euclidean norms. Of equal ones the lower comes first.
///
/// Shapes: `activations: [sample, neuron]`.
/// Errors: `BadCount`, `Empty`, `NotFinite`.
pub fn most_active_neurons(activations: &Tensor<2>, k: usize) -> Result<Vec<usize>, Error> {
    let [_, neurons] = activations.dims();
    check_count("neurons", k, neurons)?;
    let squares = centre::mean_squares(activations)?;
    let mut order: Vec<usize> = (0..neurons).collect();
    order.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
    order.truncate(k);
    Ok(order)
}
