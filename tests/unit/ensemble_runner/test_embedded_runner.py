"""The embedded model as the ensemble runner sees it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ensembles
from support.bucket_model import GRASS, TREES

from catena.coupler.embedded import ParameterSet
from catena.ensemble_runner.embedded import EmbeddedRunner, columns_of, parameters_of
from catena.ensemble_runner.inputs import read_setup
from catena.ensemble_runner.models import Column, Setup
from catena.ensemble_runner.queries import RunCaseQuery
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import InvalidData

COLUMNS = (Column("flnr", TREES), Column("br_mr"), Column("rootb_par"))
NAMES = ["GPP", "TOTSOMC", "EFLX_LH_TOT", "SMINN"]
ROWS = np.array([[0.1, 2e-6, 1.0], [0.2, 3e-6, 2.0], [0.15, 2.5e-6, 3.0], [0.3, 1.5e-6, 0.5]])


@pytest.fixture(scope="module")
def model() -> EmbeddedRunner:
    return EmbeddedRunner()


def made(model: EmbeddedRunner, **changes: Any) -> Setup:
    """A setup on generated weather."""
    store, weather = ensembles.shared_weather()
    request = {"setup": ensembles.setup(weather, **changes), "outputs": ["GPP", "TOTVEGC"]}
    return read_setup(RunCaseQuery.from_plain(request), model, store.open)


def test_the_calibrated_parameters_have_their_published_ranges(model: EmbeddedRunner) -> None:
    known = {one.name: one for one in model.parameters}
    ranges = {
        "rootb_par": (0.5, 4.0, True),
        "slatop": (0.01, 0.05, True),
        "flnr": (0.1, 0.4, True),
        "frootcn": (25, 60, True),
        "froot_leaf": (0.3, 1.5, True),
        "br_mr": (1.5e-6, 4e-6, False),
        "crit_dayl": (35_000, 45_000, False),
        "crit_onset_gdd": (600, 1000, False),
    }
    for name, (low, high, per_pft) in ranges.items():
        one = known[name]
        assert (one.low, one.high, one.per_pft) == (low, high, per_pft)
        assert len(one.defaults) == (len(model.pfts) if per_pft else 1)
        assert one.lowest <= low < high <= one.highest
    assert known["flnr"].defaults[model.pfts.index(TREES)] == pytest.approx(0.1007)
    assert [one.name for one in model.outputs if one.usual][:2] == ["GPP", "NPP"]


@pytest.mark.parametrize("frequency", ["monthly", "yearly"])
def test_a_member_does_not_depend_on_its_block(model: EmbeddedRunner, frequency: Any) -> None:
    setup = made(model)
    together = model.run_block(setup, COLUMNS, ROWS, frequency)
    alone = [model.run_block(setup, COLUMNS, ROWS[i : i + 1], frequency) for i in range(4)]
    for name in setup.outputs:
        assert together.values[name].shape == (4, 24 if frequency == "monthly" else 2, 3)
        assert together.values[name].dtype == np.float32
        rows = np.concatenate([one.values[name] for one in alone])
        assert np.array_equal(together.values[name], rows)
        assert len(np.unique(rows[:, :, 0].max(axis=1))) == 4, "the parameters matter"


def test_a_parameter_without_a_pft_is_that_of_all_plants_on_the_land(model: EmbeddedRunner) -> None:
    setup = made(model)
    both = parameters_of(setup, [Column("flnr")], np.array([[0.2]]))
    for pft in (TREES, GRASS):
        assert both.get("flnr", pft) == 0.2
    one = parameters_of(setup, [Column("flnr", GRASS)], np.array([[0.2]]))
    assert one.get("flnr", GRASS) == 0.2
    assert one.get("flnr", TREES) == pytest.approx(0.1007)


def test_what_a_member_says_comes_before_what_is_fixed(model: EmbeddedRunner) -> None:
    fixed = [{"name": "flnr", "value": 0.3}, {"name": "br_mr", "value": 3e-6}]
    setup = made(model, fixed=fixed)
    found = parameters_of(setup, [Column("flnr", GRASS)], np.array([[0.2], [0.25]]))
    assert found.get("flnr", GRASS).tolist() == [0.2, 0.25]
    assert found.get("flnr", TREES).tolist() == [0.3, 0.3]
    assert found.get("br_mr").tolist() == [3e-6, 3e-6]


def test_soil_layers_are_averaged_over_the_models_own(model: EmbeddedRunner) -> None:
    soil = [
        {"bottom_m": 0.0175, "sand_percent": 90, "clay_percent": 5},
        {"bottom_m": 0.0451, "sand_percent": 10, "clay_percent": 50},
        {"bottom_m": 1.0, "sand_percent": 30, "clay_percent": 20},
    ]
    land = {**ensembles.SURFACE, "soil": soil}
    columns = columns_of(made(model, surfaces=[ensembles.SURFACE, land, land]))
    assert np.allclose(columns.sand[0], 40) and np.allclose(columns.clay[0], 20)
    assert columns.sand[1][[0, 1, 2, -1]] == pytest.approx([90, 10, 30, 30], rel=1e-2)
    assert columns.clay[1][[0, 1, 2, -1]] == pytest.approx([5, 50, 20, 20], rel=1e-2)


def test_cells_with_fewer_plants_have_room_to_spare(model: EmbeddedRunner) -> None:
    grass = {**ensembles.SURFACE, "pfts": [{"name": GRASS, "fraction": 1.0}]}
    setup = made(model, surfaces=[ensembles.SURFACE, grass, ensembles.SURFACE])
    alone = made(model, surfaces=[grass] * 3)
    ran, other = (model.run_block(one, [], np.zeros((1, 0)), "yearly") for one in (setup, alone))
    for name in setup.outputs:
        assert np.allclose(ran.values[name][0, :, 1], other.values[name][0, :, 1], rtol=1e-6)


def test_a_repeated_record_equals_a_long_one(model: EmbeddedRunner) -> None:
    repeated = made(model, stages=[{"kind": "final", "years": 5}])
    # The same years by another way: those of a transient stage are laid out in memory.
    laid_out = made(model, stages=[{"kind": "transient", "years": 6}])
    ran, other = (model.run_block(one, COLUMNS, ROWS, "yearly") for one in (repeated, laid_out))
    for name in repeated.outputs:
        assert ran.values[name].shape[1] == 6, "whole cycles of the two years of the record"
        assert np.array_equal(ran.values[name], other.values[name])


def test_a_member_that_breaks_the_model_is_named_with_day_and_cause(
    model: EmbeddedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = made(model)
    # Three parts of leaf litter that are more than all of it, as if nobody had seen it in time.
    monkeypatch.setattr(ParameterSet, "problems", lambda self: [[] for _ in range(self.members)])
    rows = np.array([[0.25], [1.0], [0.2]])
    ran = model.run_block(setup, [Column("lf_flab", TREES)], rows, "monthly")
    [failure] = ran.failures
    assert failure.member == 1 and failure.stage == "final"
    assert failure.day.startswith("2001-") and "negative" in failure.cause
    assert np.isnan(ran.values["GPP"][1]).all()
    good = model.run_block(setup, [Column("lf_flab", TREES)], rows[[0, 2]], "monthly")
    assert np.array_equal(ran.values["GPP"][[0, 2]], good.values["GPP"])


def test_a_member_that_cannot_run_is_named_with_its_parameters(model: EmbeddedRunner) -> None:
    rows = np.array([[0.25], [1.0]])
    ran = model.run_block(made(model), [Column("lf_flab", TREES)], rows, "monthly")
    [failure] = ran.failures
    assert (failure.member, failure.stage, failure.day) == (1, "final", "")
    assert "lf_flab and lf_fcel sum to 1.5" in failure.cause


def test_spin_up_begins_accelerated_and_leaves_it(model: EmbeddedRunner) -> None:
    stages = [{"kind": "ad_spinup", "years": 4}, {"kind": "final", "years": 2},
              {"kind": "transient"}]  # fmt: skip
    ran = model.run_block(made(model, stages=stages), [], np.zeros((1, 0)), "yearly")
    assert ran.failures == ()
    assert np.isfinite(ran.values["GPP"]).all() and (ran.values["GPP"] > 0).any()


def test_more_carbon_dioxide_makes_more_leaves_work(model: EmbeddedRunner) -> None:
    low, high = (
        model.run_block(
            made(model, stages=[{"kind": "transient", "co2_ppm": ppm}]),
            [], np.zeros((1, 0)), "yearly",
        ).values["GPP"]
        for ppm in (280, 560)
    )  # fmt: skip
    assert (high[0, -1] > low[0, -1]).all()


def test_a_table_of_carbon_dioxide_is_read_in_the_years_of_the_stage(
    model: EmbeddedRunner,
) -> None:
    store, weather = ensembles.shared_weather()

    def gpp(stage: dict[str, Any], by_year: dict[int, float] | None = None) -> np.ndarray:
        forcing: dict[str, Any] = {"dataset": weather}
        if by_year:
            lines = "\n".join(f"Annee_{year}={ppm}" for year, ppm in by_year.items())
            kept = ensembles.plain(store.put_files({"co2.txt": lines.encode()}))
            forcing |= {"co2": kept, "co2_file": "co2.txt"}
        stages = [{"kind": "transient", "years": 4, "first_year": 1999, **stage}]
        setup = made(model, stages=stages, forcing=forcing)
        values = model.run_block(setup, [], np.zeros((1, 0)), "yearly").values["GPP"]
        assert values.shape == (1, 4, 3)
        return values[0]

    constant = gpp({"co2_ppm": 400})
    assert np.array_equal(gpp({}, dict.fromkeys(range(1999, 2003), 400.0)), constant)
    late = gpp({}, {1999: 400.0, 2000: 400.0, 2001: 800.0, 2002: 800.0})
    assert np.array_equal(late[:2], constant[:2]) and (late[2:] > constant[2:]).all()
    with pytest.raises(InvalidData, match="CO2"):
        gpp({}, {2001: 400.0, 2002: 400.0})


def test_a_case_equals_the_member_with_its_parameters(store: ArtifactStore) -> None:
    weather = ensembles.weather(store)
    fixed = [{"name": c.name, "pft": c.pft, "value": v}
             for c, v in zip(COLUMNS, ROWS[1], strict=True)]  # fmt: skip
    case = ensembles.run(
        store,
        ensembles.case_query(
            weather,
            model="embedded",
            setup=ensembles.setup(weather, fixed=fixed),
            frequencies=["monthly", "yearly"],
        ),
    )
    table = {
        "columns": [{"name": c.name, "pft": c.pft} for c in COLUMNS],
        "values": ROWS.ravel().tolist(),
    }
    runs = ensembles.run(
        store, ensembles.ensemble_query(weather, model="embedded", draw=None, table=table)
    ).open_dataset("runs.zarr")
    monthly = case.open_dataset("history_monthly.zarr")
    for name in ("GPP", "EFLX_LH_TOT", "TOTSOMC"):
        assert np.allclose(monthly[name], runs[name][1], rtol=1e-5, atol=1e-12)
    errors = case.read_json("case.json")["notes"]["largest_relative_budget_error"]
    assert max(errors.values()) < 1e-9


def test_a_resumed_case_is_bit_by_bit_one_that_was_never_stopped(store: ArtifactStore) -> None:
    weather = ensembles.weather(store)

    def case(years: int, first_year: int, **changes: Any) -> Artifact:
        stages = [{"kind": "transient", "years": years, "first_year": first_year}]
        setup = ensembles.setup(weather, stages=stages, **changes)
        query = ensembles.case_query(
            weather, model="embedded", setup=setup, frequencies=["daily"], outputs=NAMES
        )
        return ensembles.run(store, query)

    whole, first = case(4, 2001), case(2, 2001)
    restart = {"artifact": ensembles.plain(first.ref), "mode": "resume"}
    second = case(2, 2003, restart=restart)
    left, right = (each.open_dataset("history_daily.zarr") for each in (whole, second))
    assert str(right["time"].values[0])[:10] == "2003-01-01"
    for name in NAMES:
        assert np.array_equal(left[name].values[730:], right[name].values)
    hot = case(2, 1991, restart={**restart, "mode": "hotstart"})
    assert np.array_equal(
        hot.open_dataset("history_daily.zarr")["TOTSOMC"].values[0], right["TOTSOMC"].values[0]
    )
    with pytest.raises(InvalidData) as caught:
        case(2, 2002, restart=restart)
    assert "its date is 2003-01-01, the run goes on at 2002-01-01" in str(caught.value)


@pytest.mark.parametrize("damage", ["other cells", "cut off", "no restart"])
def test_a_restart_that_does_not_fit_is_refused(store: ArtifactStore, damage: str) -> None:
    weather = ensembles.weather(store)
    only = [{"kind": "transient"}]
    of_cells = weather if damage == "cut off" else ensembles.weather(store, sites=2)
    first = ensembles.run(
        store,
        ensembles.case_query(
            of_cells, model="embedded", setup=ensembles.setup(of_cells, stages=only)
        ),
    )
    content = first.read_bytes("restart.nc")
    content = {"cut off": content[:-5000], "no restart": b"CDF"}.get(damage, content)
    kept = store.put_files({"restart.nc": content})
    setup = ensembles.setup(weather, stages=only, restart={"artifact": ensembles.plain(kept)})
    with pytest.raises(InvalidData) as caught:
        ensembles.run(store, ensembles.ensemble_query(weather, model="embedded", setup=setup))
    [violation] = caught.value.violations
    assert violation.field == "setup.restart"
    if damage == "other cells":
        assert "another grid" in violation.description


@pytest.fixture
def moz(store: ArtifactStore) -> dict[str, Any]:
    """Real forcing of US-MOz."""
    folder = os.environ.get("CATENA_DATA")
    if not folder:
        pytest.skip("CATENA_DATA is not set")
    path = Path(folder) / "flux_sites" / "drivers" / "US-MOz_forcing.nc4"
    files = ensembles.plain(store.put_files([path]))
    return {"files": files, "file": path.name, "first_year": 2006, "last_year": 2007}


@pytest.mark.data
def test_the_surface_of_a_known_site_is_taken_with_its_driver_file(
    store: ArtifactStore, moz: dict[str, Any]
) -> None:
    setup = {"forcing": moz, "stages": [{"kind": "transient"}]}
    query = ensembles.case_query({}, model="embedded", setup=setup, frequencies=["yearly"])
    case = ensembles.run(store, query)
    history = case.open_dataset("history_yearly.zarr")
    assert history.sizes["time"] == 2 and float(history["lat"][0]) == pytest.approx(38.74, abs=0.01)
    assert np.isfinite(history["GPP"]).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("USMOz_final.elm.r.0241-01-01-00000.nc", ""),
        ("USMOz_ad.elm.r.0041-01-01-00000.nc", ""),
        ("USMOz_ad.elm.r.0021-01-01-00000.nc", "scalaravg"),
    ],
)
def test_a_run_begins_from_a_restart_file_of_elm(
    store: ArtifactStore, moz: dict[str, Any], name: str, told: str
) -> None:
    path = Path(os.environ["CATENA_DATA"]) / "elm_runs" / name
    kept = ensembles.plain(store.put_files([path]))
    setup = {
        "forcing": moz,
        "stages": [{"kind": "transient"}],
        "restart": {"artifact": kept, "file": name},
    }
    query = ensembles.case_query({}, model="embedded", setup=setup, frequencies=["yearly"])
    if told:
        with pytest.raises(InvalidData, match=told):
            ensembles.run(store, query)
        return
    history = ensembles.run(store, query).open_dataset("history_yearly.zarr")
    assert float(history["TOTSOMC"][0, 0]) > 5_000, "the slow pools are those of ELM, not of AD"
    assert float(history["GPP"][0, 0]) * 86_400 * 365 > 200
