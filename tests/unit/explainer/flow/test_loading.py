from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.flow_networks import SMALL, flow_samples, small_network

from catena.explainer.flow.loading import read_network, read_samples
from catena.models.flow_model import FlowModel
from catena.models.flow_samples import FlowSamples
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import InvalidData


@pytest.fixture
def store() -> ArtifactStore:
    return ArtifactStore("memory://explained")


def forecaster(
    store: ArtifactStore, name: str, network: FlowModel[Any] | None, **changes: Any
) -> Artifact:
    """A forecaster of a network, as the forecaster's storage writes it."""
    writer = store.writer(f"forecaster/TrainForecaster/{name}-{len(changes)}", attempt=1)
    arrays = {"scalers.flow_mean": np.ones(2)}
    meta: dict[str, Any] = {"errors": {}}
    if network is not None:
        arrays |= {f"network.{key}": value.numpy() for key, value in network.state().items()}
        meta = {"network": network.config(), "settings": {"window": 20}}
    for key, value in changes.items():
        arrays[key.replace("__", ".")] = value
    writer.write_arrays("forecaster.safetensors", arrays)
    about = {"model": name, "title": "a title", "leads": 6}
    writer.write_json("forecaster.json", {"about": about, "meta": meta})
    return store.open(writer.commit(kind="forecaster"))


def samples_of(
    store: ArtifactStore, digest: str, explained: FlowSamples, background: FlowSamples
) -> Artifact:
    writer = store.writer("forecaster/DrawSamples/1", attempt=1)
    writer.write_json("samples.json", {"forecaster": digest, "model": "tst", "basins": {}})
    writer.write_dataset("samples.zarr", explained.to_dataset())
    writer.write_dataset("background.zarr", background.to_dataset())
    return store.open(writer.commit(kind="flow_samples"))


@pytest.mark.parametrize("name", SMALL)
def test_a_network_is_built_again_from_its_artifact(store: ArtifactStore, name: str) -> None:
    network = small_network(name, levels=(0.1, 0.5, 0.9))
    artifact = forecaster(store, name, network)
    loaded = read_network(artifact)
    assert (loaded.model, loaded.about["title"]) == (name, "a title")
    assert loaded.digest == artifact.ref.digest
    inputs = flow_samples().inputs
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(inputs).mean(), network(inputs).mean())
    state = network.state()
    assert all(torch.equal(value, state[key]) for key, value in loaded.network.state().items())
    assert not any(p.requires_grad for p in loaded.network.parameters())


@pytest.mark.parametrize("name", ["gr4j", "persistence", "climatology"])
def test_a_model_without_a_network_is_refused(store: ArtifactStore, name: str) -> None:
    with pytest.raises(InvalidData, match=f"{name}, which is no network.*give one of lstm"):
        read_network(forecaster(store, name, None))


def test_other_artifacts_and_broken_networks_are_refused(store: ArtifactStore) -> None:
    writer = store.writer("calibrator/TrainSurrogate/1", attempt=1)
    writer.write_json("surrogate.json", {})
    surrogate = store.open(writer.commit(kind="surrogate"))
    with pytest.raises(InvalidData, match="kind 'surrogate' came; wanted a forecaster"):
        read_network(surrogate)
    with pytest.raises(InvalidData, match="kind 'surrogate' came; wanted samples"):
        read_samples(surrogate, surrogate)
    network = small_network("tst")
    with pytest.raises(InvalidData, match="cannot be built: no streamflow network 'gru'"):
        read_network(forecaster(store, "gru", network))
    with pytest.raises(InvalidData, match="cannot be built"):
        read_network(forecaster(store, "lstm", network))
    nan = np.full_like(network.state()["fusion.gate.bias"].numpy(), np.nan)
    with pytest.raises(InvalidData, match=r"1 of \d+ weights .*\(fusion.gate.bias\)"):
        read_network(forecaster(store, "tst", network, network__fusion__gate__bias=nan))


def test_samples_come_back_with_their_gaps(store: ArtifactStore) -> None:
    artifact = forecaster(store, "tst", small_network("tst"))
    explained, background = flow_samples(4, basins=2), flow_samples(9, seed=3)
    loaded = read_samples(samples_of(store, artifact.ref.digest, explained, background), artifact)
    for came, sent in ((loaded.explained, explained), (loaded.background, background)):
        assert came.basins == sent.basins and (came.issues == sent.issues).all()
        for a, b in zip(came.inputs._values(), sent.inputs._values(), strict=True):
            torch.testing.assert_close(a, b, equal_nan=True, rtol=0, atol=0)
        np.testing.assert_array_equal(came.observed, sent.observed)
    assert loaded.about["model"] == "tst"


def test_samples_of_another_forecaster_or_of_two_sorts_are_refused(store: ArtifactStore) -> None:
    artifact = forecaster(store, "tst", small_network("tst"))
    other = forecaster(store, "lstm", small_network("lstm"))
    samples = flow_samples()
    with pytest.raises(InvalidData, match=r"drawn from the forecaster .* draw samples from that"):
        read_samples(samples_of(store, other.ref.digest, samples, samples), artifact)
    short = flow_samples(past=12)
    with pytest.raises(InvalidData, match=r"20 days .* background of 12 days"):
        read_samples(samples_of(store, artifact.ref.digest, samples, short), artifact)
