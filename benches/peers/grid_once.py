"""SVCCA of all rows against all columns: one thin SVD a layer, then one CCA a pair.

`--covariance` takes the directions of each layer from an eigendecomposition of its scatter instead.
"""

import numpy as np
from layers import basis_by_covariance, basis_by_svd, grid_values, load_grid
from measuring import measured


def grid(layers, basis):
    rows, columns = ([basis(layer) for layer in side] for side in layers)
    means = [[mean_correlation(x, y) for y in columns] for x in rows]
    return grid_values(means, [x.shape[1] for x in rows], [y.shape[1] for y in columns])


def mean_correlation(x, y):
    """Of two orthonormal bases: the mean of the min(kx, ky) singular values of `xᵀ y`."""
    return float(np.linalg.svd(x.T @ y, compute_uv=False).mean())


if __name__ == "__main__":
    variants = {
        "svd": lambda layers: grid(layers, basis_by_svd),
        "covariance": lambda layers: grid(layers, basis_by_covariance),
    }
    measured(__doc__, load_grid, variants)
