"""Text from people and files, made harmless where it would be taken for something else."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MARKUP = frozenset("\\`*_{}[]<>#|~$!&:^@")


def inert_cell(text: str) -> str:
    """For CSV: a cell that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def inert_markdown(text: str) -> str:
    """For Markdown: signs of markup become entities, so that no image, link, directive or formula is left."""
    return "".join(f"&#{ord(each)};" if each in _MARKUP else each for each in " ".join(text.split()))
