"""Jobs about spin-ups: one by a method, several side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.coupler.embedded.state import State
from catena.coupler.embedded.version import model_version
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.native import AD_YEARS, FINAL_YEARS
from catena.coupler.spin_up.restarts import restarts
from catena.coupler.spin_up.training_sites import TrainingSites, training_sites
from catena.ensemble_runner.fanout import run_parts
from catena.ensemble_runner.land import MADE_UP_PLANTS, MADE_UP_SOIL
from catena.ensemble_runner.models import Model, open_model
from catena.ensemble_runner.queries import CompareSpinUpsQuery, SpinUpQuery
from catena.ensemble_runner.spin_block import SpinUpWork, check_plan
from catena.ensemble_runner.spin_compared import Compared, Contender
from catena.ensemble_runner.spin_conservation import conservation
from catena.ensemble_runner.spin_inputs import method_plan, read_sites
from catena.ensemble_runner.spin_lessons import lesson_of, unseen_sites
from catena.ensemble_runner.spin_methods import ABOUT, SITES
from catena.ensemble_runner.spin_page import single_page
from catena.ensemble_runner.spin_queries import SpinUpCheck, SpinUpLessons, SpinUpMethod
from catena.ensemble_runner.spin_report import comparison_page
from catena.ensemble_runner.spin_result import FAILED, SpunUpSites
from catena.ensemble_runner.spin_sites import SpinUpSites
from catena.ensemble_runner.spin_states import STATES, SUMMARY, SiteStates
from catena.ensemble_runner.spin_storage import COSTS, RESULT, SpinUpBlocks, SpunUp, run_sites
from catena.ensemble_runner.spin_words import labels_of, native_label
from catena.ensemble_runner.storage import SERVICE
from catena.ensemble_runner.submission_facts import weather_generated
from catena.shared.errors import FailedPrecondition, InvalidData
from catena.shared.jobs import JobContext, job

Array = NDArray[np.float64]

FEW_SETS = 8
"""Parameter sets up to which each gets a restart file."""
BEFORE_YEARS = 40
"""Years after which accelerated decomposition may be left at the earliest, as in ELM."""
LONG = SpinUpMethod(ad_years=2 * AD_YEARS, final_years=2 * FINAL_YEARS)


@dataclass(frozen=True)
class LessonWork:
    """What can be learned from native sites; the first years are run here."""

    case: EmbeddedCase
    state: State
    asked: SpinUpLessons
    ranges: dict[str, tuple[float, float]]

    def run(self, rows: NDArray[np.int64]) -> TrainingSites:
        """Of these sites."""
        return training_sites(
            self.case.part(rows),
            self.case.take(self.state, rows),
            ad_years=self.asked.ad_years,
            degrees=self.asked.block_deg or None,
            seed=self.asked.seed,
            ranges=self.ranges,
        )


@job(service=SERVICE, method="SpinUp", query=SpinUpQuery, version=2, cpus=0)
def spin_up(query: SpinUpQuery, ctx: JobContext) -> ArtifactRef:
    """Sites to their equilibrium by one method, each checked."""
    model = _model(query)
    ctx.progress(0.0, "reading the forcing")
    sites = read_sites(query, model, ctx.open)
    case = sites.case()
    plan = method_plan(query.method, ctx.open)
    plan.refuse_other(case)
    made_up = _made_up(query, sites, ctx)
    done = _run(case, sites, query.method, query.check, 0, ctx, (0.02, 0.9), "")
    made = done.made
    _refuse_nothing(made)
    lessons: dict[str, Any] | None = None
    if query.lessons is not None:
        ctx.progress(0.92, "what can be learned")
        lessons = _write_lessons(case, sites, done, query.lessons, made_up, ctx)
    ctx.progress(0.95, "carbon and nitrogen")
    kept = conservation(case, done.state)
    ctx.progress(0.96, "writing")
    states = SiteStates(
        version=model_version(),
        columns=sites.columns,
        cell=sites.cell,
        parameters=sites.parameters,
        state=done.state,
        settled=made.used != FAILED,
    )
    ctx.writer.write_arrays(STATES, states.arrays())
    ctx.writer.write_arrays(RESULT, {**made.arrays(), "rows": sites.row})
    written = _write_restarts(case, done, sites, ctx)
    (label,) = labels_of([query.method], [None])
    title = query.title or f"{sites.count} sites of {model.name}, spun up: {label}"
    about = _about(query, sites, case) | {
        "title": title,
        "model": model.name,
        # That of the land model's own code: states belong to it.
        "model_version": model_version(),
        "method": query.method.model_dump(mode="json", exclude={"emulator", "training"}),
        "learned": plan.digest,
        "sites": made.counts,
        "passed_first": int(made.passed_first.sum()),
        "years": {name: float(np.nanmean(getattr(made, name))) for name in _YEARS},
        "why": {str(site): text for site, text in made.why.items()},
        "conservation": kept.to_dict(),
        "lessons": lessons,
        "restarts": written,
    }
    ctx.writer.write_json(SUMMARY, about)
    ctx.writer.write_json(COSTS, dict(made.cpu_s))
    page = single_page(
        title, label, made, sites, case,
        check=check_plan(query.check, case.cycle_years), kept=kept,
        facts=_facts(query, sites), notices=_notices(made_up),
    )  # fmt: skip
    ctx.writer.write_bytes("report.html", page.encode())
    units = {pool.name: pool.units for pool in case.layout.pools}
    return ctx.commit(
        kind="spin_up",
        title=title,
        units=units,
        timed_files=(COSTS, "report.html"),
        costs={"sites_found": float(done.found), "sites_run": float(done.run)},
    )


@job(service=SERVICE, method="CompareSpinUps", query=CompareSpinUpsQuery, version=2, cpus=0)
def compare_spin_ups(query: CompareSpinUpsQuery, ctx: JobContext) -> ArtifactRef:
    """The same sites by several methods, beside a long native spin-up: figures and a page."""
    model = _model(query)
    ctx.progress(0.0, "reading the forcing")
    sites = read_sites(query, model, ctx.open)
    case = sites.case()
    made_up = _made_up(query, sites, ctx)
    reference = query.reference if query.reference != SpinUpMethod() else LONG
    runs = len(query.methods) + 2
    # What cannot be compared is told now, and not after hours of the others.
    for method in query.methods:
        method_plan(method, ctx.open).refuse_other(case)
    lessons = [lesson_of(method, ctx.open) for method in query.methods]
    unseen = unseen_sites(query.methods, sites, ctx.open)
    labels = labels_of(query.methods, lessons)

    def run(number: int, label: str, method: SpinUpMethod, check: SpinUpCheck) -> SpunUpSites:
        part = (0.02 + 0.93 * number / runs, 0.02 + 0.93 * (number + 1) / runs)
        cycles = query.free_cycles
        return _run(case, sites, method, check, cycles, ctx, part, f"{label}: ").made

    truth = run(0, "the truth", reference, query.check)
    early = SpinUpMethod(ad_years=BEFORE_YEARS, final_years=0)
    before = run(1, "before", early, SpinUpCheck(no_fallback=True, no_polish=True))
    contenders = []
    asked = zip(labels, query.methods, lessons, strict=True)
    for number, (label, method, lesson) in enumerate(asked):
        made = run(number + 2, label, method, query.check)
        contenders.append(Contender(label, method.kind, made, lesson))
    for one in (*contenders, Contender("the truth", "native", truth)):
        _refuse_nothing(one.made)
    ctx.progress(0.96, "writing")
    title = query.title or f"{sites.count} sites of {model.name}, spun up by {len(labels)} methods"
    found = Compared(
        title=title,
        model=f"{model.name} {model_version()}",
        lat=sites.columns.lat,
        lon=sites.columns.lon,
        cell=sites.cell,
        pools=case.layout.names,
        contenders=contenders,
        truth=truth,
        truth_label=native_label(reference, AD_YEARS, FINAL_YEARS),
        before_nee=before.nee_first,
        before_label=f"after {BEFORE_YEARS} AD years",
        unseen=unseen,
        check=check_plan(query.check, case.cycle_years),
        cycle_years=case.cycle_years,
        free_cycles=query.free_cycles,
        facts=_facts(query, sites),
        notices=_notices(made_up),
    )
    page, summary = comparison_page(found)
    for one in contenders:
        ctx.writer.write_arrays(f"{_file_name(one.label)}.safetensors", one.made.arrays())
    ctx.writer.write_arrays("reference.safetensors", truth.arrays())
    ctx.writer.write_json("comparison.json", _about(query, sites, case) | summary)
    ctx.writer.write_bytes("report.html", page.encode())
    return ctx.commit(
        kind="spin_up_comparison", title=title, timed_files=("comparison.json", "report.html")
    )


# ------------------------------------------------------------------ parts

_YEARS = ("years", "check_years", "fallback_years")


def _model(query: SpinUpQuery | CompareSpinUpsQuery) -> Model:
    model = open_model(query.model)
    if query.model_version not in ("", model.version):
        raise FailedPrecondition(
            f"the worker has version {model.version} of {model.name}, the request wants "
            f"{query.model_version}; give all machines the same case, and ask anew"
        )
    return model


def _run(
    case: EmbeddedCase,
    sites: SpinUpSites,
    method: SpinUpMethod,
    check: SpinUpCheck,
    free_cycles: int,
    ctx: JobContext,
    part: tuple[float, float],
    label: str,
) -> SpunUp:
    work = SpinUpWork(case, method_plan(method, ctx.open), check, free_cycles)
    begin, end = part
    return run_sites(
        work,
        sites,
        SpinUpBlocks(ctx.store),
        progress=lambda done, words: ctx.progress(begin + (end - begin) * done, label + words),
        saved=lambda done: ctx.checkpoint.save({}, {"sites": done, "of": label}),
    )


def _refuse_nothing(made: SpunUpSites) -> None:
    """A result without any state is none."""
    if not np.isfinite(made.ended).any():
        site, text = next(iter(made.why.items()), (0, "no cause is known"))
        raise InvalidData(f"all {made.used.size} sites failed; site {site}: {text}")


def _write_lessons(
    case: EmbeddedCase,
    sites: SpinUpSites,
    done: SpunUp,
    asked: SpinUpLessons,
    made_up: list[str],
    ctx: JobContext,
) -> dict[str, Any]:
    """Keep what can be learned; only sites at equilibrium teach."""
    taught = np.flatnonzero(done.made.used != FAILED)
    if not taught.size:
        raise InvalidData(
            f"none of {sites.count} sites came to equilibrium, so nothing can be learned from "
            "them; give the method or the fallback more years, or the check a wider limit"
        )
    names = [column.label for column in sites.members.columns]
    ranges = {
        name: (float(low), float(high))
        for name, low, high in zip(names, sites.members.low, sites.members.high, strict=True)
    }
    work = LessonWork(case, State(done.state[:, np.newaxis]), asked, ranges)
    ((_, found),) = run_parts(work, [("sites", "sites to learn from", taught)])
    ctx.writer.write_arrays(SITES, found.arrays())
    # Pages of what is learned from these sites must say so too.
    ctx.writer.write_json(ABOUT, {**found.about, "generated": made_up})
    counts = {name: int(found.rows(name).size) for name in ("training", "validation", "test")}
    return {"sites": counts, **asked.model_dump(mode="json"), "left_out": found.about["left_out"]}


def _write_restarts(
    case: EmbeddedCase, done: SpunUp, sites: SpinUpSites, ctx: JobContext
) -> dict[str, list[int]]:
    """Restart files of few parameter sets, and which sites at equilibrium each holds."""
    alive = np.flatnonzero(done.made.used != FAILED)
    sets = np.unique(sites.row[alive])
    if not alive.size or sets.size > FEW_SETS:
        return {}
    written: dict[str, list[int]] = {}
    part, state = case.part(alive), State(done.state[alive][:, np.newaxis])
    for number, (group, restart) in enumerate(restarts(part, state)):
        name = f"restart_{number:02d}.nc" if sets.size > 1 else "restart.nc"
        with ctx.writer.local_file(name) as path:
            restart.write(path)
        written[name] = alive[group.sites].tolist()
    return written


def _about(
    query: SpinUpQuery | CompareSpinUpsQuery, sites: SpinUpSites, case: EmbeddedCase
) -> dict[str, Any]:
    forcing = sites.forcing
    return {
        "case": case.about(),
        "cells": sites.columns.cells,
        "forcing": {
            "start": str(forcing.start),
            "end": str(forcing.end),
            "notes": [note.to_dict() for note in forcing.notes],
        },
        "sample": None if query.sample is None else query.sample.model_dump(mode="json"),
        "check": query.check.model_dump(mode="json"),
        "parameters": [column.label for column in sites.members.columns],
    }


def _facts(query: SpinUpQuery | CompareSpinUpsQuery, sites: SpinUpSites) -> list[tuple[str, str]]:
    names = ", ".join(column.label for column in sites.members.columns)
    own = "of its own in each cell" if query.own_parameters else "in every cell"
    facts = [
        ("Forcing", f"{sites.forcing.start.year} to {sites.forcing.end.year}"),
        ("Air", f"{sites.co2:g} ppm CO2, {sites.ndep:g} gN m⁻² yr⁻¹"),
        ("Parameters", f"{names}; {own}" if names else "the model's own"),
    ]
    if query.sample is not None:
        facts.append(("Sample", f"whole blocks of {query.sample.block_deg:g} degrees"))
    return facts


def _made_up(
    query: SpinUpQuery | CompareSpinUpsQuery, sites: SpinUpSites, ctx: JobContext
) -> list[str]:
    """What of the data is generated."""
    forcing = query.setup.forcing
    weather = [] if forcing is None or forcing.dataset is None else [ctx.open(forcing.dataset)]
    made_up = ["weather"] if weather_generated(weather) else []
    checks = {note.check for note in sites.forcing.notes}
    made_up += [
        word
        for check, word in ((MADE_UP_PLANTS, "plants"), (MADE_UP_SOIL, "soils"))
        if check in checks
    ]
    return made_up


def _notices(made_up: list[str]) -> list[str]:
    """What a reader must not take for real."""
    if not made_up:
        return []
    words = made_up[0] if len(made_up) == 1 else f"{', '.join(made_up[:-1])} and {made_up[-1]}"
    return [f"GENERATED: {words} are made by formulas, not observed."]


def _file_name(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
