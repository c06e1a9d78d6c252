"""Every bad input is refused with the right code and by its field, and no path is told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support import calibration as small
from support.servers import serving

from catena.calibrator import jobs
from catena.calibrator.server import add_services
from catena.shared.client import ServiceClient
from catena.shared.errors import CatenaError, JobFailed
from catena.shared.testing import LocalJobs

LEAKS = re.compile(r'Traceback|File "|\.py\b|site-packages|/root|/home|/tmp|/work|0x[0-9a-f]{6}')
NAN, INF = math.nan, math.inf
BAD, MISSING, OTHER = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"

Request = Callable[[small.Calibration], dict[str, Any]]


@pytest.fixture(scope="module")
def made() -> small.Calibration:
    return small.small_calibration()


@pytest.fixture(scope="module")
def client() -> Iterator[ServiceClient]:
    with serving(add_services, jobs=LocalJobs, store=small.MEMORY) as running:
        yield running.client()


def refusal(client: ServiceClient, method: str, request: dict[str, Any]) -> CatenaError:
    """What a bad request is answered with, at once or by its job."""
    with pytest.raises(CatenaError) as caught:
        if method in ("SamplePosterior", "DrawObservation"):
            client.call(method, request)
        else:
            client.submit(method, request).result(timeout_s=60)
    return caught.value


def sample(**changes: Any) -> Request:
    return lambda made: {
        "posterior": made.posterior,
        "observations": [small.observation(**changes)],
    }


def sample_with(**changes: Any) -> Request:
    return lambda made: sample()(made) | changes


def train(**changes: Any) -> Request:
    return lambda made: {"ensemble": made.ensemble} | changes


def train_on(**changes: str) -> Request:
    return lambda made: {"ensemble": made.ensemble | changes}


def posterior(**changes: Any) -> Request:
    return lambda made: {"surrogate": made.surrogate} | changes


def mcmc(**changes: Any) -> Request:
    return lambda made: {"surrogate": made.surrogate, "observation": small.observation()} | changes


def imported(**changes: Any) -> Request:
    return lambda made: small.import_request(made.store) | changes


def imported_files(**changes: bytes) -> Request:
    """Import with other content of the two files."""

    def request(made: small.Calibration) -> dict[str, Any]:
        names = {"parameters": "parameters.csv", "outputs": "outputs.npy"}
        files = small.files() | {names[key]: data for key, data in changes.items()}
        base = small.import_request(made.store)
        return base | {"files": base["files"] | {"files": small.plain(made.store.put_files(files))}}

    return request


def parameters(change: Callable[[np.ndarray], Any]) -> Request:
    """Import with a changed table of parameters."""
    table = small.runs()[0].copy()
    changed = change(table)
    names = [p["name"] for p in small.PARAMETERS]
    return imported_files(parameters=small.csv_of(names, table if changed is None else changed))


def named_files(**changes: str) -> Request:
    def request(made: small.Calibration) -> dict[str, Any]:
        base = small.import_request(made.store)
        return base | {"files": base["files"] | changes}

    return request


def parameter(**changes: Any) -> Request:
    return imported(parameters=[small.PARAMETERS[0] | changes, *small.PARAMETERS[1:]])


def sites(text: str) -> Request:
    return lambda made: {
        "posterior": made.posterior,
        "observations": small.plain(made.store.put_files({"s.csv": text.encode()})),
        "observations_file": "s.csv",
    }


def put(row: int, column: int, value: float) -> Callable[[np.ndarray], None]:
    return lambda table: table.__setitem__((row, column), value)


def repeat(table: np.ndarray) -> None:
    table[7] = table[2]


CHECK: Request = lambda made: {"posterior": made.posterior, "ensemble": made.ensemble}  # noqa: E731
OBSERVE: Request = lambda made: {"ensemble": made.ensemble, "error_fraction": 0.1}  # noqa: E731


def also(request: Request, **changes: Any) -> Request:
    return lambda made: request(made) | changes


def other_surrogate(made: small.Calibration) -> dict[str, Any]:
    request = small.surrogate_request(made.ensemble) | {"seed": 51}
    return {
        "ensemble": made.ensemble,
        "surrogate": made.run(jobs.train_surrogate, request),
        "posterior": made.posterior,
        "observation": small.observation(),
    }


def other_ensemble(made: small.Calibration) -> dict[str, Any]:
    request = small.import_request(made.store) | {"held_out_runs": 3}
    other = made.run(jobs.import_ensemble, request)
    return {"surrogate": made.surrogate, "ensemble": other, "method": "faithful"}


FILE_P, FILE_O = "files.parameters_file", "files.outputs_file"
ZERO = "sha256:" + "0" * 64

CASES: list[tuple[str, str, Request, str, str]] = [
    # what is wrong, rpc, request, code, field
    ("nan observed", "SamplePosterior", sample(values=[1, NAN, 1, 1]), BAD,
     "observations[0].values[1]"),
    ("infinite value", "SamplePosterior", sample(values=[1, 1, 1, INF]), BAD,
     "observations[0].values[3]"),
    ("zero error", "SamplePosterior", sample(error_sd=[1, 1, 0, 1]), BAD,
     "observations[0].error_sd[2]"),
    ("negative error", "SamplePosterior", sample(error_sd=[1, 1, -1, 1]), BAD,
     "observations[0].error_sd[2]"),
    ("nan error", "SamplePosterior", sample(error_sd=[NAN, 1, 1, 1]), BAD,
     "observations[0].error_sd[0]"),
    ("too few errors", "SamplePosterior", sample(error_sd=[1.0]), BAD,
     "observations[0].error_sd"),
    ("mask of another length", "SamplePosterior", sample(observed=[True]), BAD,
     "observations[0].observed"),
    ("nothing observed", "SamplePosterior", sample(observed=[False] * 4), BAD,
     "observations[0].observed"),
    ("too few outputs", "SamplePosterior", sample(values=[1.0, 1.0], error_sd=[1.0, 1.0]), BAD,
     "observations[0].values"),
    ("no observation", "SamplePosterior", sample_with(observations=[]), BAD, "observations"),
    ("negative draws", "SamplePosterior", sample_with(draws=-1), BAD, "draws"),
    ("draws past a message", "SamplePosterior", sample_with(draws=100_000), BAD, "draws"),
    ("negative seed", "SamplePosterior", sample_with(seed=-1), BAD, "seed"),
    ("unknown method", "SamplePosterior", sample_with(method=77), BAD, "method"),
    ("method not trained", "SamplePosterior", sample_with(method="faithful"), BAD, "method"),
    ("no posterior", "SamplePosterior",
     lambda made: {"observations": [small.observation()]}, BAD, "posterior"),
    ("surrogate for a posterior", "SamplePosterior",
     lambda made: sample()(made) | {"posterior": made.surrogate}, BAD, "posterior"),
    ("path out of the store", "TrainSurrogate", train_on(uri="../../../etc/passwd"), BAD,
     "ensemble.uri"),
    ("absolute path", "TrainSurrogate", train_on(uri="/etc/passwd"), BAD, "ensemble.uri"),
    ("path through a dot", "TrainSurrogate", train_on(uri="jobs/./x/../../y"), BAD,
     "ensemble.uri"),
    ("digest that is none", "TrainSurrogate", train_on(digest="md5:1"), BAD, "ensemble.digest"),
    ("content that changed", "TrainSurrogate", train_on(digest=ZERO), OTHER, ""),
    ("artifact that is not there", "TrainSurrogate",
     train_on(uri="jobs/calibrator/ImportEnsemble/" + "0" * 64), MISSING, ""),
    ("one fold", "TrainSurrogate", train(folds=1), BAD, "folds"),
    ("trials without a search", "TrainSurrogate", train(tune_trials=3), BAD, "tune_trials"),
    ("search for a gaussian process", "TrainSurrogate", train(tune=True, method="gp"), BAD,
     "tune"),
    ("tiny bank", "TrainPosterior", posterior(bank_size=10), BAD, "bank_size"),
    ("huge bank", "TrainPosterior", posterior(bank_size=2**31 - 1), BAD, "bank_size"),
    ("errors the wrong way round", "TrainPosterior",
     posterior(min_error_fraction=1.0, max_error_fraction=0.1), BAD, "max_error_fraction"),
    ("negative error range", "TrainPosterior", posterior(min_error_fraction=-0.1), BAD,
     "min_error_fraction"),
    ("faithful without runs", "TrainPosterior", posterior(method="faithful"), BAD, "ensemble"),
    ("one chain", "RunMcmc", mcmc(chains=1), BAD, "chains"),
    ("few draws", "RunMcmc", mcmc(draws=3), BAD, "draws"),
    ("endless draws", "RunMcmc", mcmc(draws=200_000, chains=64), BAD, "draws"),
    ("observation of another model", "RunMcmc",
     mcmc(observation={"values": [1.0], "error_sd": [1.0]}), BAD, "observation.values"),
    ("no observation for chains", "RunMcmc",
     lambda made: {"surrogate": made.surrogate}, BAD, "observation"),
    ("nothing to import", "ImportEnsemble", lambda made: {}, BAD, "source"),
    ("low above high", "ImportEnsemble", parameter(low=500.0), BAD, "parameters[0].high"),
    ("nan bound", "ImportEnsemble", parameter(low=NAN), BAD, "parameters[0].low"),
    ("name with a slash", "ImportEnsemble", parameter(name="../x"), BAD, "parameters[0].name"),
    ("same name twice", "ImportEnsemble", parameter(name="drainage"), BAD,
     "parameters[1].name"),
    ("no outputs", "ImportEnsemble", imported(outputs=[]), BAD, "outputs"),
    ("pickle", "ImportEnsemble", named_files(outputs_file="outputs.pkl"), BAD, FILE_O),
    ("file out of the artifact", "ImportEnsemble", named_files(outputs_file="../x.npy"), BAD,
     FILE_O),
    ("file that is not there", "ImportEnsemble", named_files(outputs_file="other.npy"), BAD,
     FILE_O),
    ("unknown parameter", "ImportEnsemble", parameter(name="porosity"), BAD, FILE_P),
    ("run outside the prior", "ImportEnsemble", parameters(put(3, 1, 9.9)), BAD, FILE_P),
    ("nan parameter", "ImportEnsemble", parameters(put(3, 1, NAN)), BAD, FILE_P),
    ("the same run twice", "ImportEnsemble", parameters(repeat), BAD, FILE_P),
    ("fewer rows of parameters", "ImportEnsemble", parameters(lambda t: t[:-1]), BAD, FILE_O),
    ("text in a table", "ImportEnsemble",
     imported_files(parameters=b"capacity,drainage,evaporation\n1,2,three\n"), BAD, FILE_P),
    ("bytes that are no array", "ImportEnsemble", imported_files(outputs=b"\x80\x04junk"), BAD,
     FILE_O),
    ("everything held out", "ImportEnsemble", imported(held_out_runs=small.RUNS), BAD,
     "held_out_runs"),
    ("few generated runs", "ImportEnsemble", lambda made: {"generated": {"runs": 3}}, BAD,
     "generated.runs"),
    ("no such run", "DrawObservation", also(OBSERVE, run=10_000), BAD, "run"),
    ("negative run", "DrawObservation", also(OBSERVE, run=-1), BAD, "run"),
    ("no noise", "DrawObservation", also(OBSERVE, error_fraction=0.0), BAD, "error_fraction"),
    ("bad cell of a site", "SampleSites",
     sites("site,runoff_winter,runoff_winter_sd\na,x,1\n"), BAD, "observations_file"),
    ("site without an error", "SampleSites",
     sites("site,runoff_winter,runoff_winter_sd\na,1,\n"), BAD, "observations_file"),
    ("unknown output of a site", "SampleSites", sites("site,rain,rain_sd\na,1,1\n"), BAD,
     "observations_file"),
    ("method not trained for sites", "SampleSites",
     also(sites("site,runoff_winter,runoff_winter_sd\na,1,1\n"), method="faithful"), BAD, "method"),
    ("few pairs", "CheckCalibration", also(CHECK, simulated_pairs=1), BAD, "simulated_pairs"),
    ("draws past memory", "CheckCalibration", also(CHECK, simulated_pairs=100_000, draws=10_000),
     BAD, "simulated_pairs"),
    ("report on another surrogate", "WriteReport", other_surrogate, BAD, "surrogate"),
    ("posterior on another ensemble", "TrainPosterior", other_ensemble, BAD, "ensemble"),
    ("report without its parts", "WriteReport",
     lambda made: {"observation": small.observation()}, BAD, "posterior"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "request_of", "code", "field"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-") for case in CASES],
)
def test_bad_input_is_refused_by_name(
    client: ServiceClient,
    made: small.Calibration,
    method: str,
    request_of: Request,
    code: str,
    field: str,
) -> None:
    error = refusal(client, method, request_of(made))
    got = error.cause_code if isinstance(error, JobFailed) else error.code
    assert got == code, error
    if field:
        assert field in {violation.field for violation in error.violations}, error
    assert not LEAKS.search(str(error)), error
    assert client.health() == "SERVING"


def test_a_script_in_a_title_stays_text(client: ServiceClient, made: small.Calibration) -> None:
    script = "<script>alert(1)</script>"
    seen = small.observation(site=f"{script}\"'")
    request = {
        "title": script,
        "ensemble": made.ensemble,
        "surrogate": made.surrogate,
        "posterior": made.posterior,
        "observation": seen,
    }
    ref = client.submit("WriteReport", request).result(timeout_s=60)
    page = made.store.open(ref).read_bytes("report.html").decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
