"""Read one file of a Hugging Face Hub repository; downloads resume what an earlier attempt left.

`hf_hub_download` cannot resume across processes any more: since huggingface_hub 1.x it removes its partial file on
every failure. So its parts are used instead (address, metadata, token, session, errors), with a loop of our own that
appends to one partial file, can be cancelled between network packets, and works for Xet repositories over plain HTTP.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import ModelError
from data.hub.address import HubSource, host, one_line, token_refused
from data.hub.network import check_access, way_out
from data.progress import FetchCancelled, IsCancelled

if TYPE_CHECKING:
    import httpx

# Between attempts that brought no byte; any progress starts the row anew.
RETRY_PAUSES_S = (0.0, 1.0, 2.0, 4.0)
LONGEST_WAIT_S = 60.0  # that the Hub may ask for; a longer one is said in place of waited for
TEXT_LIMIT_S = 20.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RevisionGoneError(ModelError):
    """A repository is there, and the commit, tag or branch is not."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file as the Hub describes it.

    Attributes:
        revision: The commit that a branch name stood for.
        etag: Names the content; the sha256 of large files.
    """

    source: HubSource
    url: str
    revision: str
    etag: str
    size_bytes: int | None

    @property
    def sha256(self) -> str | None:
        return self.etag if _SHA256.fullmatch(self.etag) else None

    @property
    def key(self) -> str:
        """Names the content in file names; an ETag itself could be a path."""
        return hashlib.sha256(self.etag.encode()).hexdigest()[:12]


def look_up(source: HubSource, revision: str | None) -> RemoteFile:
    """Ask the Hub for commit, size and content hash; downloads nothing.

    Args:
        revision: Commit, tag or branch; None for the source's own, or else main.

    Raises:
        ModelError: No network, no such repository, revision or file, or no access.
    """
    import httpx
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    check_access()
    revision = revision or source.revision or "main"
    try:
        url = hf_hub_url(source.repo, source.file, revision=revision, endpoint=host())
        metadata = get_hf_file_metadata(url, endpoint=host())
    except (HfHubHTTPError, httpx.HTTPError, httpx.InvalidURL, OfflineModeIsEnabled) as error:
        raise explained(error, source, revision) from error
    except (FileMetadataError, HFValidationError) as error:
        raise ModelError(f"{source.repo}: {one_line(error)}") from error
    if not metadata.commit_hash or not metadata.etag:
        raise ModelError(f"{host()} does not answer like a Hugging Face Hub; check HF_ENDPOINT and proxy settings")
    url = hf_hub_url(source.repo, source.file, revision=metadata.commit_hash, endpoint=host())
    return RemoteFile(
        source=source, url=url, revision=metadata.commit_hash, etag=metadata.etag, size_bytes=metadata.size
    )


def download(
    remote: RemoteFile,
    partial: Path,
    *,
    on_bytes: Callable[[int], None] = lambda done: None,
    cancelled: IsCancelled,
    pauses_s: Sequence[float] | None = None,
) -> None:
    """Complete `partial`, whose bytes so far must be the file's beginning.

    Args:
        on_bytes: Called with the size of `partial` as it grows.
        pauses_s: Seconds before each attempt that follows one without progress; None takes `RETRY_PAUSES_S`.

    Raises:
        ModelError: The connection failed repeatedly, the Hub refused, or the file has the wrong size.
        FetchCancelled: `cancelled()` became true; `partial` is kept.
        OSError: `partial` cannot be written.
    """
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    pauses_s = RETRY_PAUSES_S if pauses_s is None else pauses_s
    attempt = 0
    while True:
        before = size_of(partial)
        try:
            _append(remote, partial, on_bytes, cancelled)
            break
        except (HfHubHTTPError, httpx.HTTPError, OfflineModeIsEnabled) as error:
            attempt = 0 if size_of(partial) > before else attempt
            asked_s = _asked_wait_s(error)
            if attempt >= len(pauses_s) or asked_s > LONGEST_WAIT_S or not _passing(error):
                kept_bytes = size_of(partial)
                raise explained(error, remote.source, remote.revision, kept_bytes=kept_bytes) from error
            _pause(max(asked_s, pauses_s[attempt]), cancelled)
            attempt += 1
    if remote.size_bytes is not None and size_of(partial) != remote.size_bytes:
        got = size_of(partial)
        partial.unlink()
        raise ModelError(f"{remote.source.file}: received {got:,} of {remote.size_bytes:,} bytes; removed, fetch again")


def read_text(source: HubSource, revision: str, *, limit_bytes: int) -> str:
    """A small text file, kept nowhere; bytes that are not UTF-8 are replaced.

    Raises:
        ModelError: It is larger than the limit, takes longer than `TEXT_LIMIT_S`, or cannot be had.
    """
    import httpx
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    url = hf_hub_url(source.repo, source.file, revision=revision, endpoint=host())
    content, end_s = b"", time.monotonic() + TEXT_LIMIT_S
    try:
        with _get(url) as response:
            for chunk in _chunks(response):
                content += chunk
                if len(content) > limit_bytes:
                    raise ModelError(f"{source.repo}/{source.file} is larger than {limit_bytes:,} bytes; not read")
                if time.monotonic() > end_s:
                    raise ModelError(f"{source.repo}/{source.file} takes longer than {TEXT_LIMIT_S:.0f} s; not read")
    except (HfHubHTTPError, httpx.HTTPError, OfflineModeIsEnabled) as error:
        raise explained(error, source, revision) from error
    return content.decode("utf-8", errors="replace")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _append(remote: RemoteFile, partial: Path, on_bytes: Callable[[int], None], cancelled: IsCancelled) -> None:
    start = size_of(partial)
    if remote.size_bytes is not None and start > remote.size_bytes:
        partial.unlink()
        start = 0
    if start and start == remote.size_bytes:
        return
    with _get(remote.url, start) as response:
        chunks = _chunks(response)
        with partial.open("ab" if response.status_code == 206 else "wb") as file:
            on_bytes(file.tell())
            for chunk in chunks:
                if cancelled():
                    raise FetchCancelled
                if file.tell() == 0:
                    _check_beginning(chunk, remote)
                file.write(chunk)
                on_bytes(file.tell())


def _get(url: str, start: int = 0) -> "AbstractContextManager[httpx.Response]":
    """Request a file from a byte on. Redirects to the storage host are followed; httpx leaves the token out there."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]

    headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    return get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)


