"""CalLMIP's files, made here: a submission that breaks no rule, and daily observations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import netCDF4
import numpy as np

NAME = "CATENA.v1_Phase1b_Scen1_US-MMS_Cal_Posterior.nc"
PRIOR = "CATENA.v1_Phase1b_Scen1_US-MMS_Cal_Prior.nc"
FIRST, DAYS = 1999, 366 + 3 * 365  # 1999 to 2002
LAT, LON = 39.3232, -86.4131


def fluxes(days: int = DAYS, seed: int = 0) -> dict[str, np.ndarray]:
    """Variables of the protocol, (day,), in its units."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    summer = np.clip(-np.cos(2 * np.pi * (day - 15) / 365.25), 0, None)
    gpp = 1e-7 * summer + 1e-9
    reco = 4e-8 * (0.3 + 0.7 * summer) + 1e-9 * rng.random(days)
    return {
        "nep": gpp - reco, "hfls": 20 + 90 * summer, "hfss": 40 + 10 * rng.normal(size=days),
        "gpp": gpp, "reco": reco, "tran": 3e-5 * summer, "evspsblsoi": 5e-6 + 0 * day,
        "hfg": 5 * rng.normal(size=days), "ts": 280 + 15 * summer, "lai": 0.5 + 4 * summer,
        "cLiveBioAbove": 10 + 1e-4 * day, "cSoil": 12 + 1e-5 * day, "mrso": 900 - 50 * summer,
        "mrsos": 30 - 5 * summer,
    }  # fmt: skip


def posterior(days: int = DAYS) -> dict[str, np.ndarray]:
    """The same with uncertainties of what scenario 1 optimises."""
    values = fluxes(days)
    return values | {
        "nep_post_unc": np.full(days, 2e-9), "hfls_post_unc": np.full(days, 5.0),
        "hfss_post_unc": np.full(days, 6.0),
    }  # fmt: skip


UNITS = {
    "nep": "kgC m-2 s-1", "gpp": "kgC m-2 s-1", "reco": "kgC m-2 s-1", "hfls": "W m-2",
    "hfss": "W m-2", "hfg": "W m-2", "tran": "kg m-2 s-1", "evspsblsoi": "kg m-2 s-1", "ts": "K",
    "lai": "m2 m-2", "cLiveBioAbove": "kg m-2", "cSoil": "kg m-2", "mrso": "kg m-2",
    "mrsos": "kg m-2",
}  # fmt: skip


@dataclass
class Draft:
    """A submission file before it is written: each part can be made wrong."""

    name: str = NAME
    values: dict[str, np.ndarray] = field(default_factory=posterior)
    units: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    time: np.ndarray = field(default_factory=lambda: np.arange(DAYS) + 0.5)
    time_attributes: dict[str, str] = field(default_factory=dict)
    arrays: set[str] = field(default_factory=set)
    place_attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    place: dict[str, object] = field(default_factory=dict)
    dims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    format: str = "NETCDF3_CLASSIC"

    def write(self, folder: Path) -> Path:
        """The file, named as the draft says."""
        path = folder / self.name
        with netCDF4.Dataset(path, "w", format=self.format) as file:
            for dim, size in ({"time": self.time.size, "lat": 1, "lon": 1} | self.sizes).items():
                file.createDimension(dim, size)
            if "time" not in self.without:
                time = file.createVariable("time", "f8", ("time",))
                time.setncatts(
                    {"units": f"days since {FIRST}-01-01 00:00:00", "calendar": "standard"}
                    | self.time_attributes
                )
                time[:] = self.time
            self._places(file)
            for name, values in self.values.items():
                self._variable(file, name, values)
            plain = {
                "Model": "CATENA.v1", "CalLMIP_Phase": "Phase1b", "Calibration_Scenario": "Scen1",
                "Calibration_stage": "Prior" if "_Prior" in self.name else "Posterior",
                "Cal_Val": "Calibration", "Conventions": "CF-1.8",
            }  # fmt: skip
            for key, value in (plain | self.attributes).items():
                if key not in self.without:
                    file.setncattr(key, value)
        return path

    def _places(self, file: netCDF4.Dataset) -> None:
        for name, word, units, value in (
            ("lat", "latitude", "degrees_north", LAT), ("lon", "longitude", "degrees_east", LON),
        ):  # fmt: skip
            if name in self.without:
                continue
            value = self.place.get(name, value)
            kind = "S1" if isinstance(value, str) else "f8"
            place = file.createVariable(name, kind, (name,) if name in self.arrays else ())
            attributes = {"units": units, "long_name": word} | self.place_attributes.get(name, {})
            place.setncatts({key: text for key, text in attributes.items() if text})
            place[...] = value

    def _variable(self, file: netCDF4.Dataset, name: str, values: np.ndarray) -> None:
        if name in self.without:
            return
        dims = self.dims.get(name, ("time", "lat", "lon"))
        variable = file.createVariable(name, "f8", dims, fill_value=1e20)
        units = self.units.get(name, UNITS.get(name.removesuffix("_post_unc"), "1"))
        if units:
            variable.units = units
        variable[:] = values.reshape([values.size if dim == "time" else 1 for dim in dims])


def broken(change: Callable[[Draft], None], name: str = NAME) -> Draft:
    """A draft with one thing wrong."""
    draft = Draft(name=name)
    if "_Prior" in name:
        draft.values = fluxes()
    change(draft)
    return draft


def observations_file(
    folder: Path,
    site: str = "US-MMS",
    *,
    days: int = DAYS,
    first: int = FIRST,
    values: dict[str, np.ndarray] | None = None,
    **attributes: str,
) -> Path:
    """Daily fluxes as CalLMIP hands them out; NEE is missing on 6 days of 7 in summer."""
    plain = fluxes(days, seed=1)
    series = {
        "NEE": -plain["nep"] * 86_400_000, "Qle": plain["hfls"], "Qh": plain["hfss"],
    } | (values or {})  # fmt: skip
    day = np.arange(days)
    if values is None:
        gap = (plain["gpp"] > 5e-8) & (day % 7 > 0)
        series["NEE"] = np.where(gap, np.nan, series["NEE"])
    path = folder / f"{site}_daily_aggregated_{first}-{first + days // 365 - 1}_FLUXNET2015_Flux.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        for dim, size in (("time", days), ("y", 1), ("x", 1)):
            file.createDimension(dim, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = f"seconds since {first}-01-01 00:00:00", "standard"
        time[:] = day * 86400
        file.createVariable("latitude", "f8", ("y",))[:] = LAT
        file.createVariable("longitude", "f8", ("x",))[:] = LON
        for name, numbers in series.items():
            for suffix, each in (("", numbers), ("_uc", 0.1 * np.abs(numbers) + 0.01)):
                variable = file.createVariable(f"{name}{suffix}_daily", "f4", ("time",),
                                               fill_value=1e20)  # fmt: skip
                variable.units = "gC/m2/d" if name == "NEE" else "W/m2"
                variable[:] = np.ma.masked_invalid(each)
        file.setncatts(attributes)
    return path
