"""Rules about the variables: there, in their units, on (time, lat, lon), a value on every day."""

from __future__ import annotations

from collections.abc import Iterator

import netCDF4
import numpy as np

from catena.coupler.callmip.protocol import OPTIMISED, OUTPUTS, POST_UNC, Output, SubmissionName
from catena.coupler.callmip.report import Row, judged, shown
from catena.coupler.callmip.values import Variable, is_text, numbers_of, series_of
from catena.shared.errors import InvalidData
from catena.shared.lexicon import variable as canonical

DIMS = ("time", "lat", "lon")


def check(file: netCDF4.Dataset, name: SubmissionName | None) -> Iterator[Row]:
    """Rows about every variable of table 3, the sign of nep, and posterior uncertainties."""
    for output in OUTPUTS.values():
        if output.name in file.variables:
            yield from _one(file[output.name], output, output.name)
        elif output.optional:
            yield Row(f"{output.name}.present", "6.2", "skipped", "none",
                      "only if the model has it")  # fmt: skip
        else:
            yield judged(
                f"{output.name}.present", "6.2", False, _near(file, output.name), output.name
            )
    yield from _sign(file)
    yield from _uncertainties(file, name)


def _one(variable: Variable, output: Output, name: str) -> Iterator[Row]:
    yield judged(f"{name}.present", "6.2", True, name, name)
    units = getattr(variable, "units", None)
    yield judged(
        f"{name}.units", "6.2", is_text(units, *output.units),
        "none" if units is None else shown(units),
        " or ".join(shown(each) for each in output.units) + ", exactly",
    )  # fmt: skip
    yield judged(
        f"{name}.dimensions", "6.2", variable.dimensions == DIMS,
        f"({', '.join(variable.dimensions)})", f"({', '.join(DIMS)})",
    )  # fmt: skip
    try:
        values = series_of(variable)
    except InvalidData as error:
        yield judged(f"{name}.values", "6.2", False, error.message, "numbers")
        return
    missing = int((~np.isfinite(values)).sum())
    if missing or not values.size:
        first = int(np.argmin(np.isfinite(values))) + 1 if values.size else 0
        yield judged(f"{name}.values", "6.2", False,
                     f"{missing} of {values.size} days without a value, first day {first}",
                     "a value on every day")  # fmt: skip
        return
    low, high = _limits(output.name, uncertainty=name.endswith(POST_UNC))
    low_found, high_found = float(values.min()), float(values.max())
    yield judged(
        f"{name}.values", "6.2", low <= low_found and high_found <= high,
        f"{low_found:.4g} to {high_found:.4g}",
        f"{low:g} to {high:g} {output.units[0]}, else the values are in another unit",
    )  # fmt: skip


def _limits(name: str, *, uncertainty: bool) -> tuple[float, float]:
    known = canonical(name)
    return (0.0, known.high - known.low) if uncertainty else (known.low, known.high)


def _sign(file: netCDF4.Dataset) -> Iterator[Row]:
    """Positive nep is into the land: nep goes with gpp - reco, not against it."""
    names = ("nep", "gpp", "reco")
    found = [numbers_of(file[name]) for name in names if name in file.variables]
    series = [values for values in found if values is not None]
    if len(series) < len(names) or len({values.size for values in series}) > 1:
        return
    nep, gpp, reco = (values[np.isfinite(np.sum(series, axis=0))] for values in series)
    if not nep.size:
        return
    uptake = gpp - reco
    apart = float(np.sqrt(np.square(nep - uptake).mean()))
    against = float(np.sqrt(np.square(nep + uptake).mean()))
    yield judged(
        "nep.sign", "6.2", apart <= against,
        f"nep is {apart:.2g} from gpp - reco and {against:.2g} from reco - gpp (rms)",
        "nep positive into the land: the opposite of NEE",
    )  # fmt: skip


def _uncertainties(file: netCDF4.Dataset, name: SubmissionName | None) -> Iterator[Row]:
    stage = name.stage if name else str(getattr(file, "Calibration_stage", ""))
    word = str(getattr(file, "Calibration_Scenario", ""))
    scenario = name.scenario if name else (int(word[4:]) if word[4:].isdecimal() else 0)
    optimised = OPTIMISED.get(scenario, ())
    every = [each for each in OUTPUTS if f"{each}{POST_UNC}" in file.variables]
    for each in every:
        yield from _one(file[f"{each}{POST_UNC}"], OUTPUTS[each], f"{each}{POST_UNC}")
    if stage != "Posterior":
        yield Row("uncertainties", "6.2", "skipped", ", ".join(every) or "none",
                  "posterior files only")  # fmt: skip
        return
    if not optimised:
        yield Row("uncertainties", "6.2", "skipped", shown(word), "a scenario, 1 to 6")
        return
    missing = [f"{each}{POST_UNC}" for each in optimised if each not in every]
    yield judged(
        "uncertainties", "6.2", not missing,
        f"no {', '.join(missing)}" if missing else ", ".join(f"{each}{POST_UNC}" for each in every),
        f"{', '.join(f'{each}{POST_UNC}' for each in optimised)}: what scenario {scenario} "
        "optimises (or ensemble simulations, which this check does not know)",
    )  # fmt: skip


def _near(file: netCDF4.Dataset, name: str) -> str:
    """A variable that differs in spelling only, else nothing."""
    plain = name.lower()
    return next((shown(each) for each in file.variables if each.lower().strip() == plain), "none")
