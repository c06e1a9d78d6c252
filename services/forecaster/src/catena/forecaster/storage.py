"""What the forecaster's artifacts hold: from science to files and back.

============  =====================================================================================
kind          files
============  =====================================================================================
forecaster    ``forecaster.json``, ``forecaster.safetensors``
intervals     ``intervals.json``, ``intervals.safetensors``
forecasts     ``forecasts.json``, ``forecasts.zarr`` (basin, forecast_reference_time, leadtime),
              ``states.safetensors``, ``report.html``
evaluation    ``evaluation.json``, ``skill.zarr`` (model, basin, leadtime, level), ``report.html``
flow_samples  ``samples.json``, ``samples.zarr`` and ``background.zarr`` (sample, lag, lead):
              :class:`~catena.models.flow_samples.FlowSamples`
weather_      ``archive.json``, ``archive.zarr`` (basin, forecast_reference_time, leadtime,
archive       variable[, member]): a :class:`~catena.forecaster.data.store.ForecastStore`
============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.data.signatures import BasinSignatures
from catena.forecaster.data.store import ForecastStore
from catena.forecaster.forecast_intervals import Bounds, ForecastIntervals
from catena.forecaster.forecasters import About, Arrays, Forecaster, Forecasts
from catena.forecaster.network_forecaster import NetworkForecaster
from catena.forecaster.process_forecaster import ERRORS, STATE_DAY, Gr4j
from catena.forecaster.samples import Drawn
from catena.forecaster.simple_forecasters import Climatology, Persistence
from catena.forecaster.skill import LEADTIME
from catena.shared.errors import FieldViolation, InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactWriter

STATES = "states.safetensors"
DATASET = "forecasts.zarr"
UNITS = {"streamflow": "mm d-1"}
ARCHIVE = "archive.zarr"
SAMPLES_ABOUT = "samples.json"
SAMPLES = "samples.zarr"
BACKGROUND = "background.zarr"

SIMPLE: dict[str, type[Forecaster]] = {
    "persistence": Persistence,
    "climatology": Climatology,
    "gr4j": Gr4j,
}


def forecaster_class(model: str) -> type[Forecaster]:
    """Class that forecasts with a model."""
    return SIMPLE.get(model, NetworkForecaster)


# ------------------------------------------------------------------ forecasters


def write_forecaster(writer: ArtifactWriter, forecaster: Forecaster) -> None:
    """Write a forecaster."""
    writer.write_arrays("forecaster.safetensors", forecaster.arrays())
    plain = {"about": forecaster.about.to_dict(), "meta": forecaster.meta()}
    writer.write_json("forecaster.json", plain)


def read_forecaster(artifact: Artifact) -> Forecaster:
    """Read a forecaster."""
    plain = artifact.read_json("forecaster.json")
    about = About.from_dict(plain["about"])
    arrays = artifact.read_arrays("forecaster.safetensors")
    return forecaster_class(about.model).from_arrays(about, arrays, plain["meta"])


def read_about(artifact: Artifact) -> About:
    """What a forecaster is, without its numbers."""
    return About.from_dict(artifact.read_json("forecaster.json")["about"])


# ------------------------------------------------------------------ intervals


def write_intervals(writer: ArtifactWriter, intervals: ForecastIntervals, forecaster: str) -> None:
    """Write intervals and the digest of the forecaster that they belong to."""
    arrays, meta = intervals.to_arrays()
    writer.write_arrays("intervals.safetensors", arrays)
    writer.write_json("intervals.json", {"meta": meta, "forecaster": forecaster})


def read_intervals(artifact: Artifact) -> ForecastIntervals:
    """Read intervals."""
    plain = artifact.read_json("intervals.json")
    arrays = artifact.read_arrays("intervals.safetensors")
    return ForecastIntervals.from_arrays(arrays, plain["meta"])


def intervals_belong_to(artifact: Artifact) -> str:
    """Digest of the forecaster that intervals were fitted around."""
    return str(artifact.read_json("intervals.json")["forecaster"])


# ------------------------------------------------------------------ archives of forecast weather


class ArchivedForecasts(ForecastStore):
    """The store of an artifact; other processes open the artifact by themselves.

    Parameters
    ----------
    artifact : Artifact
        Of kind "weather_archive". Every byte of it is checked.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.generated = bool(read_archive_about(artifact)["generated"])
        super().__init__(artifact.local_path(ARCHIVE))

    def __reduce__(self) -> tuple[Any, ...]:
        return ArchivedForecasts, (self.artifact,)


