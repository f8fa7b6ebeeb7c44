"""Writing to the Hugging Face Hub: whose token it is, what may be written where, and each refusal in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from data.hub.address import TOKENS_PAGE, HubError, host, one_line, token_refused
from data.hub.network import check_access, way_out

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_OFFICIAL = ("huggingface.co", "hub-ci.huggingface.co")


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
        HubError: Not NAMESPACE/NAME, or with characters that are not allowed.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if repo.count("/") != 1 or not all(repo.split("/")):
        raise HubError(f"--repo is {repo!r}; write NAMESPACE/NAME, such as your-name/tradeoff")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise HubError(f"--repo is {repo!r}: {one_line(error)}") from None


def sign_in(repo: str) -> "HfApi":
    """A client that may write to the repository's namespace, as far as the token tells.

    Raises:
        HubError: No token, one that is not valid, or one that may not write there.
    """
    from huggingface_hub import HfApi, get_token

    token = get_token()
    way = f"make one that may write at {TOKENS_PAGE}, then set HF_TOKEN or run `hf auth login`"
    if not token:
        raise HubError(f"no Hugging Face token; {way}")
    check_access()
    api = HfApi(endpoint=host(), token=token)
    with explained(repo):
        who = api.whoami()
    role = who.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise HubError(f"the Hugging Face token of {who['name']} may only read; {way}")
    spaces = [who["name"], *(group["name"] for group in who.get("orgs", ()))]
    namespace = repo.partition("/")[0]
    # What a fine-grained token may do is written in scopes; the Hub's own answer to the first write tells it better.
    if role == "write" and namespace not in spaces:
        raise HubError(f"the token of {who['name']} may not write to {namespace!r}; it may to: {', '.join(spaces)}")
    return api


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn the client's many errors into one line each; no token is ever in them."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise HubError("HF_HUB_OFFLINE is set; unset it to publish") from None
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
        raise HubError(f"{host()}: {one_line(error)}") from error


def status_of(error: Exception) -> int | None:
    """The HTTP status behind an error of the client."""
    response = getattr(error, "response", None)
    return response.status_code if response is not None else None


def _refused(error: Exception, repo: str) -> HubError:
    status = status_of(error)
    if status == 401:
        return HubError(token_refused())
    if status == 403:
        return HubError(
            f"the Hugging Face token may not write to {repo} (403); make one with write access to it at {TOKENS_PAGE}"
        )
    if status in (400, 409, 422):
        return HubError(f"{host()} refused {repo} ({status}): {one_line(error)[:300]}")
    return HubError(
        f"{host()} answered {status} for {repo}; what was sent is kept there: run the same command again later"
    )


def _unreachable(error: Exception) -> HubError:
    return HubError(
        f"the connection to {host()} failed ({one_line(error)}); what was sent is kept there: {way_out(error)}, "
        "and run the same command again"
    )
