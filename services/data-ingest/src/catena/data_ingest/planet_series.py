"""A long series of a planet's fields, block by block, each from a state that was kept.

Block k starts from state k, and making it leaves state k + 1. So blocks made in order cost one
integration; a block asked for out of order, or by another process, starts from the nearest earlier
state that is still known. Either way its numbers are the same, bit for bit.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from catena.data_ingest.planet import DAY_S, Model, Planet, State
from catena.data_ingest.planet_fields import LEVEL_FIELDS, SURFACE_FIELDS, fields
from catena.data_ingest.spool import Arrays, Spool
from catena.shared.errors import InvalidData
from catena.shared.lexicon import variable

Block = dict[str, NDArray[np.float32]]

KEPT_STATES = 512  # of about 70 kB each at T21


class _States:
    """States of one planet that this process has come by; the oldest are forgotten first."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._known: OrderedDict[int, State] = OrderedDict()

    def put(self, state: State) -> None:
        self._known[state.step] = state
        while len(self._known) > KEPT_STATES:
            self._known.popitem(last=False)

    def latest(self, step: int) -> State | None:
        """The last known state at or before a step."""
        steps = [known for known in self._known if known <= step]
        return self._known[max(steps)] if steps else None


@lru_cache(maxsize=8)
def _states(planet: Planet) -> _States:
    return _States()


@lru_cache(maxsize=8)
def _model(planet: Planet) -> Model:
    return Model(planet)


def _spooled(spool: Spool, series: PlanetSeries, number: int) -> Arrays:
    """A block from the spool; those on the way to it are spooled too, since they are passed."""
    with _states(series.planet).lock:
        if number not in spool:
            for before in range(series.nearest(number), number):
                spool.block(before, partial(series.make, before))
        return spool.block(number, partial(series.make, number))


