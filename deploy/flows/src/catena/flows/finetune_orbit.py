"""Make the pre-trained foundation model fit for tasks, score each, and plan the training at scale.

The model is pre-trained where it is not yet there. A task is one rpc.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task

from catena.flows import orbit_steps as steps
from catena.flows.orbit import OrbitTraining
from catena.flows.pretrain_orbit import LONGEST_S, evaluate, start
from catena.flows.rpc import REPORTS, Ref, Section, ask_job, export_file, say
from catena.flows.tasks import RPC, publish, scheduled_day


@task(name="fine-tune", **RPC)
def fine_tune(name: str, request: Section) -> Ref:
    """One fine-tuned model."""
    return ask_job(steps.SERVICE, name, "FineTune", request)


@task(name="plan", **RPC)
def plan_training(config: OrbitTraining) -> Ref:
    """What the training would need on a cluster."""
    return ask_job(steps.SERVICE, "plan", "PlanTraining", steps.plan_request(config))


@flow(name="finetune_orbit", persist_result=False, timeout_seconds=LONGEST_S)
def finetune_orbit(config: OrbitTraining | Path) -> list[str]:
    """Fine-tune, evaluate, plan.

    Parameters
    ----------
    config : OrbitTraining or Path
        Data and settings, or their YAML file.

    Returns
    -------
    list of str
        Paths of the reports, ``reports/<name>-<fine-tuning>.html`` and ``reports/<name>-plan.html``
        under the current folder.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(config, Path):
        config = OrbitTraining.from_file(config)
    as_of = scheduled_day()
    steps.check_orbit(config, as_of)
    made = start(config, as_of, list(config.data))
    results = {**made.caches, "pretrained": made.checkpoint}
    pages: dict[str, Ref] = {}
    for name, one in config.fine_tunes.items():
        begin = None if one.from_scratch else made.checkpoint
        source = made.caches[one.data] if one.sites is None else steps.sites_files(config, name)
        request = steps.fine_tune_request(config, name, source, begin)
        results[name] = fine_tune(name, request)
        if one.sites is not None:
            pages[name] = results[name]  # its own page has the scores
            continue
        dots = {
            dot: fine_tune(dot, request)
            for dot, request in steps.efficiency_requests(
                config, name, source, made.checkpoint
            ).items()
        }
        pages[name] = evaluate(
            config, one.evaluation, results[name], source, name, list(dots.values())
        )
        results |= {**dots, f"{name} skill": pages[name]}
    if config.plan is not None:
        results["plan"] = pages["plan"] = plan_training(config)
    paths = [
        export_file(ref, "report.html", REPORTS / f"{config.name}-{name}.html")
        for name, ref in pages.items()
    ]
    for name, path in zip(pages, paths, strict=True):
        publish(f"{config.name}-{name}", config.title, "orbit", path, results)
        say(f"report       {path}")
    return [str(path) for path in paths]
