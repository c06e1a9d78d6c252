"""Spherical harmonics on a Gaussian grid, as products with matrices made once.

A real field on the sphere is ``X(lat, lon) = Re sum X[m, n] P_n^m(sin lat) e^(i m lon)`` with
triangular truncation. The Legendre functions have unit mean square over the sphere together with
their cosines and sines: ``1/2 int P^2 dmu = 1`` for m = 0 and ``= 2`` for m > 0, so the sum of
squares of all real and imaginary parts is the global mean of ``X^2``.

Coefficients of F fields lie in ``[2, m, n - m, F]`` (real and imaginary parts; places beyond the
truncation and the imaginary parts of m = 0 are zero), fields on the grid in ``[lon, lat, F]``: in
this order each transform is two matrix products without any copy in between.

Products of two fields are exact for a grid of more than 3 T longitudes and 3 T / 2 latitudes
(Orszag 1970; Bourke 1972): T21 on 32 x 64, T42 on 64 x 128.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

EARTH_RADIUS_M = 6.37122e6


class Transform:
    """From coefficients to grid and back, several fields at once.

    Parameters
    ----------
    truncation : int
        Highest total wavenumber T.
    nlat, nlon : int, optional
        By default the smallest grid, in powers of two of longitude, on which products are exact.

    Attributes
    ----------
    lat, lon : array
        Degrees; latitude ascending, longitude from -180.
    weights : array, shape (nlat,)
        Gaussian, of sum 1.
    degree : array, shape (m, n - m)
        Total wavenumber n of each place; 0 beyond the truncation.
    laplacian : array, shape (m, n - m)
        Eigenvalues -n (n + 1) / a^2 in m^-2.

    Raises
    ------
    InvalidData
        When the grid is too coarse for the truncation.
    """

    def __init__(self, truncation: int, nlat: int | None = None, nlon: int | None = None) -> None:
        nlon = nlon or 1 << (3 * truncation).bit_length()
        nlat = nlat or nlon // 2
        if nlon <= 3 * truncation or 2 * nlat <= 3 * truncation:
            raise InvalidData(
                f"grid of {nlat} x {nlon} for a truncation at T{truncation}; wanted more than "
                f"{3 * truncation / 2:g} x {3 * truncation}"
            )
        self.truncation, self.nlat, self.nlon = truncation, nlat, nlon
        mu, gauss = np.polynomial.legendre.leggauss(nlat)
        self.mu = mu
        self.weights = gauss / 2
        self.lat = np.degrees(np.arcsin(mu))
        self.lon = np.arange(nlon) * 360.0 / nlon - 180.0
        size = truncation + 1
        order, offset = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        self.inside = order + offset <= truncation
        self.order = np.where(self.inside, order, 0)
        self.degree = np.where(self.inside, order + offset, 0)
        self.laplacian = -self.degree * (self.degree + 1) / EARTH_RADIUS_M**2
        inverse = np.where(self.degree > 0, self.laplacian, -1.0)
        self.inverse_laplacian = np.where(self.degree > 0, 1 / inverse, 0.0)
        values = legendre(truncation, mu)
        slopes = legendre_slopes(truncation, mu, values)
        keep = self.inside[:, :, None]
        # [m, lat, n - m] for synthesis, transposed and weighted for analysis.
        self._values = np.ascontiguousarray((values * keep).transpose(0, 2, 1))
        self._slopes = np.ascontiguousarray((slopes * keep).transpose(0, 2, 1))
        norm = np.where(np.arange(size) == 0, 1.0, 0.5)[:, None, None]
        weights = norm * self.weights
        self._weighted = np.ascontiguousarray(values * keep * weights)
        self._weighted_slopes = np.ascontiguousarray(slopes * keep * weights)
        phase = np.radians(self.lon) * np.arange(size)[:, None]
        # Re(c e^(i m lon)) = Re c cos - Im c sin
        waves = np.concatenate([np.cos(phase), -np.sin(phase)])
        means = np.tile(np.where(np.arange(size) == 0, 1.0, 2.0), 2)[:, None] / nlon
        self._waves = np.ascontiguousarray(waves.T)
        self._unwaves = means * waves
        self.cos2 = 1 - mu**2

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (2, m, n - m) of one field's coefficients."""
        return 2, self.truncation + 1, self.truncation + 1

    def to_grid(self, coefficients: Array) -> Array:
        """Fields (nlon, nlat, F) of coefficients (2, m, n - m, F)."""
        return self._synthesis(coefficients, self._values)

    def slopes_to_grid(self, coefficients: Array) -> Array:
        """``(1 - mu^2) dX/dmu`` on the grid."""
        return self._synthesis(coefficients, self._slopes)

    def to_coefficients(self, fields: Array) -> Array:
        """Coefficients (2, m, n - m, F) of fields (nlon, nlat, F)."""
        return self._analysis(fields, self._weighted)

    def divergence(self, east: Array, north: Array) -> Array:
        """Coefficients of the divergence of a flux (times a, the radius).

        Parameters
        ----------
        east, north : array, shape (nlon, nlat, F)
            Components of the flux times cos(lat).

        Notes
        -----
        ``1/(1 - mu^2) dA/dlon + dB/dmu``; the second term is integrated by parts, so that only
        fields that are smooth at the poles are transformed (Bourke 1972).
        """
        along = self._analysis(east / self.cos2[:, None], self._weighted)
        return self.d_lon(along) - self._analysis(north / self.cos2[:, None], self._weighted_slopes)

    def d_lon(self, coefficients: Array) -> Array:
        """Derivative by longitude: i m X."""
        m = np.arange(self.truncation + 1.0)[:, None, None]
        return np.stack([-m * coefficients[1], m * coefficients[0]])

    def mean(self, fields: Array) -> Array:
        """Global mean of fields (nlon, nlat, F), shape (F,)."""
        mean: Array = np.einsum("ij...,j->...", fields, self.weights) / self.nlon
        return mean

    def random(self, generator: np.random.Generator, count: int, low: int, high: int) -> Array:
        """White noise in the total wavenumbers low .. high, shape (2, m, n - m, count)."""
        noise = generator.standard_normal((*self.shape, count))
        noise[1, 0] = 0.0
        keep = self.inside & (self.degree >= low) & (self.degree <= high)
        return noise * keep[:, :, None]

    def _synthesis(self, coefficients: Array, functions: Array) -> Array:
        # [m, lat, n] @ [2, m, n, F] -> [2, m, lat, F]; [lon, 2 m] @ [2 m, lat F] -> [lon, lat F]
        count = coefficients.shape[-1]
        waves = np.matmul(functions, coefficients).reshape(2 * (self.truncation + 1), -1)
        fields: Array = (self._waves @ waves).reshape(self.nlon, self.nlat, count)
        return fields

    def _analysis(self, fields: Array, functions: Array) -> Array:
        size, count = self.truncation + 1, fields.shape[-1]
        waves = (self._unwaves @ fields.reshape(self.nlon, -1)).reshape(2, size, self.nlat, count)
        coefficients: Array = np.matmul(functions, waves)
        return coefficients


