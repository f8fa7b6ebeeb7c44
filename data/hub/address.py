"""Which Hub is asked, with which token, and how its files are named."""

import os
import re
from dataclasses import dataclass, replace

from data.errors import ModelError
from data.files import part_names

TOKENS_PAGE = "https://huggingface.co/settings/tokens"


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """A file of a Hugging Face Hub repository; without a revision the Hub's `main` at the first fetch.

    Attributes:
        file: Its path there; any part of a split GGUF stands for the set.
    """

    repo: str
    file: str
    revision: str | None = None

    @property
    def files(self) -> tuple["HubSource", ...]:
        """Each file of the model, in order."""
        folder, slash, name = self.file.rpartition("/")
        return tuple(replace(self, file=folder + slash + part) for part in part_names(name))


class HubError(ModelError):
    """The Hub cannot be asked or written to; one line that says what to do."""


def host() -> str:
    """Address of the Hub in use: `HF_ENDPOINT` as it is now, not as huggingface_hub found it at import.

    Raises:
        HubError: It holds credentials, and pages and errors show it.
    """
    from huggingface_hub import constants

    address = os.environ.get("HF_ENDPOINT", "").rstrip("/") or constants.ENDPOINT
    if "@" in address:
        raise HubError("HF_ENDPOINT holds a user name or password; leave them out, and set HF_TOKEN for access")
    return address


def check_token() -> None:
    """Refuse a token that no request can carry, whose error in the client would show it.

    Raises:
        HubError: It has a character that no token has.
    """
    from huggingface_hub import get_token

    if not re.fullmatch(r"[!-~]*", get_token() or ""):
        raise HubError(
            "the Hugging Face token has a character that no token has, such as a space; copy it again from "
            f"{TOKENS_PAGE}, then set HF_TOKEN or run `hf auth login`"
        )


def token_refused() -> str:
    """What to say where the Hub answers that the token is not valid."""
    return (
        f"{host()} does not accept the Hugging Face token (401): it is wrong, expired or revoked; make another "
        f"at {TOKENS_PAGE}, then set HF_TOKEN or run `hf auth login`"
    )


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