def write_archive(writer: ArtifactWriter, store: ForecastStore, *, generated: bool) -> None:
    """Write a store of forecasts, and what a request has to know of it."""
    for path in sorted(store.folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(store.folder).as_posix()
            writer.write_bytes(f"{ARCHIVE}/{name}", path.read_bytes())
    about = {
        "generated": generated,
        "basins": list(store.basins),
        "variables": list(store.names),
        "leads": store.leads,
        "members": store.members,
        "issues": [str(store.issue_days[0]), str(store.issue_days[-1])],
        "count": len(store.issue_days),
    }
    writer.write_json("archive.json", about)


def read_archive_about(artifact: Artifact) -> dict[str, Any]:
    """What an archive holds: basins, variables, leads, members, first and last issue day."""
    return dict(artifact.read_json("archive.json"))


# ------------------------------------------------------------------ samples for the explainer


def write_samples(
    writer: ArtifactWriter,
    drawn: Drawn,
    forecaster: Artifact,
    basins: Mapping[str, BasinSignatures],
    title: str,
) -> None:
    """Write samples, and what they and their basins are.

    Parameters
    ----------
    writer : ArtifactWriter
    drawn : Drawn
    forecaster : Artifact
    basins : mapping of str to BasinSignatures
        Of its days of training.
    title : str
    """
    about = read_about(forecaster)
    places = zip(about.latitude, about.longitude, strict=True)
    where = dict(zip(about.basins, places, strict=True))
    explained = drawn.explained.issues
    writer.write_json(
        SAMPLES_ABOUT,
        {
            "title": title,
            "forecaster": forecaster.manifest.digest,
            "model": about.model,
            "name": about.name,
            "hybrid": about.hybrid,
            "generated": about.generated,
            "leads": about.leads,
            "periods": {
                "explained": [str(explained.min()), str(explained.max())],
                "training": about.training_days,
                "validation": about.validation_days,
            },
            "weather": {
                "explained": drawn.weather.words,
                "background": drawn.background_weather.words,
            },
            "basins": {
                basin: {
                    "latitude": where[basin][0],
                    "longitude": where[basin][1],
                    **signatures.plain(),
                }
                for basin, signatures in basins.items()
            },
        },
    )
    writer.write_dataset(SAMPLES, drawn.explained.to_dataset())
    writer.write_dataset(BACKGROUND, drawn.background.to_dataset())


# ------------------------------------------------------------------ forecasts


def forecasts_dataset(
    records: BasinRecords,
    issues: Index,
    forecasts: Forecasts,
    bounds: Bounds | None,
    levels: Sequence[float],
    title: str,
) -> xr.Dataset:
    """Forecasts by issue time and lead, in CF style.

    Parameters
    ----------
    records : BasinRecords
    issues : (I,) array of int
    forecasts : Forecasts
    bounds : Bounds, optional
    levels : sequence of float
        Of the bounds.
    title : str
    """
    leads = np.arange(1, forecasts.flow.shape[2] + 1)
    issued = records.days[issues]
    axes = ("basin", "forecast_reference_time", "leadtime")
    flow = {"units": "mm d-1", "cell_methods": "leadtime: mean"}
    made = xr.Dataset(
        {"streamflow": (axes, forecasts.flow.astype(np.float32), flow)},
        coords={
            "basin": list(records.basins),
            "forecast_reference_time": (
                "forecast_reference_time",
                issued.astype("datetime64[ns]"),
                {"standard_name": "forecast_reference_time"},
            ),
            "leadtime": ("leadtime", leads.astype(np.int32), LEADTIME),
            "time": (
                ("forecast_reference_time", "leadtime"),
                (issued[:, None] + leads).astype("datetime64[ns]"),
                {"standard_name": "time", "long_name": "day that is forecast"},
            ),
            "lat": ("basin", records.latitude, {"units": "degrees_north"}),
            "lon": ("basin", records.longitude, {"units": "degrees_east"}),
        },
        attrs={"Conventions": "CF-1.11", "title": title},
    )
    if records.generated:
        made.attrs["generated"] = "true"
    if bounds is not None:
        made = made.assign_coords(level=("level", list(levels), {"long_name": "probability"}))
        for name, values in (("lower", bounds.lower), ("upper", bounds.upper)):
            about = {**flow, "long_name": f"{name} bound of the central interval"}
            made[f"streamflow_{name}"] = ((*axes, "level"), values.astype(np.float32), about)
        made["confidence"] = (axes, bounds.confidence.astype(np.float32), {"units": "1"})
    return made


def read_states(artifact: Artifact, before: np.datetime64, field: str = "states") -> Arrays:
    """States of the newest day of issue before a day.

    Raises
    ------
    InvalidData
        When the archive has none, or of an older form.
    """
    days: list[str] = artifact.read_json("forecasts.json")["states"]["days"]
    ready = [day for day in days if np.datetime64(day, "D") < before]
    if not ready:
        said = f"the archive has states of {', '.join(days[:4]) or 'no day'}"
        text = f"{said}; wanted a day before {before}"
        raise InvalidData("no states to go on from", violations=[FieldViolation(field, text)])
    place = days.index(ready[-1])
    arrays = artifact.read_arrays(STATES)
    if ERRORS not in arrays:
        text = "the archive was issued without the last errors; issue its forecasts again"
        raise InvalidData("no states to go on from", violations=[FieldViolation(field, text)])
    return state_of(arrays, place)


def state_of(states: Arrays, place: int) -> Arrays:
    """One day's states, as forecasters take them, out of those of several days."""
    return {
        name: values[place : place + 1] if name == STATE_DAY else values[place]
        for name, values in states.items()
    }


def state_days(states: Arrays) -> list[str]:
    """Days of states, ISO 8601."""
    return [str(day) for day in states.get(STATE_DAY, np.empty(0)).astype("datetime64[D]")]


def plain_numbers(values: Any) -> Any:
    """Nested lists of numbers for JSON, rounded to six digits; None for what is not finite."""
    if isinstance(values, np.ndarray):
        return [plain_numbers(value) for value in values]
    number = float(values)
    return float(f"{number:.6g}") if np.isfinite(number) else None
