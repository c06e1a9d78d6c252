"""Benchmark of the catalog's search: 500 000 rows, beside intake-esm's own search of them.

Cold is a new process, from start to answer, with all imports and the reading of the parquet table;
warm is the next search in it. Both count the facets' values too, which intake-esm does not do.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from catena.shared.catalog import Catalog
from catena.shared.catalog_files import PARQUET, pack

ROWS = 500_000
SEED = 7
REPEATS = 5
QUERY = {
    "variable": ["tas", "pr"],
    "experiment_id": ["historical", "ssp585"],
    "table_id": ["Amon"],
    "source_id": ["CanESM5", "MIROC6", "GFDL-ESM4"],
}
_MODELS = (
    "ACCESS-CM2", "ACCESS-ESM1-5", "AWI-CM-1-1-MR", "BCC-CSM2-MR", "CESM2", "CESM2-WACCM",
    "CNRM-CM6-1", "CNRM-ESM2-1", "CanESM5", "EC-Earth3", "FGOALS-g3", "GFDL-ESM4", "GISS-E2-1-G",
    "HadGEM3-GC31-LL", "INM-CM5-0", "IPSL-CM6A-LR", "KACE-1-0-G", "MIROC6", "MPI-ESM1-2-HR",
    "MPI-ESM1-2-LR", "MRI-ESM2-0", "NorESM2-LM", "SAM0-UNICON", "TaiESM1", "UKESM1-0-LL",
)  # fmt: skip
_EXPERIMENTS = (
    "historical", "piControl", "1pctCO2", "abrupt-4xCO2", "amip", "ssp126", "ssp245", "ssp370",
    "ssp585", "ssp119", "hist-nat", "dcppA-hindcast",
)  # fmt: skip
_VARIABLES = (
    "tas", "tasmin", "tasmax", "pr", "hurs", "huss", "ps", "psl", "sfcWind", "rsds", "rlds",
    "rsus", "rlus", "ta", "ua", "va", "zg", "hus", "snw", "evspsbl", "gpp", "nbp", "mrro", "mrso",
    "lai", "hfls", "hfss",
)  # fmt: skip
_TABLES = {"Amon": "mon", "day": "day", "Lmon": "mon", "3hr": "3hr"}
_PERIODS = ("1850-01-01", "2014-12-31"), ("2015-01-01", "2100-12-31"), ("1979-01-01", "2014-12-31")


def rows(count: int = ROWS) -> list[dict[str, Any]]:
    """Rows with names that CMIP6 has, every combination once."""
    random = np.random.default_rng(SEED)
    periods = random.integers(0, len(_PERIODS), count)
    members = itertools.count(1)
    found: list[dict[str, Any]] = []
    while len(found) < count:
        member = f"r{next(members)}i1p1f1"
        combinations = itertools.product(_MODELS, _EXPERIMENTS, _TABLES, _VARIABLES)
        for model, experiment, table, variable in combinations:
            if len(found) == count:
                break
            start, end = _PERIODS[periods[len(found)]]
            parts = ("CMIP6", "CMIP", "X", model, experiment, member, table, variable, "gn")
            dataset = f"{'.'.join(parts)}.v20190429"
            found.append(
                {
                    "source": "cmip6",
                    "dataset": dataset,
                    "variable": variable,
                    "variable_id": variable,
                    "units": "K",
                    "frequency": _TABLES[table],
                    "start": f"{start}T00:00:00",
                    "end": f"{end}T00:00:00",
                    "calendar": "noleap",
                    "lat_min": -89.0,
                    "lat_max": 89.0,
                    "lon_min": -180.0,
                    "lon_max": 178.0,
                    "activity_id": "CMIP",
                    "source_id": model,
                    "experiment_id": experiment,
                    "member_id": member,
                    "table_id": table,
                    "grid_label": "gn",
                    "version": "v20190429",
                    "mode": "copy",
                    "format": "zarr",
                    "path": f"jobs/data-ingest/IngestDataset/0/attempts/1/data/{dataset}.zarr",
                }
            )
    return found


def measure() -> dict[str, float]:
    """Seconds per search, and how many times faster than intake-esm.

    Returns
    -------
    dict
        ``catalog_search_s`` (cold: the target is 1 s), ``catalog_search_warm_s``,
        ``catalog_wildcard_warm_s``, ``catalog_intake_cold_s``, ``catalog_intake_warm_s``,
        ``catalog_search_ratio`` (cold), ``catalog_search_warm_ratio``, ``catalog_rows``,
        ``catalog_same_rows`` (1: both found the same).
    """
    with tempfile.TemporaryDirectory(prefix="catena-bench-") as name:
        folder = Path(name)
        for file, data in pack(rows()).items():
            (folder / file).write_bytes(data)
        ours_cold = [_in_new_process("ours", folder) for _ in range(3)]
        theirs_cold = [_in_new_process("intake", folder) for _ in range(3)]
        ours_warm, wildcard, found = _ours(folder)
        theirs_warm, theirs = _intake(folder)
    cold, other = min(ours_cold), min(theirs_cold)
    return {
        "catalog_search_s": cold,
        "catalog_search_warm_s": ours_warm,
        "catalog_wildcard_warm_s": wildcard,
        "catalog_intake_cold_s": other,
        "catalog_intake_warm_s": theirs_warm,
        "catalog_search_ratio": other / cold,
        "catalog_search_warm_ratio": theirs_warm / ours_warm,
        "catalog_rows": float(ROWS),
        "catalog_same_rows": float(found == theirs),
    }


def _ours(folder: Path) -> tuple[float, float, int]:
    catalog = Catalog(folder / PARQUET)
    found = catalog.search(QUERY, time=("1990", "2000"), counts=True)
    warm = _best(lambda: catalog.search(QUERY, time=("1990", "2000"), counts=True))
    wild = {"dataset": ["*CanESM5*ssp*tas*"]}
    catalog.search(wild)
    total = catalog.search(QUERY).total
    assert found.total
    return warm, _best(lambda: catalog.search(wild, counts=True)), total


def _intake(folder: Path) -> tuple[float, int]:
    from intake_esm.core import esm_datastore

    datastore = esm_datastore(str(folder / "catalog.json"))
    total = len(datastore.search(**QUERY).df)
    return _best(lambda: datastore.search(**QUERY).df), total


def _best(act: Any) -> float:
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


_COLD = {
    "ours": (
        "from catena.shared.catalog import Catalog; from pathlib import Path\n"
        "found = Catalog(Path(sys.argv[1], 'catalog.parquet')).search(query, "
        "time=('1990', '2000'), counts=True).total"
    ),
    "intake": (
        "import intake_esm\n"
        "found = len(intake_esm.esm_datastore(sys.argv[1] + '/catalog.json').search(**query).df)"
    ),
}


def _in_new_process(which: str, folder: Path) -> float:
    """Seconds from the first import to the answer (the interpreter's own start is not ours)."""
    code = (
        f"import sys, time\nbegin = time.perf_counter()\nquery = {QUERY!r}\n{_COLD[which]}\n"
        "assert found\nprint(time.perf_counter() - begin)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])


if __name__ == "__main__":
    print(json.dumps(measure()))
