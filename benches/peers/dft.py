"""DFT-CCA of x.npy and y.npy [n, c, h, w]: a complex CCA of the channels at each of the h·w frequencies.

By QR of the n × c coefficients of either side, then the singular values of `Qxᴴ Qy`. `--covariance` whitens the c × c
cross covariance by eigh instead.
"""

import numpy as np
from layers import centred, load_pair
from measuring import measured


def load(folder, dtype):
    x, y = load_pair(folder, dtype)
    if x.ndim != 4 or y.ndim != 4 or x.shape[2:] != y.shape[2:]:
        raise ValueError(f"x is {x.shape}, y {y.shape}; both must be [n, c, h, w] of one height and width")
    return x, y


def dft_cca(maps, correlations):
    height, width = maps[0].shape[2:]
    found = [float(correlations(x, y).mean()) for x, y in zip(*(frequencies(side) for side in maps))]
    mean_per_frequency = np.reshape(found, (height, width))
    return {"mean": float(mean_per_frequency.mean()), "mean_per_frequency": mean_per_frequency.tolist()}


def frequencies(maps):
    """The coefficients [h·w, n, c] of centred maps [n, c, h, w]; their means over the samples are zero, too.

    The frequencies go first before the transform, since half as many bytes move then as after it.
    """
    n, c, h, w = maps.shape
    pixels = np.ascontiguousarray(centred(maps).reshape(n * c, h * w).T)
    return np.fft.fft2(pixels.reshape(h, w, n * c), axes=(0, 1)).reshape(h * w, n, c)


def by_qr(x, y):
    return np.linalg.svd(orthonormal(x).conj().T @ orthonormal(y), compute_uv=False)


def orthonormal(x):
    q, r = np.linalg.qr(x)
    diagonal = np.abs(np.diagonal(r))
    eps = tolerance(x)
    if diagonal.min() > eps * diagonal.max():
        return q
    # A dead channel or dependent ones: only the directions that are there.
    u, s, _ = np.linalg.svd(r)
    return q @ u[:, s > eps * s[0]]


def by_covariance(x, y):
    xh = x.conj().T
    whitened = whitening(xh @ x, x).conj().T @ (xh @ y) @ whitening(y.conj().T @ y, y)
    return np.linalg.svd(whitened, compute_uv=False)


def whitening(scatter, x):
    variances, v = np.linalg.eigh(scatter)
    real = variances > tolerance(x) * variances[-1]
    return v[:, real] / np.sqrt(variances[real])


def tolerance(x):
    return max(x.shape) * np.finfo(x.dtype).eps


if __name__ == "__main__":
    variants = {
        "qr": lambda maps: dft_cca(maps, by_qr),
        "covariance": lambda maps: dft_cca(maps, by_covariance),
    }
    measured(__doc__, load, variants)
