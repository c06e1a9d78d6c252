"""The catalogue of faults: each takes a good dataset and plants one, and says what must come of it.

``assert_caught`` is the one place that says what "caught" means; the mutation test shows that it
fails for each fault when the fault's check is taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from support.good_datasets import GOOD

from catena.shared.checks import CHECKS, apply, inspect
from catena.shared.checks.view import Check
from catena.shared.lexicon import Defect, Row

Plant = Callable[[xr.Dataset], xr.Dataset]


def _as_it_was(good: xr.Dataset) -> xr.Dataset:
    return good


TEST_ROWS = {
    row.variable: row
    for row in (
        Row("faults", "RH", "hurs", units="%", labelled="kg/kg"),
        Row("faults", "prcp", "pr", units="mm d-1"),
        Row("faults", "tp", "pr", accumulated="3600"),
        Row("faults", "tp_day", "pr", accumulated="86400"),
        Row("faults", "tp_forecast", "pr", accumulated="forecast"),
        Row("faults", "tp_month", "pr", accumulated="month"),
        Row("faults", "slhf", "hfls", sign=-1),
        Row("faults", "t2m", "tas"),
        Row("faults", "air", "tas"),
    )
}
"""A vocabulary for the catalogue, so that it does not depend on what sources need."""

TEST_DEFECTS = (
    Defect("faults", "mislabelled_calendar*", "*", "calendar", "standard", "holds real days"),
    Defect("faults", "half_flux*", "nee", "scale", "2", "half its value"),
    Defect("faults", "late_rain*", "pr", "shift_s", "-86400", "labelled a day late"),
    Defect("faults", "half_day*", "pr", "shift_s", "-43200", "labelled half a day late"),
    Defect("faults", "local_clock*", "*", "utc_offset_h", "-5", "local standard time"),
    Defect("faults", "wrong_product*", "pr", "refuse", "4 times too large", "raw product"),
    Defect("faults", "late_clock*", "*", "shift_s", "-3600", "an hour late"),
)


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Parameters
    ----------
    name : str
        Also the key of the dataset.
    good : str
        Which good dataset it is planted in.
    plant : callable
    check : str
        The check that must find it.
    where : str
        The variable or the dimension that its finding must name; empty for the dataset.
    found, wanted : str
        What the finding must say of both values.
    outcome : {"truth", "refused", "noted"}
    truth : callable, optional
        What must come out, from the good dataset; the good dataset itself by default.
    gone : str
        The canonical variable that must be left out; empty if the whole dataset must be.
    """

    name: str
    good: str
    plant: Plant
    check: str
    where: str
    found: str
    wanted: str
    outcome: str = "truth"
    truth: Plant = field(default=_as_it_was)
    gone: str = ""


CATALOGUE: list[Fault] = []


def fault(
    good: str,
    check: str,
    where: str,
    found: str,
    wanted: str,
    *,
    outcome: str = "truth",
    truth: Plant | None = None,
    gone: str = "",
) -> Callable[[Plant], Plant]:
    """Enter a function into the catalogue."""

    def enter(plant: Plant) -> Plant:
        extra = {"truth": truth} if truth else {}
        CATALOGUE.append(
            Fault(
                plant.__name__,
                good,
                plant,
                check,
                where,
                found,
                wanted,
                outcome,
                gone=gone,
                **extra,
            )
        )
        return plant

    return enter


def assert_caught(planted: Fault, checks: Sequence[Check] = CHECKS) -> None:
    """The fault is found by its check, which names place and both values, and dealt with."""
    good = GOOD[planted.good]()
    faulty = planted.plant(good)
    inspection = inspect(
        faulty, vocabulary="faults", dataset_key=planted.name, file="a.nc", checks=checks
    )
    action = {"truth": "converted"}.get(planted.outcome, planted.outcome)
    matching = [
        finding
        for finding in inspection
        if finding.check == planted.check
        and finding.action == action
        and planted.where in ("", finding.variable, finding.dimension)
        and planted.found in finding.found
        and planted.wanted in finding.wanted
    ]
    assert matching, (
        f"no {action} finding of '{planted.check}' about '{planted.where}' with "
        f"'{planted.found}' and '{planted.wanted}' in:\n" + "\n".join(map(str, inspection))
    )
    assert all(finding.dataset == planted.name for finding in inspection)
    assert all(finding.file == "a.nc" for finding in inspection)
    if planted.outcome == "refused" and not planted.gone:
        assert inspection.refused
        return
    assert not inspection.refused
    normal = apply(faulty, inspection.fixes)
    if planted.gone:
        assert planted.gone not in normal.data_vars
        return
    assert_same(normal, planted.truth(good))


def assert_same(normal: xr.Dataset, truth: xr.Dataset) -> None:
    """Equal variables, coordinates and units, to single precision."""
    assert set(normal.data_vars) == set(truth.data_vars)
    for name in ("time", "lat", "lon", "plev", "time_bnds", "lat_bnds", "lon_bnds"):
        if name in truth.variables:
            assert name in normal.coords, name
            left, right = normal[name].values, truth[name].values
            if right.dtype.kind == "f":
                np.testing.assert_allclose(left, right, atol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(left, right, err_msg=name)
    for name, array in truth.data_vars.items():
        assert set(normal[name].dims) == set(array.dims), name
        np.testing.assert_allclose(
            normal[name].transpose(*array.dims).values, array.values,
            rtol=3e-6, atol=1e-12, err_msg=str(name),
        )  # fmt: skip
        assert normal[name].attrs["units"] == array.attrs["units"]
        assert normal[name].dtype == np.float32


def planted(
    dataset: xr.Dataset, name: str, change: Callable[[np.ndarray], np.ndarray], **attributes: object
) -> xr.Dataset:
    """The dataset with other values and attributes of one variable, chunked as it was."""
    array = dataset[name]
    values = change(np.array(array.values))
    changed = xr.DataArray(values, array.coords, array.dims, attrs={**array.attrs, **attributes})
    chunks = dict(zip(array.dims, array.chunks or (), strict=False))
    return dataset.assign({name: changed.chunk(chunks)})


def without(dataset: xr.Dataset, name: str, *attributes: str) -> xr.Dataset:
    """The dataset without some attributes of a variable or coordinate."""
    copy = dataset.copy()
    kept = {k: v for k, v in dataset[name].attrs.items() if k not in attributes}
    copy[name].attrs = kept
    return copy


def times(dataset: xr.Dataset, values: object, bounds: bool = False) -> xr.Dataset:
    """The dataset with other time stamps, without their bounds unless said."""
    changed = dataset.assign_coords(time=("time", values, dict(dataset["time"].attrs)))
    if bounds:
        return changed
    return without(changed.drop_vars("time_bnds"), "time", "bounds")
