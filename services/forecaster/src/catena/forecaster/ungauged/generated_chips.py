"""Generated chips: made-up landscapes whose share of forest tells a known attribute.

For trying the image branch where no satellite images are. Whatever is shown from them must be
called generated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.forecaster.ungauged.chips import BANDS, SIZE, Chips
from catena.shared.errors import InvalidData

FOREST = (0.03, 0.06, 0.04, 0.38, 0.17, 0.08)
OPEN = (0.09, 0.12, 0.15, 0.24, 0.31, 0.26)
"""Reflectance of the two covers in each of the bands, typical of dense canopy and of dry soil."""
_COARSE, _FINE = 5.0, 12.0  # wavelengths in cycles per chip of fields and of clouds


def generated_chips(
    basins: Sequence[str], values: ArrayLike, *, seed: int, cloudiness: float = 0.15
) -> Chips:
    """Draw a landscape for each basin; a share of its pixels, linear in `values`, is forest.

    The share runs from 0.05 to 0.95. Where the forest lies, how bright the day is, the noise of
    pixels and the clouds, bright and cold, are drawn at random and tell nothing.

    Parameters
    ----------
    basins : sequence of str
    values : (N,) array
        The attribute to carry.
    seed : int
    cloudiness : float
        Mean share of pixels under clouds, 0 to 0.4.

    Raises
    ------
    InvalidData
        When values are missing or all the same, or the cloudiness is out of range.
    """
    values = np.asarray(values, np.float64)
    if values.shape != (len(basins),) or not np.isfinite(values).all() or not np.ptp(values) > 0:
        raise InvalidData(
            f"values of shape {values.shape} for {len(basins)} basins came; one finite number per "
            "basin wanted, and not all the same"
        )
    if not 0 <= cloudiness <= 0.4:
        raise InvalidData(f"a cloudiness of {cloudiness:g} came; 0 to 0.4 wanted")
    rng = np.random.default_rng(seed)
    share = 0.05 + 0.9 * (values - values.min()) / np.ptp(values)
    n = len(basins)
    forest = _highest(_field(rng, n, _FINE), share)
    cloud = _highest(_field(rng, n, _COARSE), rng.uniform(0, 2 * cloudiness, n))
    cover = np.where(forest[:, None], _column(FOREST), _column(OPEN))
    bright = rng.uniform(0.8, 1.2, (n, 1, 1, 1))
    bands = bright * cover * rng.normal(1.0, 0.1, cover.shape)
    bands = np.where(cloud[:, None], rng.uniform(0.5, 0.9, cover.shape), bands)
    return Chips(tuple(basins), bands.astype(np.float32), cloud, generated=True)


def _column(reflectance: Sequence[float]) -> NDArray[np.float64]:
    return np.array(reflectance).reshape(1, len(BANDS), 1, 1)


def _field(rng: np.random.Generator, count: int, cycles: float) -> NDArray[np.float64]:
    """Smooth random fields, (count, SIZE, SIZE), with few waves beyond `cycles` per chip."""
    noise = np.fft.rfft2(rng.normal(size=(count, SIZE, SIZE)))
    y, x = np.fft.fftfreq(SIZE, 1 / SIZE)[:, None], np.fft.rfftfreq(SIZE, 1 / SIZE)
    return np.fft.irfft2(noise * np.exp(-(x**2 + y**2) / (2 * cycles**2)), s=(SIZE, SIZE))


def _highest(field: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A share of the pixels of each field: its highest ones."""
    rank = field.reshape(len(field), -1).argsort(axis=1).argsort(axis=1)
    chosen = rank >= np.round((1 - share) * SIZE**2)[:, None]
    return np.asarray(chosen.reshape(field.shape))
