"""Claims about checks as a whole: lazy, repeatable, storable, thrifty."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator

import dask
import numpy as np
import pytest
import support.faults_of_places
import support.faults_of_time
import support.faults_of_units
import support.faults_of_values  # noqa: F401
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.faulty_datasets import CATALOGUE, TEST_DEFECTS, TEST_ROWS, Fault, planted, times
from support.good_datasets import GOOD, daily_basin, hourly_site, monthly_gridded

from catena.shared.checks import Fix, apply, files_agree, inspect, normalise
from catena.shared.checks.fills import longest_run
from catena.shared.checks.findings import Finding, Inspection
from catena.shared.checks.fixes import OPERATIONS
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound
from catena.shared.lexicon import vocabularies

KEPT = [fault for fault in CATALOGUE if fault.outcome != "refused" or fault.gone]


@pytest.fixture(autouse=True, scope="module")
def test_vocabulary() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    table = importlib.import_module("catena.shared.lexicon.defects")
    rows, known = vocabularies.rows, table._all
    patch.setattr(vocabularies, "rows", lambda name: TEST_ROWS if name == "faults" else rows(name))
    patch.setattr(table, "_all", lambda: (*known(), *TEST_DEFECTS))
    yield
    patch.undo()


def _through_json(inspection: Inspection) -> Inspection:
    text = json.dumps([finding.to_dict() for finding in inspection])
    return Inspection(tuple(Finding.from_dict(each) for each in json.loads(text)))


@pytest.mark.parametrize("fault", KEPT, ids=[fault.name for fault in KEPT])
def test_fixes_of_a_reference_equal_those_of_the_data(fault: Fault) -> None:
    """Lazily opened, loaded, through JSON, by apply or by normalise: one and the same result."""
    faulty = fault.plant(GOOD[fault.good]())
    normal, inspection = normalise(faulty, vocabulary="faults", key=fault.name)
    assert normal is not None
    stored = _through_json(inspection)
    assert stored == inspection
    lazily = apply(faulty, stored.fixes)
    eagerly = apply(faulty.load(), stored.fixes)
    for name, array in normal.data_vars.items():
        assert normal[name].chunks is not None, "the result is lazy"
        np.testing.assert_array_equal(lazily[name].values, array.values)
        np.testing.assert_array_equal(eagerly[name].values, array.values)
        assert lazily[name].attrs == eagerly[name].attrs == array.attrs
    assert set(lazily.coords) == set(eagerly.coords) == set(normal.coords)
    for name in normal.coords:
        np.testing.assert_array_equal(lazily[name].values, eagerly[name].values)


@pytest.mark.parametrize("fault", KEPT, ids=[fault.name for fault in KEPT])
def test_a_second_time_there_is_nothing_to_convert(fault: Fault) -> None:
    normal, _ = normalise(fault.plant(GOOD[fault.good]()), vocabulary="faults", key=fault.name)
    assert normal is not None
    again, second = normalise(normal, vocabulary="faults", key=fault.name)
    assert [str(finding) for finding in second if finding.action != "noted"] == []
    assert again is not None and again.equals(normal)


@pytest.mark.slow
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    picked=st.lists(
        st.sampled_from(
            [
                "celsius", "fill_9999", "north_first", "longitudes_to_the_east", "missing_month",
                "sign_of_the_file", "bounds_among_the_data", "double_precision", "infinities",
                "other_names_of_coordinates", "grams_per_kilogram", "overshoot_of_rounding",
            ]
        ),
        unique=True, max_size=5,
    ),
    chunks=st.tuples(st.integers(1, 40), st.integers(1, 8)),
)  # fmt: skip
def test_faults_together_give_one_result_however_the_data_are_cut(
    picked: list[str], chunks: tuple[int, int]
) -> None:
    plants = {fault.name: fault.plant for fault in CATALOGUE}
    # Renaming last: the other plants speak of canonical names.
    dataset = monthly_gridded()
    for name in sorted(picked, key=lambda name: name == "other_names_of_coordinates"):
        dataset = plants[name](dataset)
    whole = dataset.load()
    cut = whole.chunk({"time": chunks[0], list(whole["tas"].dims)[1]: chunks[1]})
    one, first = normalise(whole, vocabulary="faults", key="k")
    other, second = normalise(cut, vocabulary="faults", key="k")
    assert first == second
    assert one is not None and other is not None
    assert one.identical(other.load())
    assert [finding for finding in inspect(one, vocabulary="faults", dataset_key="k")
            if finding.action == "converted"] == []  # fmt: skip


def test_metadata_checks_read_no_data_and_values_are_read_once() -> None:
    reads: list[int] = []

    def counted(block: np.ndarray) -> np.ndarray:
        reads.append(block.size)
        return block

    good = monthly_gridded()
    dataset = good.assign(
        {name: array.copy(data=array.data.map_blocks(counted, dtype="f4", meta=np.array((), "f4")))
         for name, array in good.data_vars.items()}
    )  # fmt: skip
    changed = dataset.isel(lat=slice(None, None, -1))
    changed["tas"].attrs["units"] = "degC"
    changed["tas"] = changed["tas"] - np.float32(273.15)
    changed["tas"].attrs.update(good["tas"].attrs, units="degC")
    normal, inspection = normalise(changed, vocabulary="faults", key="k")
    assert normal is not None and inspection.of("converted")
    # Blocks of 12 of 36 months: once each.
    assert sum(reads) == sum(array.size for array in good.data_vars.values())


def test_memory_is_bounded_by_blocks() -> None:
    """Forty blocks of 4 MB come and go; never more than a few are held."""
    import tracemalloc

    import dask.array as da

    steps, cells = 40, 1000
    rng = np.random.default_rng(0)

    def make(block_info: object = None) -> np.ndarray:
        return 280 + rng.random((1, cells, cells), "float32")

    shape = ((1,) * steps, (cells,), (cells,))
    lazy = da.map_blocks(make, chunks=shape, dtype="float32", meta=np.array((), "f4"))
    dataset = xr.Dataset(
        {"tas": (("time", "lat", "lon"), lazy, {"units": "K"})},
        {
            "time": np.datetime64("2000-01-01", "us") + np.arange(steps) * np.timedelta64(1, "D"),
            "lat": np.linspace(-89, 89, cells),
            "lon": np.linspace(-179, 179, cells),
        },
    )
    tracemalloc.start()
    with dask.config.set(scheduler="synchronous"):
        inspection = inspect(dataset, vocabulary="cf", dataset_key="k")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not inspection.of("refused")
    assert peak < 40e6, f"{peak / 1e6:.0f} MB at most, for blocks of 4 MB and data of 160 MB"


def test_an_unknown_fix_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match=r"'warp'.*newer"):
        apply(monthly_gridded(), [Fix("warp", {})])
    with pytest.raises(FailedPrecondition, match="arguments"):
        apply(monthly_gridded(), [Fix("scale", {"variable": "tas", "factor": 1, "how": "x"})])
    with pytest.raises(InvalidData, match="'tos'"):
        apply(monthly_gridded(), [Fix("scale", {"variable": "tos", "factor": 1})])


def test_an_unknown_vocabulary_is_refused() -> None:
    with pytest.raises(NotFound, match="no vocabulary"):
        inspect(monthly_gridded().rename(tas="x"), vocabulary="camles", dataset_key="k")


@pytest.mark.slow
def test_inspection_leaves_the_dataset_as_it_was() -> None:
    for fault in CATALOGUE:
        faulty = fault.plant(GOOD[fault.good]())
        before = faulty.copy(deep=True)
        inspect(faulty, vocabulary="faults", dataset_key=fault.name)
        assert faulty.identical(before), fault.name


def test_zero_rain_and_dark_nights_are_no_frozen_data() -> None:
    site = hourly_site()
    dry = planted(site, "pr", lambda v: v * 0)
    dark = planted(dry, "rsds", lambda v: v * 0)
    assert not list(inspect(dark, vocabulary="cf", dataset_key="k"))
    no_rain = planted(daily_basin(), "pr", lambda v: v * 0)
    assert not list(inspect(no_rain, vocabulary="cf", dataset_key="k"))


def test_a_field_that_is_nearly_dry_may_come_twice() -> None:
    # Seen in Caravan: 20 basins, one of them with 0.01 mm, the same on the next day.
    def dry(values: np.ndarray) -> np.ndarray:
        values[100:102] = 0
        values[100:102, 3, 3:6] = 1.2e-7
        return values

    field = GOOD["daily_noleap"]()
    assert not list(inspect(planted(field, "pr", dry), vocabulary="cf", dataset_key="k"))


def test_fixed_fields_need_no_time() -> None:
    orog = monthly_gridded()["tas"].isel(time=0, drop=True) * 3
    orog.attrs = {"units": "m", "standard_name": "surface_altitude"}
    normal, inspection = normalise(orog.to_dataset(name="orog"), vocabulary="cf", key="k")
    assert normal is not None and set(normal["orog"].dims) == {"lat", "lon"}
    assert not inspection.of("refused")


def test_gaps_are_counted_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        missing = rng.random((40, 3)) < rng.uniform(0.1, 0.9)
        best = 0
        for column in missing.T:
            run = 0
            for value in column:
                run = run + 1 if value else 0
                best = max(best, run)
        length, start = longest_run(missing)
        assert length == best
        if best:
            assert missing[start : start + best].all(axis=0).any()


def test_operations_are_json_and_have_words() -> None:
    importlib.import_module("catena.shared.checks.fixes_time")
    assert len(OPERATIONS) >= 20
    for run in OPERATIONS.values():
        assert run.__doc__


# Two files of one dataset


def _agree(other: xr.Dataset) -> list[Finding]:
    return files_agree(monthly_gridded(), other, dataset="d", first_file="a.nc", other_file="b.nc")


def test_files_that_go_on_in_time_agree() -> None:
    later = monthly_gridded()
    later = times(later, later["time"].values + np.timedelta64(1096, "D"))
    assert _agree(later) == []


@pytest.mark.parametrize(
    ("change", "where", "found", "wanted"),
    [
        (lambda d: d.isel(lat=slice(0, 5)), "lat", "size 5", "size 6"),
        (lambda d: d.isel(lat=slice(None, None, -1)), "lat", "lat 75.0", "lat -75.0"),
        (lambda d: d.assign_coords(lon=d["lon"] + 180), "lon", "lon 0.0", "lon -180.0"),
        (lambda d: planted(d, "tas", lambda v: v, units="degC"), "tas", "'degC'", "'K'"),
        (lambda d: planted(d, "tas", lambda v: v.astype("int16")), "tas", "int16", "float32"),
        (lambda d: d.drop_vars("pr"), "pr", "no variable pr", "variable pr"),
        (lambda d: d.assign(extra=d["tas"]), "extra", "variable extra", "no variable"),
        (lambda d: times(d, np.arange(36)), "time", "int64", "datetime64"),
        (
            lambda d: times(
                d, xr.date_range("2003-01", periods=36, freq="MS", calendar="noleap",
                                 use_cftime=True).values
            ),
            "time", "calendar noleap", "calendar standard",
        ),
        (lambda d: d.assign(tas=d["tas"].isel(lat=0)), "tas", "dims ('time', 'lon')", "'lat'"),
    ],
)  # fmt: skip
def test_files_that_differ_are_named_with_both_values(
    change: object, where: str, found: str, wanted: str
) -> None:
    findings = _agree(change(monthly_gridded()))  # type: ignore[operator]
    named = [each for each in findings if where in (each.variable, each.dimension)]
    assert named, list(map(str, findings))
    assert found in named[0].found and wanted in named[0].wanted
    assert named[0].file == "b.nc" and "a.nc" in named[0].wanted
    assert named[0].dataset == "d" and named[0].action == "refused"
