"""What is known of a case of ELM before it runs: its cells, climate, land and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catena.coupler.elm.config import BypassForcing, ElmConfig
from catena.coupler.elm.parameter_ranges import INERT, RANGES
from catena.coupler.elm.parameters import pft_names, read_parameters
from catena.coupler.embedded import Columns
from catena.coupler.embedded.stages import one_cycle
from catena.coupler.forcing import site_forcing
from catena.coupler.restart.source import Source
from catena.coupler.spin_up.embedded_known import monthly_climate, shares, static_numbers
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest

Floats = NDArray[np.float64]
Varied = tuple[str, str | None]
"""A parameter by name and PFT; None where it has no PFT, or for the mean over a cell's plants."""

CALIBRATED: tuple[Varied, ...] = tuple((name, None) for name in RANGES if name not in INERT)
"""The parameters of calibrations, all but those without effect."""
_LEVELS = 10


@dataclass(frozen=True)
class Cells:
    """The cells of a case that have natural vegetation, in the order of its files.

    Parameters
    ----------
    columns : Columns
        Place, soil (%) and plants.
    pfts : tuple of (int, str)
        Index and name, as the parameter file has it, of the plants that grow somewhere.
    """

    columns: Columns
    pfts: tuple[tuple[int, str], ...]


def read_cells(config: ElmConfig) -> Cells:
    """Cells of the domain file with the soil and plants of the surface file.

    Raises
    ------
    InvalidData
        When a variable is missing, the files do not fit, or nothing grows.
    """
    domain = Source(config.domain_file, "a domain file of ELM").read(("xc", "yc"))
    lon, lat = (np.asarray(domain[name], np.float64).ravel() for name in ("xc", "yc"))
    source = Source(config.surface_file, "a surface file of ELM with plants and soil")
    found = source.read(("PCT_NAT_PFT", "PCT_SAND", "PCT_CLAY"))
    natural = np.full(lat.size, 100.0)
    if "PCT_NATVEG" in source.variables:
        natural = np.asarray(source.read(("PCT_NATVEG",))["PCT_NATVEG"], np.float64).ravel()
    tables = {
        name: np.asarray(values, np.float64).reshape(values.shape[0], -1).T
        for name, values in found.items()
    }
    if any(len(table) != lat.size for table in tables.values()) or natural.size != lat.size:
        raise InvalidData(
            f"{config.surface_file.name} has {len(tables['PCT_NAT_PFT'])} cells, "
            f"{config.domain_file.name} has {lat.size}; give files of one grid"
        )
    rows = np.flatnonzero(natural > 0.0)
    if not rows.size:
        raise InvalidData(
            f"{config.surface_file.name}: no cell has natural vegetation; there is nothing to spin "
            "up"
        )
    cover = tables["PCT_NAT_PFT"][rows] / 100.0
    if not np.allclose(cover.sum(axis=1), 1.0, atol=1e-6):
        raise InvalidData(
            f"{config.surface_file.name}: PCT_NAT_PFT sums to {100.0 * cover.sum(axis=1).min():g} "
            f"to {100.0 * cover.sum(axis=1).max():g}, wanted 100"
        )
    grown = np.flatnonzero((cover > 0.0).any(axis=0))
    slots = np.argsort(-cover, axis=1, kind="stable")[:, : grown.size]
    columns = Columns(
        lat[rows],
        (lon[rows] + 180.0) % 360.0 - 180.0,
        _soil(tables["PCT_SAND"][rows]),
        _soil(tables["PCT_CLAY"][rows]),
        slots.astype(np.int64),
        np.take_along_axis(cover, slots, axis=1),
    )
    names = pft_names(config.parameter_file)
    return Cells(columns, tuple((int(n), names[int(n)]) for n in grown))


def _soil(percent: Floats) -> Floats:
    """Ten levels; a deeper one is as the last that is given."""
    given = percent[:, :_LEVELS]
    lacking = _LEVELS - given.shape[1]
    return np.ascontiguousarray(np.pad(given, ((0, 0), (0, lacking)), mode="edge"))


def climate(config: ElmConfig, cells: Cells) -> Floats:
    """Monthly climate of the forcing, float64 (site, 12, variable), see ``CLIMATE``.

    Raises
    ------
    FailedPrecondition
        When the case has more than one cell or reads its forcing through DATM.
    InvalidData
        When the forcing file is damaged or of another kind.
    """
    forcing = config.forcing
    if not isinstance(forcing, BypassForcing) or cells.columns.cells != 1:
        raise FailedPrecondition(
            f"the monthly climate of {config.case_name} is not known: it is read from the file "
            "all_hourly.nc of one cell (forcing kind bypass); give the climate yourself "
            "(ElmLandCase(climate=...)), or take a method that needs none: native, anderson"
        )
    file: Path = forcing.directory / "all_hourly.nc"
    hours = round(float(cells.columns.lon[0]) / 15.0)
    record = one_cycle(site_forcing(file, site=config.site, utc_offset_h=hours, gaps="fill"))
    return monthly_climate(record)


def static(cells: Cells) -> Floats:
    """Place, soil and plants, float64 (site, number), see ``STATIC``."""
    return static_numbers(cells.columns)


def parameter_names(varied: Sequence[Varied]) -> tuple[str, ...]:
    """``flnr``, or ``flnr.c4_grass`` for one of a PFT."""
    return tuple(name if pft is None else f"{name}.{pft}" for name, pft in varied)


def parameters(config: ElmConfig, cells: Cells, varied: Sequence[Varied]) -> Floats:
    """Values of the parameter file, float64 (site, parameter).

    A parameter per PFT that is given without one is the mean over the plants of the cell.

    Raises
    ------
    InvalidRequest
        When the file has no such parameter or PFT.
    """
    path = config.parameter_file
    plants = shares(cells.columns)[:, [index for index, _ in cells.pfts]]
    plants[:, [n for n, (index, _) in enumerate(cells.pfts) if index == 0]] = 0.0
    total = plants.sum(axis=1, keepdims=True)
    plants = np.divide(plants, total, out=np.zeros_like(plants), where=total > 0.0)
    made = np.empty((cells.columns.cells, len(varied)))
    for n, (name, pft) in enumerate(varied):
        if pft is not None:
            made[:, n] = read_parameters(path, (name,), pft)[name]
            continue
        each = [read_parameters(path, (name,), own)[name] for _, own in cells.pfts]
        constant = len(set(each)) == 1
        made[:, n] = each[0] if constant else plants @ np.array(each)
    if not np.isfinite(made).all():
        at = parameter_names(varied)[int(np.argmax(~np.isfinite(made).all(axis=0)))]
        raise InvalidRequest(f"'{path.name}': {at} is no number; name parameters that are")
    return made
