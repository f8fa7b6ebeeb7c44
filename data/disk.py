"""Free disk space, checked before large files are written."""

import shutil
from pathlib import Path

from data.errors import ModelError

# Left over for everything else on the disk.
MARGIN_BYTES = 50_000_000


def require_space(directory: Path, needed_bytes: int, what: str) -> None:
    """Refuse work that cannot finish.

    Raises:
        ModelError: Less is free; the message has both figures and the place.
    """
    free = shutil.disk_usage(directory).free
    if needed_bytes + MARGIN_BYTES > free:
        raise ModelError(
            f"disk full: {what} needs {size_text(needed_bytes)}, {size_text(free)} free at {directory}; "
            "make room, or set TRADEOFF_CACHE to a directory on another disk"
        )


def size_text(count: int) -> str:
    """Decimal megabytes or gigabytes, as disks are sold and as the Hub counts."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