@dataclass(frozen=True)
class PlanetSeries:
    """A period of a generated planet.

    Parameters
    ----------
    planet : Planet
    count : int
        Fields in all.
    start : str
        Time of the first field, ISO 8601.
    calendar : {"noleap", "standard"}
    block : int
        Fields in a block.
    spin_up_days : int
        Days before the first field, in which the jets break up.
    folder : Path, optional
        Where states are kept as well, for other processes and later days.

    Raises
    ------
    InvalidData
        When nothing is asked for.
    """

    planet: Planet = field(default_factory=Planet)
    count: int = 1460
    start: str = "2001-01-01"
    calendar: Literal["noleap", "standard"] = "noleap"
    block: int = 120
    spin_up_days: int = 60
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.block < 1 or self.spin_up_days < 0:
            raise InvalidData(
                f"series of {self.count} fields in blocks of {self.block} after "
                f"{self.spin_up_days} days; wanted at least 1, 1 and 0"
            )

    @property
    def model(self) -> Model:
        """The planet's equations."""
        return _model(self.planet)

    def __len__(self) -> int:
        """Number of blocks."""
        return (self.count + self.block - 1) // self.block

    def state(self, number: int) -> State:
        """The state at the start of a block, from the nearest earlier one that is known."""
        steps_a_block = self.block * self._stride
        first = round(self.spin_up_days * DAY_S / self.planet.step_s)
        wanted = first + number * steps_a_block
        states = _states(self.planet)
        with states.lock:
            state = self._stored(states, wanted)
            while state.step < wanted:
                # From one block's start to the next, so that each is kept.
                target = max(
                    first, state.step + steps_a_block - (state.step - first) % steps_a_block
                )
                state = self.model.advance(state, min(target, wanted) - state.step)
                self._keep(states, state)
        return state

    def make(self, number: int) -> Block:
        """Fields of a block, shape (t, L, lat, lon) on levels and (t, lat, lon) at the surface.

        Raises
        ------
        InvalidData
            When there is no such block.
        """
        if not 0 <= number < len(self):
            raise InvalidData(f"block {number} asked of a series of {len(self)}")
        size = min(self.block, self.count - number * self.block)
        made: list[Block] = []
        states = _states(self.planet)
        # One after the other: whoever comes next finds this block's last state.
        with states.lock:
            state = self.state(number)
            for _ in range(size):
                now = fields(self.model, state)
                made.append({name: values.astype(np.float32) for name, values in now.items()})
                state = self.model.advance(state, self._stride)
            self._keep(states, state)
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """All blocks from `first` on."""
        for number in range(first, len(self)):
            yield self.make(number)

    def dataset(self) -> xr.Dataset:
        """The series as a lazy dataset, one chunk a block; what was made is spooled."""
        t, levels = self.model.transform, self.planet.levels_pa
        spool, token = Spool(), uuid.uuid4().hex
        blocks = [
            delayed(_spooled)(spool, self, number, dask_key_name=f"planet-{token}-{number}")
            for number in range(len(self))
        ]
        variables = {}
        for name in (*LEVEL_FIELDS, *SURFACE_FIELDS):
            canonical = variable(name)
            on_levels = name in LEVEL_FIELDS
            inner = (len(levels), t.nlat, t.nlon) if on_levels else (t.nlat, t.nlon)
            chunks = [
                da.from_delayed(  # type: ignore[no-untyped-call]
                    block[name],
                    (min(self.block, self.count - number * self.block), *inner),
                    np.float32,
                )
                for number, block in enumerate(blocks)
            ]
            variables[name] = xr.Variable(
                ("time", "plev", "lat", "lon") if on_levels else ("time", "lat", "lon"),
                da.concatenate(chunks),  # type: ignore[no-untyped-call]
                {
                    "standard_name": canonical.standard_name,
                    "long_name": canonical.long_name,
                    "units": canonical.units,
                    "cell_methods": "time: point",
                },
            )
        return xr.Dataset(variables, self._coordinates(), self._attributes())

    def nearest(self, number: int) -> int:
        """The last block up to `number` whose first state is known in this process."""
        first = round(self.spin_up_days * DAY_S / self.planet.step_s)
        known = _states(self.planet).latest(first + number * self.block * self._stride)
        return 0 if known is None else max(0, (known.step - first) // (self.block * self._stride))

    @property
    def _stride(self) -> int:
        return self.planet.output_s // self.planet.step_s

    def _coordinates(self) -> dict[str, xr.Variable]:
        t = self.model.transform
        times = xr.date_range(
            self.start,
            periods=self.count,
            freq=f"{self.planet.output_s}s",
            calendar=self.calendar,
            use_cftime=self.calendar != "standard",
        )
        level = {
            "standard_name": "air_pressure",
            "units": "Pa",
            "positive": "down",
            "axis": "Z",
        }
        latitude = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}
        longitude = {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}
        return {
            "time": xr.Variable("time", times, {"standard_name": "time", "axis": "T"}),
            "plev": xr.Variable("plev", np.array(self.planet.levels_pa), level),
            "lat": xr.Variable("lat", t.lat, latitude),
            "lon": xr.Variable("lon", t.lon, longitude),
        }

    def _attributes(self) -> dict[str, str]:
        planet = self.planet
        return {
            "Conventions": "CF-1.11",
            "title": f"Generated planet: T{planet.truncation}, seed {planet.seed}",
            "source": "generated: barotropic vorticity equation with tracers; not a climate model",
            "generated": "true",
            "planet": planet.digest,
        }

    def _path(self, step: int) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"planet-{self.planet.digest}-{step:09d}.npz"

    def _stored(self, states: _States, wanted: int) -> State:
        """The latest state up to a step, from memory or the folder; else the very first."""
        known = states.latest(wanted)
        if self.folder is not None and (known is None or known.step < wanted):
            prefix = f"planet-{self.planet.digest}-"
            on_disk = [int(path.stem[len(prefix) :]) for path in self.folder.glob(f"{prefix}*.npz")]
            usable = [step for step in on_disk if step <= wanted]
            if usable and (known is None or max(usable) > known.step):
                path = self._path(max(usable))
                if path is not None:
                    return State.load(path)
        return known if known is not None else self.model.initial()

    def _keep(self, states: _States, state: State) -> None:
        states.put(state)
        path = self._path(state.step)
        if path is not None and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            state.save(path)
