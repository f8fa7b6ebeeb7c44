"""Send small files to a dataset repository on the Hugging Face Hub, in one commit that names all of them or none."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from data.hub import host
from data.progress import ModelError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_TOKENS_PAGE = "https://huggingface.co/settings/tokens"
_OFFICIAL = ("huggingface.co", "hub-ci.huggingface.co")


class HubDatasetError(ModelError):
    """The Hub cannot be written to; one line that says what to do."""


def push_files(repo: str, files: Mapping[str, bytes], *, message: str, private: bool = False) -> str:
    """Create the dataset where it is not there, and commit the files; returns its page at that commit.

    Raises:
        HubDatasetError: A bad name, no right to write, or no connection.
    """
    _choose_transfer()
    _check_name(repo)
    from huggingface_hub import CommitOperationAdd

    api = _signed_in(repo)
    with _explained(repo):
        api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.repo_info(repo, repo_type="dataset").private:
            raise HubDatasetError(f"{repo} is there already and public; make it private on its page, or drop --private")
        additions = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = api.create_commit(repo, additions, commit_message=message, repo_type="dataset")
    return f"{host()}/datasets/{repo}/tree/{commit.oid}"


def _choose_transfer() -> None:
    """Where the Hub is another than huggingface.co there is no Xet; the client reads this when it is imported."""
    address = os.environ.get("HF_ENDPOINT", "")
    if address and urlsplit(address).hostname not in _OFFICIAL:
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")


def _check_name(repo: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if repo.count("/") != 1 or not all(repo.split("/")):
        raise HubDatasetError(f"--repo is {repo!r}; write USER/NAME, such as your-name/embedded-benchmark")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise HubDatasetError(f"--repo is {repo!r}: {_one_line(error)}") from None


def _signed_in(repo: str) -> "HfApi":
    from huggingface_hub import HfApi, get_token

    token = get_token()
    way = f"make one that may write at {_TOKENS_PAGE}, then set HF_TOKEN or run `hf auth login`"
    if not token:
        raise HubDatasetError(f"no Hugging Face token; {way}")
    api = HfApi(endpoint=host(), token=token)
    with _explained(repo):
        who = api.whoami()
    if who.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubDatasetError(f"the Hugging Face token of {who['name']} may only read; {way}")
    return api


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Turn the client's many errors into one line each."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise HubDatasetError("HF_HUB_OFFLINE is set; unset it to push") from None
    except HfHubHTTPError as error:
        raise _refused(error, repo) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HubDatasetError(
            f"the connection to {host()} failed ({_one_line(error)}); check the network and push again"
        ) from error
    except ValueError as error:  # an answer that is not the Hub's, or front matter that it does not accept
        raise HubDatasetError(f"{host()}: {_one_line(error)}") from error


def _refused(error: Exception, repo: str) -> HubDatasetError:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else None
    if status == 401:
        return HubDatasetError(
            f"{host()} does not accept the Hugging Face token (401); make another at {_TOKENS_PAGE}, then set HF_TOKEN "
            "or run `hf auth login`"
        )
    if status == 403:
        return HubDatasetError(f"the Hugging Face token may not write to {repo} (403); use one with write access to it")
    return HubDatasetError(f"{host()} answered {status} for {repo} ({_one_line(error)[:200]}); try again later")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