def _chunks(response: "httpx.Response") -> Iterator[bytes]:
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

    hf_raise_for_status(response)
    return response.iter_bytes()


def _check_beginning(chunk: bytes, remote: RemoteFile) -> None:
    """Refuse at the first bytes what is no GGUF, before gigabytes of it arrive.

    Raises:
        ModelError: The message says what it seems to be.
    """
    if chunk[:4] == b"GGUF"[: len(chunk)]:
        return
    kinds = {b"\x80": "a pickle", b"PK": "a ZIP archive, as PyTorch's", b"<": "a web page"}
    seems = next((f"; it seems to be {kind}" for start, kind in kinds.items() if chunk.startswith(start)), "")
    raise ModelError(f"{remote.source.repo}/{remote.source.file} is not a GGUF file{seems}; nothing was kept of it")


def _passing(error: Exception) -> bool:
    """Whether the same request may succeed in a moment."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429, 500, 502, 503, 504)
    return isinstance(error, (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError))


def _asked_wait_s(error: Exception) -> float:
    """Seconds after which the Hub wants to be asked again; 0 where it does not say."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    response: httpx.Response | None = getattr(error, "response", None)
    if response is None:
        return 0.0
    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


def _pause(seconds: float, cancelled: IsCancelled) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancelled():
            raise FetchCancelled
        time.sleep(min(left, 0.1))


def explained(error: Exception, source: HubSource, revision: str, *, kept_bytes: int = 0) -> ModelError:
    """The error as one line with a way out.

    Args:
        kept_bytes: Of the file that are here for the next attempt.
    """
    from huggingface_hub import errors

    page = f"{host()}/{source.repo}"
    response: httpx.Response | None = getattr(error, "response", None)
    status = response.status_code if response is not None else None
    match error:
        case errors.OfflineModeIsEnabled():
            return ModelError(f"{source.repo}: HF_HUB_OFFLINE is set; unset it to download, fetched models still work")
        case errors.GatedRepoError():
            return ModelError(
                f"{source.repo} is gated ({status}): accept its terms at {page}, then set HF_TOKEN to a token of "
                "that account (or run `hf auth login`)"
            )
        case errors.RevisionNotFoundError():
            return RevisionGoneError(f"{source.repo} has no revision {revision!r}; choose one of {page}/commits/main")
        case errors.RemoteEntryNotFoundError():
            return ModelError(f"{source.repo} has no file {source.file!r} at {revision}; see {page}/tree/main")
        case errors.HfHubHTTPError() if status == 401 and "Invalid credentials" in str(error):
            return ModelError(token_refused())
        case errors.RepositoryNotFoundError() | errors.HfHubHTTPError() if status in (401, 403, 404):
            return ModelError(
                f"no access to {source.repo} ({status}): it does not exist, or it is private; check the name at "
                f"{page}, or set HF_TOKEN to a token that may read it"
            )
        case errors.HfHubHTTPError():
            wait_s = _asked_wait_s(error)
            when = f"in {wait_s:,.0f} s" if wait_s else "later"
            more = ": too many requests, of which HF_TOKEN allows more" if status == 429 else ""
            return ModelError(f"{host()} answered {status} for {source.repo}{more}; try again {when}")
    if kept_bytes:
        return ModelError(
            f"the connection to {host()} failed ({one_line(error)}) after {kept_bytes:,} bytes of {source.file}; "
            f"they are kept: {way_out(error)}, then fetch again to go on"
        )
    return ModelError(f"cannot reach {host()} ({one_line(error)}); {way_out(error)}; models already fetched still work")
