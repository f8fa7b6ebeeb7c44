"""Rows of a dataset on the Hugging Face Hub."""

from collections.abc import Iterator
from typing import Any

from data.hub.address import host
from data.hub.network import check_access
from training.config import RowSource, TrainingError
from training.rows.files import Placed, placed


def from_hub(where: str, source: RowSource) -> tuple[Iterator[Placed], dict[str, Any]]:
    """The rows, and their provenance: repository, commit and licence.

    Raises:
        TrainingError: It may not be read, or is not there; one line with its page.
    """
    from datasets import load_dataset
    from huggingface_hub import HfApi, errors

    check_access()
    page = f"https://huggingface.co/datasets/{source.name}"
    try:
        info = HfApi(endpoint=host()).dataset_info(source.name, revision=source.revision or None)
        rows = load_dataset(source.name, source.subset or None, split=source.split, revision=info.sha)
    except errors.GatedRepoError:
        raise TrainingError(f"{where}: {source.name} is gated: ask for access at {page}, then set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise TrainingError(
            f"{where}: no dataset {source.name!r} that may be read; check {page}, or set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise TrainingError(f"{where}: {source.name} has no revision {source.revision!r}; see {page}") from None
    except Exception as error:  # datasets raises many kinds, of its builders too
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"{where}: {source.name} cannot be loaded ({reason}); see {page}") from None
    licence = info.card_data.get("license") if info.card_data else None
    provenance = {"from": source.name, "split": source.split, "revision": info.sha, "licence": licence or "not stated"}
    return placed(rows.data.to_batches()), provenance
