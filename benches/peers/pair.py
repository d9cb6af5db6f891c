"""SVCCA of one pair, x.npy and y.npy [sample, neuron], by a thin SVD of each.

`--covariance` takes it from the scatters `XᵀX`, `YᵀY` and `XᵀY` and an eigendecomposition of the first two instead.
"""

import numpy as np
from layers import basis_by_svd, centred, load_pair, whitening
from measuring import measured


def by_svd(pair):
    x, y = (basis_by_svd(layer) for layer in pair)
    return values(x.T @ y)


def by_covariance(pair):
    x, y = (centred(layer) for layer in pair)
    return values(whitening(x.T @ x).T @ (x.T @ y) @ whitening(y.T @ y))


def values(whitened):
    correlations = np.linalg.svd(whitened, compute_uv=False)
    return {"mean": float(correlations.mean()), "kept": list(whitened.shape), "coefs": correlations.tolist()}


if __name__ == "__main__":
    measured(__doc__, load_pair, {"svd": by_svd, "covariance": by_covariance})
