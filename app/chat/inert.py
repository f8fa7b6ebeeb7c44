"""Text from people and files, made harmless where it would be taken for something else."""

import re

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MARKUP = frozenset("\\`*_{}[]<>#|~$!&:^@")
_FOLDERS = re.compile(r"(?:file://|(?<![\w/.~]))(?:~[\w.-]*|\.{1,2})?/(?![/\s])(?:[^'\":,;()\n]*/)?")
"""Up to a path's last part. A folder's name may hold spaces: what follows it up to the last slash is taken for one."""


def inert_cell(text: str) -> str:
    """For CSV: a cell that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def inert_markdown(text: str) -> str:
    """For Markdown: signs of markup become entities, so that no image, link, directive or formula is left."""
    return "".join(f"&#{ord(each)};" if each in _MARKUP else each for each in " ".join(text.split()))


def without_folders(text: str) -> str:
    """For visitors: of every path the last part alone; where files lie on the machine is nobody else's business."""
    return _FOLDERS.sub("", text)
