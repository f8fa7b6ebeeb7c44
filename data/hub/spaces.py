"""Spaces of the Hugging Face Hub, as both `app.deploy` and `app.static` publish them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data.hub.account import explained, status_of
from data.hub.address import HubError, host

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PRICING_PAGE = "https://huggingface.co/pricing"


def open_space(
    api: "HfApi",
    repo: str,
    *,
    sdk: str,
    private: bool = False,
    hardware: str | None = None,
    variables: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> bool:
    """Have the Space there; True where it was created, with hardware, variables and secrets, False where it was there.

    Raises:
        HubError: It may not be created, or the name stands for something else already.
    """
    with explained(repo):
        if there := _sdk_of(api, repo):
            if there != sdk:
                raise HubError(
                    f"{repo} is there already, as a Space of sdk {there!r}; this needs {sdk!r}: choose another name, "
                    f"or delete it at {host()}/spaces/{repo}/settings"
                )
            return False
        for kind in ("model", "dataset"):
            if api.repo_exists(repo, repo_type=kind):
                raise HubError(f"{repo} is there already, as a {kind} repository; choose another name for the Space")
        _create(api, repo, sdk, private, hardware, variables or {}, secrets or {})
    return True


def send_folder(api: "HfApi", repo: str, folder: Path, *, message: str) -> str:
    """Make the Space's files exactly the folder's, in one commit; returns the commit.

    Raises:
        HubError: The Hub refuses, or the connection fails.
    """
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if not sys.stderr.isatty():
        disable_progress_bars()
    with explained(repo):
        commit = api.upload_folder(
            repo_id=repo, repo_type="space", folder_path=folder, commit_message=message, delete_patterns="*"
        )
    return commit.oid


def _sdk_of(api: "HfApi", repo: str) -> str | None:
    """SDK of a Space that is there; None where there is no such Space."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.space_info(repo).sdk or "unknown"
    except RepositoryNotFoundError:
        return None


def _create(
    api: "HfApi",
    repo: str,
    sdk: str,
    private: bool,
    hardware: str | None,
    variables: Mapping[str, str],
    secrets: Mapping[str, str],
) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_repo(
            repo,
            repo_type="space",
            private=private or None,
            space_sdk=sdk,
            space_hardware=hardware,
            space_variables=[{"key": name, "value": value} for name, value in variables.items()] or None,
            space_secrets=[{"key": name, "value": value} for name, value in secrets.items()] or None,
        )
    except HfHubHTTPError as error:
        if sdk == "docker" and status_of(error) in (402, 403):
            raise HubError(_needs_plan(repo, status_of(error))) from error
        raise


def _needs_plan(repo: str, status: int | None) -> str:
    namespace = repo.partition("/")[0]
    return (
        f"the Hub does not let this token create the Docker Space {repo} ({status}): since July 2026 that needs a paid "
        f"plan of {namespace} ({PRICING_PAGE}), and a token that may write there; without a plan, "
        "`python -m app.static --deploy USER/NAME` publishes the results as a free Static Space"
    )
