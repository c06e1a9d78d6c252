"""What the README shows works."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import yaml

from catena.api.orbit_trainer.v1 import orbit_trainer_pb2
from catena.orbit_trainer import queries, vocabulary

README = Path(__file__).parents[3] / "services" / "orbit-trainer" / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_session_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 3
    assert failed == 0


def test_every_rpc_is_listed() -> None:
    service = orbit_trainer_pb2.DESCRIPTOR.services_by_name["OrbitTrainerService"]
    for method in service.methods:
        long = any(field.name == "job" for field in method.output_type.fields)
        words = re.findall("[A-Z][a-z]+", method.name)
        shown = "_".join(words).upper() if long else method.name
        assert f"| {shown} |" in TEXT, method.name


def test_the_request_that_is_shown_is_sound() -> None:
    session = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert session is not None
    ref = f"{{uri: jobs/x, digest: 'sha256:{'1' * 64}', kind: hot_cache}}"
    plain = yaml.load(session[1].replace("<ref of a hot_cache>", ref), yaml.BaseLoader)
    plain["training"]["mesh"] = {k: int(v) for k, v in plain["training"]["mesh"].items()}
    plain["training"] |= {name: int(plain["training"][name]) for name in ("steps", "batch")}
    plain["shape"]["patch"] = int(plain["shape"]["patch"])
    plain["leads_h"] = [float(lead) for lead in plain["leads_h"]]
    query = queries.PretrainQuery.from_plain(plain)
    assert query.training.mesh.shape().size == 8


def test_limits_are_the_real_ones() -> None:
    assert f"{vocabulary.MOST_INLINE:,} numbers at most" in TEXT
