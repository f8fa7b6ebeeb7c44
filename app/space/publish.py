"""A Docker Space from a staged folder: made or updated with its settings, and followed until it answers."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from data.hub.account import explained, sign_in
from data.hub.address import HubError, host
from data.hub.spaces import open_space, send_folder

if TYPE_CHECKING:
    from huggingface_hub import HfApi

POLL_S = 5.0
LIMIT_S = 3600.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HUB_TOKEN = re.compile(r"hf_[A-Za-z0-9]{16,}")
_SECRET_WORDS = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY|CREDENTIAL", re.IGNORECASE)
_OVER = ("BUILD_ERROR", "CONFIG_ERROR", "RUNTIME_ERROR", "NO_APP_FILE", "PAUSED", "STOPPED", "DELETING")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the Space shall be.

    Attributes:
        hardware: As the Hub names it; None leaves an existing Space's, and CPU Basic for a new one.
        secrets: By name; never shown.
    """

    repo: str
    private: bool = False
    hardware: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


def deploy(wish: Wish, folder: Path, *, say: Callable[[str], None]) -> str:
    """Create or update the Space so that it has exactly the folder's files; returns the commit.

    Raises:
        HubError: One line that says what to do.
    """
    api = sign_in(wish.repo)
    is_new = open_space(
        api,
        wish.repo,
        sdk="docker",
        private=wish.private,
        hardware=wish.hardware,
        variables=wish.variables,
        secrets=wish.secrets,
    )
    say(f"{'created' if is_new else 'updating'} the Space {wish.repo}")
    if not is_new:
        with explained(wish.repo):
            _set_up(api, wish)
    return send_folder(api, wish.repo, folder, message="Tradeoff")


def _set_up(api: "HfApi", wish: Wish) -> None:
    for name, value in wish.variables.items():
        api.add_space_variable(wish.repo, name, value)
    for name, value in wish.secrets.items():
        api.add_space_secret(wish.repo, name, value)
    if wish.hardware:
        api.request_space_hardware(wish.repo, wish.hardware)  # type: ignore[arg-type]


def wait_until_running(repo: str, commit: str, *, say: Callable[[str], None]) -> None:
    """Follow the build of a commit, and say each stage once.

    Raises:
        HubError: It failed, or takes longer than an hour.
    """
    api, started, shown = sign_in(repo), time.monotonic(), ""
    while time.monotonic() - started < LIMIT_S:
        with explained(repo):
            runtime = api.get_space_runtime(repo)
        current = str(getattr(runtime.stage, "value", runtime.stage))
        if current != shown:
            say(f"{time.monotonic() - started:5.0f} s  {current.lower().replace('_', ' ')}")
            shown = current
        is_old = runtime.raw.get("sha") not in (None, commit)
        if current == "RUNNING" and not is_old:
            return
        if current in _OVER and not is_old:
            reason = " ".join(str(runtime.raw.get("errorMessage") or "").split())[:300]
            log = f"{host()}/spaces/{repo}?logs=build"
            raise HubError(f"{repo} ended as {current}{': ' + reason if reason else ''}; its log: {log}")
        time.sleep(POLL_S)
    raise HubError(f"{repo} is still {shown} after an hour; follow it at {host()}/spaces/{repo}")


def read_variables(given: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE texts; what looks like a secret is refused, since anyone can read a Space's variables.

    Raises:
        HubError: Not KEY=VALUE, or a secret.
    """
    variables = {}
    for text in given:
        name, equals, value = text.partition("=")
        if _HUB_TOKEN.search(text):
            raise HubError("--variable holds a Hugging Face token and would be public; pass --secret HF_TOKEN")
        if not equals or not _NAME.fullmatch(name):
            raise HubError(f"--variable {name!r}: write NAME=VALUE")
        if _SECRET_WORDS.search(name):
            raise HubError(f"--variable {name} would be public; set it in the environment and pass --secret {name}")
        variables[name] = value
    return variables


def read_secrets(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Values of the named environment variables.

    Raises:
        HubError: One is not set.
    """
    for name in names:
        if not _NAME.fullmatch(name) or _HUB_TOKEN.search(name):
            raise HubError("--secret takes a name only; its value is read from the environment variable of that name")
        if not environment.get(name):
            raise HubError(f"--secret {name}: the environment has no {name}; set it, such as: read -rs {name}")
    return {name: environment[name] for name in names}
