"""Send files to a model or dataset repository on the Hub, in one commit that names all of them or none.

Large files are sent one after another before the commit. The Hub keeps what has arrived, by its sha256, so a publish
that was interrupted goes on with the first file that it does not have.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.files import is_gguf_name, size_text
from data.hub.account import check_repository_name, choose_transfer, explained, sign_in
from data.hub.address import HubError, host

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi


@dataclass(frozen=True, kw_only=True)
class LargeFile:
    """A file on this machine, and where it goes."""

    name: str
    path: Path
    sha256: str


def push_files(repo: str, files: Mapping[str, bytes], *, message: str, private: bool = False) -> str:
    """Create the dataset where it is not there, and commit small files to it; returns its page at that commit.

    Raises:
        HubError: A bad name, no right to write, or no connection.
    """
    choose_transfer()
    check_repository_name(repo)
    from huggingface_hub import CommitOperationAdd

    api = sign_in(repo)
    page = open_repository(api, repo, private=private, kind="dataset")
    with explained(repo):
        additions = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = api.create_commit(repo, additions, commit_message=message, repo_type="dataset")
    return f"{page}/tree/{commit.oid}"


def open_repository(api: "HfApi", repo: str, *, private: bool, kind: Literal["model", "dataset"] = "model") -> str:
    """Create the repository where it is not there; returns its page.

    Raises:
        HubError: It may not be created, or is public where it should be private.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    with explained(repo):
        try:
            info = api.repo_info(repo, repo_type=kind)
        except RepositoryNotFoundError:
            api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True)
            info = api.repo_info(repo, repo_type=kind)
    page = f"{host()}/datasets/{repo}" if kind == "dataset" else f"{host()}/{repo}"
    if private and not info.private:
        raise HubError(f"{repo} is there already and public; make it private at {page}/settings, or drop --private")
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
        HubError: The Hub refused, or the connection failed; what was sent is kept there.
    """
    from huggingface_hub import CommitOperationAdd

    with explained(repo), _progress_bars():
        names = [file.name for file in large]
        there = _sha256s_at(api, repo, names, "main")
        for stray in api.list_repo_files(repo):
            if is_gguf_name(stray) and stray not in names:
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
            raise HubError(
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


def _sha256s_at(api: "HfApi", repo: str, names: list[str], revision: str) -> dict[str, str]:
    from huggingface_hub.hf_api import RepoFile

    found = api.get_paths_info(repo, names, revision=revision) if names else []
    return {file.path: file.lfs.sha256 for file in found if isinstance(file, RepoFile) and file.lfs}


def _addition(file: LargeFile) -> "CommitOperationAdd":
    from huggingface_hub import CommitOperationAdd

    addition = CommitOperationAdd(file.name, file.path)
    addition.upload_info.sha256 = bytes.fromhex(file.sha256)  # known, so gigabytes need not be read for it again
    return addition
