"""The rpcs of the foundation model: their requests, and how they are checked beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catena.flows.orbit import OrbitTraining
from catena.flows.rpc import Check, Ref, Section, faults, later, plain_ref
from catena.shared.client import FieldViolation, InvalidRequest, connect, put_files

SERVICE = "orbit-trainer"
INGEST = "data-ingest"
_ADAPTER = ("adapter", "rank")


# ------------------------------------------------------------------ requests


def data_request(config: OrbitTraining, name: str, as_of: str) -> Section:
    """Fields of IngestDatasetRequest for one archive."""
    return config.data[name].ingest.request(config.as_of or as_of)


def cache_request(config: OrbitTraining, name: str, dataset: Ref) -> Section:
    """Fields of BuildCacheRequest for one archive."""
    return {**config.data[name].request, "dataset": dataset}


def _days(config: OrbitTraining) -> Section:
    days = {"training_days": config.training_days, "validation_days": config.validation_days}
    return {name: value for name, value in days.items() if value is not None}


def pretrain_request(config: OrbitTraining, caches: Mapping[str, Ref]) -> Section:
    """Fields of PretrainRequest."""
    return {
        "title": f"{config.title or config.name}, pre-trained",
        **_days(config),
        **config.pretrain.request,
        "caches": [caches[name] for name in config.pretrain.data],
    }


def fine_tune_request(
    config: OrbitTraining, name: str, source: Ref, pretrained: Ref | None
) -> Section:
    """Fields of FineTuneRequest for one fine-tuning.

    Parameters
    ----------
    config : OrbitTraining
    name : str
        Of the fine-tuning.
    source : Ref
        Its hot cache; the files of its sites, where it has some.
    pretrained : Ref or None
        Without a checkpoint it is from scratch.
    """
    one = config.fine_tunes[name]
    title = f"{config.title or config.name}, {name}"
    if one.sites is None:
        request = {"title": title, **_days(config), **one.request, "cache": source}
    else:
        sites = {**one.sites.request, "files": source, "file": one.sites.path.name}
        request = {"title": title, **one.request, "sites": sites}
    if pretrained is not None:
        return {**request, "checkpoint": pretrained}
    return {"shape": config.pretrain.request.get("shape", {}), **request}


def sites_files(config: OrbitTraining, name: str) -> Ref:
    """Puts the file of sites of a fine-tuning into the store, and what lies beside it of them."""
    sites = config.fine_tunes[name].sites
    assert sites is not None
    # Resolved: data are often links to another disk; they keep the link's name.
    by_name = {sites.path.name: sites.path.resolve()}
    about = sites.path.with_name("about.json")
    if about.is_file():
        by_name[about.name] = about.resolve()
    return plain_ref(put_files(by_name, title=f"sites of {name}"))


def efficiency_requests(
    config: OrbitTraining, name: str, cache: Ref, pretrained: Ref
) -> dict[str, Section]:
    """Fields of FineTuneRequest for each dot of the curves of skill by samples, by what it is."""
    found = config.fine_tunes[name].efficiency
    if found is None:
        return {}
    requests = {}
    for count in found.samples:
        for begin, start in (("pre-trained", pretrained), ("from scratch", None)):
            request = fine_tune_request(config, name, cache, start)
            if start is None:
                # Blocks of random weights are trained whole.
                request = {key: one for key, one in request.items() if key not in _ADAPTER}
                request |= found.scratch
            own = {"title": f"{request['title']}, {count} samples, {begin}", "samples": count}
            requests[f"{name}, {count} samples, {begin}"] = {**request, **own}
    return requests


def evaluation_request(
    config: OrbitTraining,
    own: Mapping[str, Any],
    checkpoint: Ref,
    cache: Ref,
    title: str,
    compared: Sequence[Ref] = (),
) -> Section:
    """Fields of EvaluateCheckpointRequest; `own` are those of its section."""
    request = {
        "title": title,
        "days": config.test_days,
        **own,
        "checkpoint": checkpoint,
        "cache": cache,
    }
    return {**request, "compared": list(compared)} if compared else request


def plan_request(config: OrbitTraining) -> Section:
    """Fields of PlanTrainingRequest."""
    return dict(config.plan or {})


# ------------------------------------------------------------------ checking before anything runs


def check_orbit(config: OrbitTraining, as_of: str) -> None:
    """Have every request checked by the services, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field of every section at fault, e.g. ``pretrain.training.steps``.
    """
    found: list[FieldViolation] = []
    with connect(INGEST) as client:
        for section, method, make in _data_requests(config, as_of):
            found += faults(client, section, method, make)
    with connect(SERVICE) as client:
        for section, method, make in _requests(config):
            found += [
                FieldViolation(_own_section(section, item.field), item.description)
                for item in faults(client, section, method, make)
            ]
    found = list(dict.fromkeys(found))  # days are part of every request
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{config.name}: {len(found)} {noun} not as wanted", violations=found)


def _data_requests(config: OrbitTraining, as_of: str) -> Iterator[Check]:
    for name in config.data:
        yield (
            f"data.{name}.ingest",
            "IngestDataset",
            lambda one=name: data_request(config, one, as_of),  # type: ignore[misc]
        )
        yield (
            f"data.{name}",
            "BuildCache",
            lambda one=name: cache_request(config, one, later("dataset")),  # type: ignore[misc]
        )


def _requests(config: OrbitTraining) -> Iterator[Check]:
    cache, checkpoint = later("hot_cache"), later("checkpoint")
    # Each cache is another one; the zeros still say that it is made later.
    caches = {name: {**cache, "digest": f"sha256:{i:064d}"} for i, name in enumerate(config.data)}
    yield "pretrain", "Pretrain", lambda: pretrain_request(config, caches)
    yield (
        "evaluation",
        "EvaluateCheckpoint",
        lambda: evaluation_request(config, config.evaluation, checkpoint, cache, config.title),
    )
    for name, one in config.fine_tunes.items():
        start = None if one.from_scratch else checkpoint
        source = cache if one.sites is None else later("files")
        yield (
            f"fine_tunes.{name}",
            "FineTune",
            lambda name=name, source=source, start=start: (  # type: ignore[misc]
                fine_tune_request(config, name, source, start)
            ),
        )
        for request in efficiency_requests(config, name, cache, checkpoint).values():
            section = f"fine_tunes.{name}.efficiency"
            yield section, "FineTune", lambda request=request: request  # type: ignore[misc]
        if one.sites is None:
            yield (
                f"fine_tunes.{name}.evaluation",
                "EvaluateCheckpoint",
                lambda one=one: evaluation_request(  # type: ignore[misc]
                    config, one.evaluation, checkpoint, cache, config.title
                ),
            )
    if config.plan is not None:
        yield "plan", "PlanTraining", lambda: plan_request(config)


def _own_section(section: str, field: str) -> str:
    """Where a field of a request stands in the file."""
    rest = field.removeprefix(f"{section}.")
    first = rest.partition(".")[0].partition("[")[0]
    if first in ("training_days", "validation_days"):
        return rest
    if section.endswith("evaluation") and first == "days":
        return f"test_{rest}"
    return field
