"""ERA5 from the Climate Data Store: a request is queued there, computed, and then downloaded.

The store speaks OGC API Processes under ``{url}/retrieve/v1``:

====================================  =========================================================
``POST processes/{dataset}/execution``  body ``{"inputs": request}``; answers with a job
``GET jobs/{id}``                       ``status``: accepted, running, successful, failed, ...
``GET jobs/{id}/results``               ``asset.value`` with ``href``, ``file:size`` and
                                        ``file:checksum``; of a failed job: why
====================================  =========================================================

Every request carries the user's key in the header ``PRIVATE-TOKEN``; the result lies elsewhere and
is fetched without it.
Source: the public client ``ecmwf-datastores-client`` and its documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from catena.data_ingest import downloads
from catena.data_ingest.http import Answer, Http
from catena.data_ingest.retries import Transient
from catena.data_ingest.sources.cds_account import HOW, CdsAccount
from catena.data_ingest.sources.web_file import WebFile
from catena.shared.errors import (
    CatenaError,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    Unavailable,
)

Progress = Callable[[str], None]

BUSY = (429, 500, 502, 503, 504)
REFUSALS = (400, 401, 403, 404, 405, 409, 410, 422)
WAITING = frozenset({"accepted", "running"})
GONE = frozenset({"dismissed", "deleted"})


@dataclass(frozen=True)
class CdsAsset:
    """The file that a job made.

    Parameters
    ----------
    href : str
        Where it lies.
    size : int, optional
        Bytes.
    checksum : str
        ``md5:<hex>`` or empty.
    """

    href: str
    size: int | None
    checksum: str

    @property
    def suffix(self) -> str:
        """``.nc``, ``.grib`` or ``.zip``."""
        return Path(urlsplit(self.href).path).suffix


@dataclass
class Cds:
    """The Climate Data Store, for one user.

    Parameters
    ----------
    account : CdsAccount
    http : Http
        Its patience also says how often a waiting job is looked at: `first_s`, then half as much
        again each time up to `longest_s`.
    """

    account: CdsAccount
    http: Http = field(default_factory=Http)

    def submit(self, dataset: str, request: dict[str, Any]) -> str:
        """Queue a request.

        Returns
        -------
        str
            Identity of the job.

        Raises
        ------
        InvalidRequest
            When the store does not accept it; with the store's words.
        FailedPrecondition
            When the key is refused, or a licence was not accepted yet.
        Unavailable
            When the store does not answer.
        """
        answer = self._call(
            "POST", f"processes/{dataset}/execution", what=dataset, body={"inputs": request}
        )
        job = str(answer.get("jobID") or "")
        if not job:
            raise Unavailable(
                f"Climate Data Store: {dataset}: the answer to a request names no job (found "
                f"the fields {sorted(answer)}, wanted jobID); try again",
                retry_after_s=60.0,
            )
        return job

    def status(self, job: str) -> str:
        """Where a job stands: accepted, running, successful, failed, rejected, dismissed."""
        return str(self._call("GET", f"jobs/{job}", what=f"job {job}").get("status", ""))

    def wait(self, job: str, progress: Progress | None = None) -> None:
        """Until the job has ended well.

        Raises
        ------
        InvalidRequest
            When it failed there: with the reason that the store gives.
        NotFound
            When the store does not know it (any more).
        """
        patience = self.http.patience
        pause, last = patience.first_s, ""
        while (status := self.status(job)) in WAITING:
            if status != last and progress is not None:
                progress(f"Climate Data Store: job {job} is {status}")
            last = status
            patience.sleep(pause)
            pause = min(1.5 * pause, patience.longest_s)
        if status == "successful":
            return
        if status in GONE:
            raise NotFound(f"Climate Data Store: job {job} is {status} there; ask again")
        raise InvalidRequest(
            f"Climate Data Store: job {job} ended as {status or 'unknown'}: {self._why(job)}; "
            "change the request as the store says"
        )

    def asset(self, job: str) -> CdsAsset:
        """The result of a job that ended well.

        Raises
        ------
        NotFound
            When the store has thrown it away.
        """
        path = f"jobs/{job}/results"
        value = self._call("GET", path, what=f"results of job {job}").get("asset", {}).get("value")
        if not isinstance(value, dict) or "href" not in value:
            raise NotFound(f"Climate Data Store: job {job} has no file among its results")
        size, checksum = value.get("file:size"), value.get("file:checksum")
        return CdsAsset(
            href=urljoin(self._url(path), str(value["href"])),
            size=None if size is None else int(size),
            checksum=f"md5:{checksum}" if _is_md5(checksum) else "",
        )

    def fetch(self, asset: CdsAsset, target: Path, progress: Progress | None = None) -> Path:
        """Download a result, resumed and checked; the key is not sent to where it lies."""

        def tell(name: str, done: int, whole: int | None) -> None:
            if progress is not None:
                progress(f"Climate Data Store: {done} of {whole or 'unknown'} bytes")

        return downloads.download(
            WebFile.of(self.http, asset.href),
            target,
            size=asset.size,
            checksum=asset.checksum,
            progress=tell,
            patience=self.http.patience,
        )

    def _why(self, job: str) -> str:
        """What the store says about a job that failed."""
        try:
            return self._words(self._send("GET", f"jobs/{job}/results"))
        except CatenaError:
            return "the store gave no reason"

    def _url(self, path: str) -> str:
        return f"{self.account.url}/retrieve/v1/{path}"

    def _call(self, method: str, path: str, *, what: str, body: Any = None) -> dict[str, Any]:
        """One call; its answer, or the error that it stands for."""
        answer = self._send(method, path, body)
        if answer.status >= 400:
            raise self._error(answer, what)
        plain = _json(answer)
        if not isinstance(plain, dict):
            raise Unavailable(
                f"Climate Data Store: {what}: the answer is no JSON object; try again",
                retry_after_s=60.0,
            )
        return plain

    def _error(self, answer: Answer, what: str) -> CatenaError:
        start = f"Climate Data Store: {what}: HTTP {answer.status}: {self._words(answer)}"
        if answer.status == 401:
            return FailedPrecondition(f"{start}; the key was refused: {HOW}")
        if answer.status == 403:
            return FailedPrecondition(
                f"{start}; accept the licence of the dataset on the store's page, with the "
                "account to which the key belongs"
            )
        if answer.status in (404, 410):
            return NotFound(f"{start}; check the name")
        return InvalidRequest(f"{start}; change the request")

    def _send(self, method: str, path: str, body: Any = None) -> Answer:
        """One call, tried again while the store is busy.

        A POST whose connection broke is not said twice: it may have been accepted.
        """
        key = {"PRIVATE-TOKEN": self.account.key}
        url = self._url(path)
        if method == "GET":
            return self.http.request(method, url, headers=key, accept=REFUSALS)
        once = Http(allow=self.http.allow, patience=replace(self.http.patience, attempts=1))
        failures = 0
        while True:
            answer = once.request(method, url, headers=key, json=body, accept=(*REFUSALS, *BUSY))
            if answer.status not in BUSY:
                return answer
            failures += 1
            after = answer.headers.get("retry-after", "")
            busy = Transient(
                f"it answered {answer.status}", float(after) if after.isdigit() else None
            )
            self.http.patience.wait(failures, busy, f"Climate Data Store {urlsplit(url).netloc}")

    def _words(self, answer: Answer) -> str:
        """What a server says is wrong, in one line, without the key."""
        plain = _json(answer)
        said = plain if isinstance(plain, dict) else {}
        words = [said.get(name) for name in ("title", "detail", "traceback", "message")]
        text = ": ".join(str(word) for word in words if word) or "no reason given"
        return self.account.scrub(" ".join(text.split()))[:1000]


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _is_md5(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 32 and set(text) <= set("0123456789abcdef")