def legendre(truncation: int, mu: Array) -> Array:
    """Normalised associated Legendre functions, shape (m, n - m, len(mu)).

    Upward recurrence in n from P_m^m, as in Holmes & Featherstone (2002, eq. 11 and 13), exact to
    rounding at these degrees. One degree beyond the truncation is computed within the square
    array where it fits; the caller masks it.
    """
    size = truncation + 1
    out = np.zeros((size, size, mu.size))
    sectoral = np.ones_like(mu)
    for m in range(size):
        if m > 0:
            # P_1^1 carries the factor sqrt(2) of m > 0 in front.
            factor = np.sqrt(2.0) if m == 1 else 1.0
            sectoral = sectoral * np.sqrt((2 * m + 1) / (2 * m)) * np.sqrt(1 - mu**2) * factor
        out[m, 0] = sectoral
        for n in range(m + 1, size + m):
            upper = np.sqrt((4 * n**2 - 1) / (n**2 - m**2))
            value = mu * out[m, n - m - 1]
            if n > m + 1:
                value = value - out[m, n - m - 2] * np.sqrt(
                    ((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1)
                )
            out[m, n - m] = upper * value
    return out


def legendre_slopes(truncation: int, mu: Array, values: Array) -> Array:
    """``(1 - mu^2) dP/dmu`` of the functions that :func:`legendre` gives, same shape."""
    out = np.zeros_like(values)
    for m in range(truncation + 1):
        for n in range(m, truncation + 1):
            lower = values[m, n - m - 1] if n > m else 0.0
            # (1 - mu^2) P' = -n mu P_n + (2n + 1) eps_n P_{n-1}, with unit-norm functions.
            eps = np.sqrt((n**2 - m**2) * (2 * n + 1) / (2 * n - 1)) if n > m else 0.0
            out[m, n - m] = -n * mu * values[m, n - m] + eps * lower
    return out


@lru_cache(maxsize=8)
def transform(truncation: int, nlat: int | None = None, nlon: int | None = None) -> Transform:
    """The transform of a truncation, made once."""
    return Transform(truncation, nlat, nlon)
