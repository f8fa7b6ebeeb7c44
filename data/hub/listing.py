"""Which GGUFs a repository of the Hub holds: single files, and sets of parts."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import ModelError
from data.files import is_gguf_name, joint_sha256
from data.hub.address import HubSource, host, one_line
from data.hub.download import explained, look_up
from data.hub.network import check_access

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

MOST_FILES = 5_000
"""Of a repository that are looked through."""


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A GGUF of a repository, or a set of parts.

    Attributes:
        file: Its path there; of a set that of the first part.
        size_bytes: Of all parts that are there.
        sha256: As `data.files.joint_sha256`; None where the Hub does not say it, or parts are missing.
        missing: Parts that the repository does not hold.
    """

    file: str
    size_bytes: int
    sha256: str | None
    missing: tuple[str, ...] = ()


def list_models(repo: str) -> list[ListedModel]:
    """The repository's GGUFs, the smallest first.

    Raises:
        ModelError: No such repository, no access to its files, no GGUF in it, or no connection.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    from huggingface_hub.hf_api import RepoFile

    check_access()
    api = HfApi(endpoint=host())
    try:
        tree = itertools.islice(api.list_repo_tree(repo, recursive=True), MOST_FILES)
        files = {each.path: each for each in tree if isinstance(each, RepoFile)}
        gated = bool(api.model_info(repo).gated)
    except (HfHubHTTPError, httpx.HTTPError, httpx.InvalidURL, OfflineModeIsEnabled) as error:
        raise explained(error, HubSource(repo=repo, file=""), "main") from error
    except (HFValidationError, ValueError) as error:
        raise ModelError(f"{repo}: {one_line(error)}") from error
    found = _models({path: file for path, file in files.items() if is_gguf_name(path)}, repo)
    if not found:
        raise ModelError(_without(repo, files))
    if gated:  # the list is for everybody, the files are not
        look_up(HubSource(repo=repo, file=found[0].file), None)
    return sorted(found, key=lambda each: (each.size_bytes, each.file))


def _models(files: Mapping[str, "RepoFile"], repo: str) -> list[ListedModel]:
    sets = {tuple(part.file for part in HubSource(repo=repo, file=path).files) for path in files}
    return [_model(names, files) for names in sets]


def _model(names: tuple[str, ...], files: Mapping[str, "RepoFile"]) -> ListedModel:
    there = [files[name] for name in names if name in files]
    digests = [file.lfs.sha256 for file in there if file.lfs]
    return ListedModel(
        file=names[0],
        size_bytes=sum(file.size for file in there),
        sha256=joint_sha256(digests) if len(digests) == len(names) else None,
        missing=tuple(name for name in names if name not in files),
    )


def _without(repo: str, files: Mapping[str, object]) -> str:
    if any(path.endswith(".safetensors") for path in files):
        return f"{repo} holds no GGUF, but weights for training; look for a repository of the same name with -GGUF"
    return f"{repo} holds no GGUF among its {len(files):,} files; look for another repository"
