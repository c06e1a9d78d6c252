"""CASA-CNP's real spin-up: what is known of the whole grid comes out of the reader."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from catena.coupler.spin_up.casa import read_casa

FOLDER = Path(os.environ.get("CATENA_DATA") or "absent", "land_model", "casa_spinup")

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs CATENA_DATA with land_model/casa_spinup"
)


def test_the_worlds_carbon_and_its_vegetated_cells() -> None:
    casa = read_casa(FOLDER)
    assert len(casa.lat) == 2873
    assert len(np.unique(casa.blocks())) == 46
    held = (casa.targets * casa.area[:, None]).sum(0) / 1e15
    assert held.sum() == pytest.approx(1797, abs=1)
    soil = [casa.pools.index(name) for name in ("micc", "slowc", "passc")]
    assert held[soil].sum() == pytest.approx(1233, abs=1)
    # 100 years make fast pools, not those of the soil.
    early = casa.inputs["pools"][:, :9]
    alike = [float(np.corrcoef(early[:, n], casa.targets[:, n])[0, 1]) for n in range(9)]
    assert alike[casa.pools.index("leafc")] > 0.99
    assert alike[casa.pools.index("passc")] < 0.2
    world = (casa.inputs["fluxes"][:, 0] * casa.area).sum() / 1e15
    assert 30 < world < 70  # net primary production, PgC yr-1
