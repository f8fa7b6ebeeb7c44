"""Send files to a model repository on the Hugging Face Hub, in one commit that names all of them or none.

Large files are sent one after another before the commit. The Hub keeps what has arrived, by its sha256, so a publish
that was interrupted goes on with the first file that it does not have.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from data.disk import size_text
from data.hub import host
from training.config import TrainingError

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

TOKENS_PAGE = "https://huggingface.co/settings/tokens"
_OFFICIAL = ("huggingface.co", "hub-ci.huggingface.co")


@dataclass(frozen=True, kw_only=True)
class LargeFile:
    """A file on this machine, and where it goes."""

    name: str
    path: Path
    sha256: str


def choose_transfer() -> None:
    """Turn Xet off where the Hub is not huggingface.co; to be called before huggingface_hub is imported.

    Xet sends only the parts of a file that the Hub lacks, so there it stays on. A mirror, a proxy or a test's Hub
    (`HF_ENDPOINT`) has no Xet servers behind it: the client would ask them all the same, and fail. It reads the
    variable when it is imported, hence the order. Who sets `HF_HUB_DISABLE_XET` decides alone.
    """
    address = os.environ.get("HF_ENDPOINT", "")
    if address and urlsplit(address).hostname not in _OFFICIAL:
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")


def check_repository_name(repo: str) -> None:
    """Refuse what the Hub would refuse.

    Raises:
        TrainingError: Not NAMESPACE/NAME, or with characters that are not allowed.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if repo.count("/") != 1 or not all(repo.split("/")):
        raise TrainingError(f"--repo is {repo!r}; write NAMESPACE/NAME, such as your-name/my-model-r8")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise TrainingError(f"--repo is {repo!r}: {_one_line(error)}") from None


def sign_in(repo: str) -> "HfApi":
    """A client that may write to the repository's namespace, as far as the token tells.

    Raises:
        TrainingError: No token, one that is not valid, or one that may not write there.
    """
    from huggingface_hub import HfApi, get_token

    token = get_token()
    way = f"make one that may write at {TOKENS_PAGE}, then set HF_TOKEN or run `hf auth login`"
    if not token:
        raise TrainingError(f"no Hugging Face token; {way}")
    api = HfApi(endpoint=host(), token=token)
    with explained(repo):
        who = api.whoami()
    role = who.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise TrainingError(f"the Hugging Face token of {who['name']} may only read; {way}")
    spaces = [who["name"], *(group["name"] for group in who.get("orgs", ()))]
    namespace = repo.partition("/")[0]
    # What a fine-grained token may do is written in scopes; the Hub's own answer to the first write tells it better.
    if role == "write" and namespace not in spaces:
        raise TrainingError(
            f"the token of {who['name']} may not write to {namespace!r}; it may to: {', '.join(spaces)}"
        )
    return api


def open_repository(api: "HfApi", repo: str, *, private: bool) -> str:
    """Create the repository where it is not there; returns its page.

    Raises:
        TrainingError: It may not be created, or is public where it should be private.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    with explained(repo):
        try:
            info = api.repo_info(repo)
        except RepositoryNotFoundError:
            api.create_repo(repo, private=private or None, exist_ok=True)
            info = api.repo_info(repo)
    page = f"{host()}/{repo}"
    if private and not info.private:
        raise TrainingError(
            f"{repo} is there already and public; make it private at {page}/settings, or drop --private"
        )
    return page


def upload(
    api: "HfApi",
    repo: str,
    large: Sequence[LargeFile],
    small: Mapping[str, bytes],
    *,
    message: str,
    say: Callable[[str], None],
) -> str:
    """Send the files and commit them together; returns the commit.

    Raises:
        TrainingError: The Hub refused, or the connection failed; what was sent is kept there.
    """
    from huggingface_hub import CommitOperationAdd

    with explained(repo), _progress_bars():
        names = [file.name for file in large]
        there = _sha256s_at(api, repo, names, "main")
        for stray in api.list_repo_files(repo):
            if stray.endswith(".gguf") and stray not in names:
                say(f"note: {repo} also holds {stray}, which the new model card does not describe")
        additions = [_addition(file) for file in large if there.get(file.name) != file.sha256]
        for file in large:
            if there.get(file.name) == file.sha256:
                say(f"{file.name}: on the Hub already")
        for number, addition in enumerate(additions, start=1):
            size = size_text(addition.upload_info.size)
            say(f"[{number}/{len(additions)}] {addition.path_in_repo}: sending {size}")
            api.preupload_lfs_files(repo, additions=[addition], free_memory=False)
        say(f"committing {len(large) + len(small)} files")
        additions += [CommitOperationAdd(name, content) for name, content in small.items()]
        commit = api.create_commit(repo, additions, commit_message=message).oid
        arrived = _sha256s_at(api, repo, names, commit)
    for file in large:
        if arrived.get(file.name) != file.sha256:
            raise TrainingError(
                f"{repo} at {commit[:12]}: {file.name} has sha256 {arrived.get(file.name)}, sent was {file.sha256}; "
                "it changed while it was sent? publish again"
            )
    return commit


def download_text(api: "HfApi", repo: str, name: str) -> bytes | None:
    """A small file of another repository, or None where it cannot be had."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(api.hf_hub_download(repo, name)).read_bytes()
    except (HfHubHTTPError, httpx.HTTPError, OSError):
        return None


@contextmanager
def _progress_bars() -> Iterator[None]:
    """The client's own bars on a terminal; none in a log, where a line for each file must do."""
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except BaseException:
        if sys.stderr.isatty():
            sys.stderr.write("\n")  # the bar that was cut short has no end of line
        raise


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn the client's many errors into one line each."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise TrainingError("HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        raise _refused(error, repo) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(error) from error
    except RuntimeError as error:  # around what happened in an upload's thread
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _refused(cause, repo) from error
        raise _unreachable(cause if isinstance(cause, Exception) else error) from error
    except ValueError as error:  # an answer that is not the Hub's, or front matter that it does not accept
        raise TrainingError(f"{host()}: {_one_line(error)}") from error


def _sha256s_at(api: "HfApi", repo: str, names: list[str], revision: str) -> dict[str, str]:
    from huggingface_hub.hf_api import RepoFile

    found = api.get_paths_info(repo, names, revision=revision) if names else []
    return {file.path: file.lfs.sha256 for file in found if isinstance(file, RepoFile) and file.lfs}


def _addition(file: LargeFile) -> "CommitOperationAdd":
    from huggingface_hub import CommitOperationAdd

    addition = CommitOperationAdd(file.name, file.path)
    addition.upload_info.sha256 = bytes.fromhex(file.sha256)  # known, so gigabytes need not be read for it again
    return addition


def _refused(error: Exception, repo: str) -> TrainingError:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else None
    if status == 401:
        return TrainingError(
            f"{host()} does not accept the Hugging Face token (401): it is wrong, expired or revoked; make another "
            f"at {TOKENS_PAGE}, then set HF_TOKEN or run `hf auth login`"
        )
    if status == 403:
        return TrainingError(
            f"the Hugging Face token may not write to {repo} (403); make one with write access to it at {TOKENS_PAGE}"
        )
    if status in (400, 409, 422):
        return TrainingError(f"{host()} refused {repo} ({status}): {_one_line(error)[:300]}")
    return TrainingError(
        f"{host()} answered {status} for {repo}; what was sent is kept there: run the same command again later"
    )


def _unreachable(error: Exception) -> TrainingError:
    return TrainingError(
        f"the connection to {host()} failed ({_one_line(error)}); what was sent is kept there: check the network and "
        "run the same command again"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
