"""What every command shares at its edge: one line for every known error, its exit status, and types of arguments."""

import argparse
import os
import sys
from collections.abc import Callable

from data.errors import TradeoffError

INTERRUPTED = 130
_BEYOND = 10**9
# Read when the libraries are imported; their warnings are for programmers.
_QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DATASETS_VERBOSITY": "error", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}


def run_command(
    command: Callable[[], int],
    *,
    interrupted: str,
    name: str = "error",
    status: Callable[[TradeoffError], int] = lambda error: 1,
) -> int:
    """The exit status of a command; what goes wrong for a known reason becomes one line on stderr.

    Args:
        interrupted: What Ctrl-C leaves behind, or how to go on.
        name: What stands before the message.
        status: The exit status for an error; 1 for what the system refuses (a file, the disk).
    """
    _quiet_libraries()
    try:
        return command()
    except TradeoffError as error:
        say(f"{name}: {error}")
        return status(error)
    except BrokenPipeError:  # who reads what is printed, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"{name}: {where}{error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        say(f"{'' if name == 'error' else name + ': '}interrupted; {interrupted}")
        return INTERRUPTED


def parser_of(module: str, description: str | None) -> argparse.ArgumentParser:
    """A parser named as people start it, whose help shows the module's docstring as it is written."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def positive(text: str) -> int:
    """An argument that is a whole number of at least 1, and below what arithmetic on it could not bear."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) < _BEYOND:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least 1 and below {_BEYOND:,}")
    return int(text)


def say(message: str) -> None:
    """A line on stderr, in place of an unfinished line of progress."""
    print(f"\r\033[K{message}" if sys.stderr.isatty() else message, file=sys.stderr, flush=True)


def quiet_loading() -> None:
    """No bars for reading weights from the disk; downloads come before it and keep theirs."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _quiet_libraries() -> None:
    """Keep the console for this project's own lines, before the libraries are imported. The user's own wins."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
