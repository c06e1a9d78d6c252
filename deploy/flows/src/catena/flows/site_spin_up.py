"""The swap of the spin-up at a site: draws of the posterior begin from an emulated equilibrium."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catena.flows.model_runs import RUNNER, predictive_request, runs_request
from catena.flows.rpc import Check, Ref, Section, later
from catena.flows.site import Site, SiteSpinUp
from catena.flows.spin_up_steps import TRAINER, emulator_fields, kind_of
from catena.shared.client import InvalidRequest

_LAND = ("surfaces", "surface_map", "fixed")
_AIR = ("co2_ppm", "n_deposition")


def sample_request(site: Site, forcing: Ref | None) -> Section:
    """Fields of SpinUpRequest for the native sample: parameters drawn as the ensemble's."""
    asked = dict(_section(site).learning)
    runs = runs_request(site, forcing)
    drawn = {"parameters": runs.get("draw", {}).get("parameters", []), **asked.pop("draw", {})}
    method = {"kind": "native", **asked.pop("method", {})}
    title = f"{site.site}: native spin-ups to learn from"
    own = {"title": title, "lessons": {}, **asked, "draw": drawn, "method": method}
    return {**_sites(runs), **own}


def emulator_request(site: Site, sample: Ref) -> Section:
    """Fields of FineTuneRequest for the emulator."""
    return emulator_fields(site.site, _section(site).emulator, sample)


def spin_up_request(
    site: Site, forcing: Ref | None, emulator: Ref, names: Sequence[str], rows: Sequence[float]
) -> Section:
    """Fields of SpinUpRequest for draws of the posterior.

    Parameters
    ----------
    site : Site
    forcing, emulator : Ref
    names, rows
        As of :func:`catena.flows.model_runs.predictive_request`.
    """
    runs = runs_request(site, forcing)
    return {
        **_sites(runs),
        "title": f"{site.site}: draws of the posterior, spun up by the emulator",
        "table": predictive_request(site, runs, names, rows)["table"],
        "method": {"kind": "emulator", "emulator": emulator},
        "check": _section(site).check,
    }


def begun_request(
    site: Site, forcing: Ref | None, states: Ref, names: Sequence[str], rows: Sequence[float]
) -> Section:
    """Fields of RunEnsembleRequest for draws that begin from their states: without the spin-up.

    The last stage is run in any case: it is the one that outputs are of.
    """
    request = predictive_request(site, runs_request(site, forcing), names, rows)
    setup = {**request["setup"], "restart": {"artifact": states}}
    *before, last = setup["stages"]
    later_ones = [stage for stage in before if kind_of(stage, "stage_kind_") == "transient"]
    setup["stages"] = [*later_ones, last]
    return {**request, "setup": setup}


def checks(site: Site, forcing: Ref | None) -> Iterator[tuple[str, Check]]:
    """Service, and section, rpc and request of each step."""
    draws = _some_draw(site, forcing)
    learned, made = later("spin_up_emulator"), later("spin_up")
    yield RUNNER, ("spin_up.learning", "SpinUp", lambda: sample_request(site, forcing))
    yield TRAINER, ("spin_up.emulator", "FineTune", lambda: emulator_request(site, made))
    if draws is not None:
        yield (
            RUNNER,
            ("spin_up", "SpinUp", lambda: spin_up_request(site, forcing, learned, *draws)),
        )


def _some_draw(site: Site, forcing: Ref | None) -> tuple[list[str], list[float]] | None:
    """The middle of the ranges; None where a range is the model's own."""
    names, row = [], []
    for one in runs_request(site, forcing).get("draw", {}).get("parameters", []):
        if not {"name", "low", "high"} <= set(one):
            return None
        pft = one.get("pft", "")
        names.append(f"{one['name']}.{pft}" if pft else one["name"])
        row.append(0.5 * (one["low"] + one["high"]))
    return (names, row) if names else None


def _section(site: Site) -> SiteSpinUp:
    if site.spin_up is None:
        raise InvalidRequest("this site's runs are spun up by the model alone")
    return site.spin_up


def _sites(runs: Section) -> Section:
    """What spin-ups share with the runs: model, weather, land, and the air of the first stage."""
    setup, stages = runs["setup"], runs["setup"].get("stages", [])
    forcing = dict(setup["forcing"])
    if stages:
        # A CO2 of 0 is that of the forcing.
        first = {**stages[0], "co2_ppm": stages[0].get("co2_ppm") or None}
        forcing |= {name: first[name] for name in _AIR if first.get(name) is not None}
    if "co2_ppm" in forcing:
        forcing.pop("co2", None)
        forcing.pop("co2_file", None)
    land = {name: setup[name] for name in _LAND if name in setup}
    common: Section = {name: runs[name] for name in ("model", "model_version") if name in runs}
    return {**common, "setup": {**land, "forcing": forcing}}
