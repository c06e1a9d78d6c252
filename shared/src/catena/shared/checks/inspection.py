"""The checks in their order, and the inspection that runs them.

The order matters: each check sees the data as those before it left them. Names come first, then
places and times, which need no values; then values, read once; then what depends on all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import xarray as xr

from catena.shared.checks import (
    amounts,
    attributes,
    dimensions,
    fills,
    intervals,
    names,
    ranges,
    space,
    time_axis,
)
from catena.shared.checks.findings import Finding, Inspection
from catena.shared.checks.fixes import with_coordinates
from catena.shared.checks.view import Check, View

CHECKS: tuple[Check, ...] = (
    Check("dimension_names", names.dimension_names),
    Check("coordinate_roles", names.coordinate_roles),
    Check("lexicon", names.known_variables),
    Check("known_defect", names.known_defects),
    Check("numeric", names.numeric),
    Check("scalar_dimension", dimensions.scalar_dimensions),
    Check("dimension", dimensions.known_dimensions),
    Check("coordinate", dimensions.coordinates_present),
    Check("coordinate_range", space.latitude_range),
    Check("time_decoding", time_axis.time_decoded),
    Check("bounds", space.bounds),
    Check("longitude", space.longitude),
    Check("latitude_order", space.latitude_order),
    Check("level", space.levels),
    Check("calendar", time_axis.calendar),
    Check("time_precision", time_axis.time_precision),
    Check("time_order", time_axis.time_order),
    Check("clock", time_axis.clock_offset),
    Check("duplicate", time_axis.duplicated_times),
    Check("packing", fills.packing),
    Check("fill_value", fills.fill_values),
    Check("infinite", fills.infinite),
    Check("accumulation", amounts.accumulation),
    Check("time_stamp", intervals.time_stamps),
    Check("time_bounds", intervals.time_bounds),
    Check("defect_scale", amounts.known_scale),
    Check("units", amounts.units),
    Check("positive", amounts.direction),
    Check("unit_contradiction", ranges.contradiction),
    Check("negative", ranges.negative),
    Check("range", ranges.physical_range),
    Check("frozen", ranges.frozen),
    Check("missing", fills.missing_values),
    Check("missing_step", time_axis.missing_steps),
    Check("precision", attributes.precision),
    Check("attributes", attributes.attributes),
)
"""In the order in which they run; the names are those that findings carry."""


def inspect(
    dataset: xr.Dataset,
    *,
    vocabulary: str,
    dataset_key: str,
    file: str = "",
    checks: Sequence[Check] = CHECKS,
) -> Inspection:
    """All findings about a dataset as its source opens it.

    Values are read once, block by block, all variables in one pass.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the source's names and units, times decoded.
    vocabulary : str
        Of the lexicon.
    dataset_key : str
        Key of the entry, for messages and for known defects.
    file : str
        Its file, where it is a single one.
    checks : sequence of Check
        To run fewer.

    Returns
    -------
    Inspection
        Its fixes, applied in order, give the canonical form without the refused variables.
    """
    return _inspected(dataset, vocabulary, dataset_key, file, checks)[0]


def normalise(
    dataset: xr.Dataset, *, vocabulary: str, key: str, file: str = ""
) -> tuple[xr.Dataset | None, Inspection]:
    """Inspect a dataset and bring it into canonical form, lazily.

    Returns
    -------
    dataset : xarray.Dataset or None
        Without the refused variables; None if it is refused as a whole or nothing is left.
    inspection : Inspection
    """
    inspection, view = _inspected(dataset, vocabulary, key, file, CHECKS)
    # The view went through the same fixes, in the same order, as apply would give it.
    normal = view.dataset
    return (None if inspection.refused or not normal.data_vars else normal), inspection


def _inspected(
    dataset: xr.Dataset, vocabulary: str, key: str, file: str, checks: Sequence[Check]
) -> tuple[Inspection, View]:
    view = View(with_coordinates(dataset.copy(deep=False)), vocabulary, key, file)
    found: list[Finding] = []
    for check in checks:
        findings = [
            replace(finding, check=check.name).at(dataset=key, file=file)
            for finding in check.run(view)
        ]
        found += findings
        view.advance(findings)
        if any(finding.action == "refused" and not finding.variable for finding in findings):
            break
    return Inspection(tuple(found)), view
