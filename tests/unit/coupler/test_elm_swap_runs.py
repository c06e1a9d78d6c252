"""Whole spin-up swaps of a case of ELM, on the stand-in: check, fallback, resumption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.elm_swap import (
    CYCLE,
    Planted,
    Truth,
    config_of,
    submitted,
    swap_config,
)
from support.fake_cime_inside import inside

from catena.coupler.elm.swap import ElmSwap
from catena.coupler.elm.swap_report import FAR, SwapReport, read_report, report_path
from catena.coupler.fake_cime import Fault, set_faults
from catena.coupler.fake_cime.land import Land
from catena.coupler.spin_up.anderson import Anderson
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    JobFailed,
)


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return Truth.grown(tmp_path_factory.mktemp("truth"))


# Whole swaps


def run_to_the_end(swap: ElmSwap) -> SwapReport:
    report = swap.run()
    assert report == read_report(swap.report_path)
    return report


@pytest.mark.slow
def test_a_good_emulator_is_believed_after_the_check_and_a_stopped_run_goes_on(
    tmp_path: Path, truth: Truth
) -> None:
    config = config_of(tmp_path)
    set_faults(config.cime_root, [Fault("killed_run", where="_03_final", times=1)])
    with pytest.raises(JobFailed, match="moz-planted_03_final did not reach year 25"):
        ElmSwap(config, Planted(truth.pools)).run()
    first = submitted(config)
    assert first == ["moz-planted_ad_spinup", "moz-planted_02_final", "moz-planted_03_final"]
    report = run_to_the_end(ElmSwap(config, Planted(truth.pools)))
    assert submitted(config) == [*first, "moz-planted_03_final", "moz-planted_transient"]
    assert report.reached and not report.fell_back
    assert len(report.judgements) == 1 and abs(report.judgements[0].nee[0]) < 5.0
    assert report.years == 24.0 and report.native_years == 100.0
    assert report.years_saved_ratio == pytest.approx(100.0 / 24.0)
    assert Path(report.transient).name == "moz-planted_transient.elm.r.1852-01-01-00000.nc"
    # What was put in, and that ELM began with it.
    (put,) = report.put_in
    soil4 = next(each for each in put["pools"] if each["pool"] == "soil4c")
    assert soil4["after"] > 20.0 * soil4["before"] and put["accelerated_units"]
    assert put["first_record"] == "agrees with the first record"
    # Asked again nothing runs.
    again = ElmSwap(config, Planted(truth.pools)).run()
    assert again.restart == report.restart and len(submitted(config)) == len(first) + 2
    # Another emulator under the same name is no continuation.
    with pytest.raises(FailedPrecondition, match=r"restart: .* -> "):
        ElmSwap(config, Planted(truth.times("soil4c", 1.5))).run()


@pytest.mark.slow
def test_a_bad_emulator_is_caught_and_the_run_still_ends_at_rest(
    tmp_path: Path, truth: Truth
) -> None:
    config = config_of(tmp_path)
    report = run_to_the_end(ElmSwap(config, Planted(truth.times("soil2c", 2.0))))
    assert not report.judgements[0].passed and "NEE" in report.why
    assert report.fell_back and report.reached
    assert {each.what for each in report.judgements[1:]} == {"fallback"}
    assert abs(report.judgements[-1].nee[0]) < 5.0
    assert report.years == 24.0 + 10.0 * (len(report.judgements) - 1)
    assert report.transient
    # No transient run from a state that is not at rest.
    short = config_of(tmp_path / "short", tries=0)
    ended = run_to_the_end(ElmSwap(short, Planted(truth.times("soil2c", 2.0))))
    assert not ended.reached and not ended.transient
    assert "moz-planted_transient" not in submitted(short)
    assert "NOT at equilibrium" in str(ended)


@pytest.mark.slow
def test_an_unfamiliar_site_falls_back_whatever_its_fluxes_are(
    tmp_path: Path, truth: Truth
) -> None:
    config = config_of(tmp_path)
    method = Planted(truth.pools, ad_years=0, unfamiliar=np.array([1.5]))
    report = run_to_the_end(ElmSwap(config, method))
    assert report.fell_back and "unlike what was learned (1.5)" in report.why
    assert report.reached and report.unfamiliar == 1.5
    # One cycle for a template, two for the check, five natively.
    assert report.years == CYCLE * 8.0


@pytest.mark.slow
def test_a_model_that_begins_with_something_else_stops_the_swap(
    tmp_path: Path, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ELM does with a file of equilibrium pools and the flag of acceleration."""
    config = config_of(tmp_path)
    whole = Land.state_of

    def tenfold(self: Land, restart: Any) -> Any:
        if restart.spinup_state == 0 and restart.date.year == 3:
            dead = restart.pools()[["deadstemc"]] * 10.0
            restart = restart.with_pools(dead)
        return whole(self, restart)

    monkeypatch.setattr(Land, "state_of", tenfold)
    with pytest.raises(InvalidData, match="dead wood is ten times what was written"):
        ElmSwap(config, Planted(truth.pools, ad_years=0)).run()
    assert submitted(config)[-1] == "moz-planted_02_final"


