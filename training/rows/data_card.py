"""The data card as a document."""

import json
from collections.abc import Mapping
from typing import Any

from data.tables import markdown
from training.rows.tally import in_words


def card_text(card: Mapping[str, Any]) -> str:
    """The data card as Markdown."""
    counts = card["counts"]
    columns = ("read", "dropped", "not_drawn", "validation", "train")
    lines = [
        "# Data card",
        "",
        f"{counts['train_rows']:,} examples to train on ({counts['train_tokens']:,} tokens, of which "
        f"{counts['trained_tokens']:,} are answers and trained on), {counts['validation_rows']:,} for validation. "
        f"At most {card['max_length']:,} tokens each; template: {card['template']}; seed {card['seed']}.",
        "",
        markdown(
            ["source", *(column.replace("_", " ") for column in columns), "tokens"],
            (
                [
                    source["name"],
                    *(f"{_total(source['counts'][column]):,}" for column in columns),
                    f"{source['train_tokens']:,}",
                ]
                for source in card["sources"]
            ),
            numbers_from=1,
        ),
        "",
        *_reasons(card),
        "Overlap: rows whose question stands in a suite of `data/prompts/`, or shares 13 words in a row with",
        "one; with held-out suites of the same tasks only whole questions are compared"
        f" ({', '.join(card['held_out']) or 'none'}).",
        "",
    ]
    for source in card["sources"]:
        hidden = (
            *("name", "kind", "counts", "train_tokens", "token_share"),
            *("changed", "columns_not_used", "validation_examples"),
        )
        facts = {key: value for key, value in source.items() if key not in hidden}
        lines += [f"- **{source['name']}** ({source['kind']}): " + json.dumps(facts, ensure_ascii=False)]
    lines += ["", *(f"- `{name}` sha256 {digest}" for name, digest in card["files"].items())]
    return "\n".join(lines) + "\n"


def _total(count: int | Mapping[str, int]) -> int:
    return sum(count.values()) if isinstance(count, Mapping) else count


def _reasons(card: Mapping[str, Any]) -> list[str]:
    """A line for each source of which something is not trained on."""
    lines = []
    for source in card["sources"]:
        counts = {"dropped": source["counts"]["dropped"], "kept, but": source["changed"]}
        parts = [f"{what}: {in_words(each)}" for what, each in counts.items() if each]
        parts += [f"columns not used: {', '.join(source['columns_not_used'])}"] if source["columns_not_used"] else []
        lines += [f"- {source['name']}: {'; '.join(parts)}."] if parts else []
    return [*lines, ""] if lines else []