@pytest.mark.slow
def test_a_state_from_which_the_numbers_break_ends_in_a_native_spin_up(
    tmp_path: Path, truth: Truth
) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4}
    config = swap_config(tmp_path, stages=stages, spin_up={**wide, "settle_cycles": 0})
    set_faults(config.cime_root, [Fault("nan_restart", where="_02_final", times=1)])
    report = run_to_the_end(ElmSwap(config, Planted(truth.pools, ad_years=0)))
    assert report.fell_back and "holds NaN in soil4c_vr" in report.why
    assert report.reached and not report.transient
    # From bare ground with the executable that was built first.
    assert submitted(config)[2:5] == [
        "moz-planted_03_ad", "moz-planted_04_ad", "moz-planted_05_final",
    ]  # fmt: skip


@pytest.mark.slow
def test_numbers_that_break_in_the_fallback_end_in_a_native_spin_up(
    tmp_path: Path, truth: Truth
) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4, "settle_cycles": 0, "chunk_cycles": 1}
    config = swap_config(tmp_path, stages=stages, spin_up=wide)
    set_faults(config.cime_root, [Fault("nan_restart", where="_03_final", times=1)])
    method = Planted(truth.pools, ad_years=0, unfamiliar=np.array([np.nan]))
    report = run_to_the_end(ElmSwap(config, method))
    assert report.reached and report.unfamiliar == FAR
    assert "unlike what was learned" in report.why and "holds NaN in soil4c_vr" in report.why
    assert submitted(config)[2:] == [
        "moz-planted_03_final",
        "moz-planted_04_ad", "moz-planted_05_ad", "moz-planted_06_final", "moz-planted_07_final",
    ]  # fmt: skip
    assert "NaN" not in report_path(config, "planted").read_text().replace("holds NaN", "")


@pytest.mark.slow
def test_numbers_that_break_within_a_method_end_in_a_native_spin_up(tmp_path: Path) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4, "settle_cycles": 0, "chunk_cycles": 1}
    config = swap_config(tmp_path, stages=stages, spin_up=wide)
    set_faults(config.cime_root, [Fault("nan_restart", where="_04_final", times=1)])
    report = run_to_the_end(ElmSwap(config, Anderson(start_years=42, cycles=4)))
    assert report.fell_back and report.reached and "holds NaN" in report.why
    assert submitted(config)[3:5] == ["moz-anderson_04_final", "moz-anderson_05_ad"]


@pytest.mark.slow
def test_a_cell_that_the_method_left_bare_is_spun_up_from_bare_ground(
    tmp_path: Path, truth: Truth
) -> None:
    """What a template of two years has grown is no state to go on from, however still it is."""
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4, "settle_cycles": 0, "chunk_cycles": 1}
    config = swap_config(tmp_path, stages=stages, spin_up=wide)
    nothing = Planted(np.full_like(truth.pools, np.nan), ad_years=0, unfamiliar=np.array([np.inf]))
    report = run_to_the_end(ElmSwap(config, nothing))
    assert report.reached and report.fell_back and "unlike what was learned (inf)" in report.why
    assert submitted(config) == [
        "moz-planted_final", "moz-planted_02_final",
        "moz-planted_03_ad", "moz-planted_04_ad", "moz-planted_05_final", "moz-planted_06_final",
    ]  # fmt: skip
