"""The model card: what was made of what, how it was judged, and what nobody knows. Only figures that were recorded."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.files import size_text
from data.models.card import CardSection
from data.models.published import TAG
from data.progress import duration
from data.tables import markdown
from training.card.publication import ADAPTER, Publication, checks_of, registry_entries

MISSING = "not recorded"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark run, as far as it tells of the published files.

    Attributes:
        models: Registry id of each published file that was measured, by file name.
        table: One line per model and condition, as text.
    """

    run_id: str
    machine: str
    finished: bool
    suites: tuple[str, ...]
    models: Mapping[str, str]
    table: str


def model_card(publication: Publication, repo: str, benchmark: Benchmark | None = None) -> str:
    """README.md of the repository: YAML front matter, then Markdown."""
    made = [_markdown(section, publication) for section in card_sections(publication, benchmark)]
    first = [_title(publication, repo), _markdown(_files(publication), publication), _how_to_run(publication, repo)]
    return front_matter(publication) + "\n" + "\n\n".join([*first, *made, _licence(publication)]) + "\n"


def card_sections(publication: Publication, benchmark: Benchmark | None = None) -> list[CardSection]:
    """What is published as `card.json` too: how it was made and judged."""
    return [
        _training(publication),
        _data(publication),
        _loss(publication),
        _parity(publication),
        _benchmark(benchmark),
        _limits(publication, benchmark),
    ]


def _markdown(section: CardSection, publication: Publication) -> str:
    parts = [f"## {section.title}", section.text]
    parts += [markdown(section.head, section.rows)] if section.rows else []
    parts += [f"```\n{section.verbatim}\n```"] if section.verbatim else []
    parts += ["![Loss by step](loss.png)"] if section.title == "Loss" and publication.has_loss_plot else []
    return "\n\n".join(part for part in parts if part)


def front_matter(publication: Publication) -> str:
    """What the Hub reads: licence, base, data sets, tags."""
    origin, has_models = publication.origin, bool(publication.models)
    tags = ["gguf", "lora", "llama.cpp", TAG] if has_models else ["lora", TAG]
    fields: dict[str, str | list[str]] = {"license": origin.terms.id}
    if origin.repository:
        fields["base_model"] = origin.repository
        fields["base_model_relation"] = "finetune" if has_models else "adapter"
    fields |= {"pipeline_tag": "text-generation", "library_name": "gguf" if has_models else "peft"}
    if names := _data_sets(publication):
        fields["datasets"] = names
    fields["tags"] = [*tags, "llama"] if origin.terms.credit else tags
    lines = []
    for key, value in fields.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_yaml(value)}")
        else:
            lines += [f"{key}:", *(f"- {_yaml(item)}" for item in value)]
    return "\n".join(["---", *lines, "---", ""])


def _title(publication: Publication, repo: str) -> str:
    config, origin = publication.record.parsed, publication.origin
    base = origin.described
    if origin.repository:
        base = base.replace(origin.name, f"[{origin.name}](https://huggingface.co/{origin.repository})")
    what = "exported to GGUF for CPUs" if publication.models else "as an adapter"
    lines = [f"# {repo.rpartition('/')[2]}", ""]
    if origin.terms.credit:
        lines += [f"**{origin.terms.credit}**", ""]
    lines += [
        f"{base}, fine-tuned with LoRA (rank {config.lora.rank}, alpha {config.lora.alpha}) and {what} by Tradeoff. "
        "Every GGUF here passed the parity gate below, with exactly the sha256 listed."
    ]
    return "\n".join(lines)


def _files(publication: Publication) -> CardSection:
    rows = [
        (f"`{file.name}`", "LoRA adapter for llama.cpp" if file.kind == ADAPTER else f"model, {file.kind.upper()}",
         _size(file.size_bytes), f"`{file.sha256}`")
        for file in publication.files
    ]  # fmt: skip
    if publication.has_adapter:
        rows.append(("`adapter/`", "the same LoRA adapter for PEFT", _size(publication.peft_size_bytes), "–"))
    return CardSection(title="Files", head=("file", "what", "size", "sha256"), rows=tuple(rows))


def _how_to_run(publication: Publication, repo: str) -> str:
    parts = ["## How to run it"]
    if publication.models:
        smallest = min(publication.models, key=lambda file: file.size_bytes)
        parts += [
            "With [llama.cpp](https://github.com/ggml-org/llama.cpp):",
            f"```sh\nllama-cli --hf-repo {repo} --hf-file {smallest.name}\n```",
            "With Tradeoff: add this to `data/models.toml`, then start the app or a benchmark.",
            f"```toml\n{registry_entries(publication, repo)}```",
        ]
    if publication.has_adapter:
        adapter = next(file for file in publication.files if file.kind == ADAPTER)
        parts += [
            f"The adapter alone, on a GGUF of {publication.origin.described}:",
            f"```sh\nllama-cli -m BASE.gguf --lora {adapter.name}\n```",
            f'With PEFT: `PeftModel.from_pretrained(base, "{repo}", subfolder="adapter")`.',
        ]
    return "\n\n".join(parts)


def _training(publication: Publication) -> CardSection:
    record = publication.record
    config, summary = record.parsed, record.summary
    training, lora = config.training, config.lora
    length = f"{training.max_steps:,} steps" if training.max_steps else f"{training.epochs:g} × the training data"
    seconds = summary.get("seconds")
    rows: list[tuple[str, Any]] = [
        ("base", publication.origin.file or publication.origin.repository or publication.origin.name),
        ("its commit or sha256", record.base_sha256 or config.base.revision),
        ("base weights while training", "4-bit (QLoRA)" if config.base.load_in_4bit else record.precision),
        ("rank, alpha, dropout", f"{lora.rank}, {lora.alpha}, {lora.dropout:g}"),
        ("adapted modules", ", ".join(lora.target_modules)),
        ("learning rate", f"{training.learning_rate:g}, {training.scheduler}, {training.warmup_steps} warm-up steps"),
        ("optimizer", f"{training.optimizer}, weight decay {training.weight_decay:g}"),
        ("examples per step", training.effective_batch),
        ("planned length", length),
        ("longest example", f"{training.max_length:,} tokens"),
        ("seed", str(training.seed)),
        ("precision", record.precision),
        ("device", f"{record.world_size} × {record.device}"),
        ("backend", record.backend),
        ("versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())),
        ("steps made", summary.get("steps")),
        ("tokens in the training data", summary.get("tokens")),
        ("time", duration(seconds) if isinstance(seconds, (int, float)) else None),
        ("peak GPU memory, GiB", summary.get("peak_memory_gib")),
    ]
    return CardSection(title="Training", head=("", ""), rows=tuple((key, _text(value)) for key, value in rows))


def _data(publication: Publication) -> CardSection:
    card = publication.data_card
    sources = [source for source in card.get("sources", ()) if isinstance(source, Mapping)]
    if not sources:
        return CardSection(title="Data", text=f"The data card is {MISSING}.")
    columns = ("source", "kind", "revision", "licence", "rows read", "rows trained on", "tokens")
    counts = card.get("counts")
    lines = []
    if isinstance(counts, Mapping) and counts:
        lines.append("In all: " + ", ".join(f"{name.replace('_', ' ')} {_text(counts[name])}" for name in counts) + ".")
    lines += [_dropped(source) for source in sources if _dropped(source)]
    if card.get("held_out"):
        lines.append(f"Kept out of it: the questions of the suites {', '.join(map(str, card['held_out']))}.")
    rows = tuple(_source_row(source) for source in sources)
    return CardSection(title="Data", text="\n\n".join(lines), head=columns, rows=rows)


def _dropped(source: Mapping[str, Any]) -> str:
    """Why rows of a source were not trained on, and what was left out of others; empty where that is not recorded."""
    counts = source.get("counts")
    dropped = counts.get("dropped") if isinstance(counts, Mapping) else None
    parts = [
        f"{what}: " + ", ".join(f"{_text(count)} {reason}" for reason, count in each.items())
        for what, each in (("dropped", dropped), ("kept, but", source.get("changed")))
        if isinstance(each, Mapping) and each
    ]
    return f"{_text(source.get('name'))}: {'; '.join(parts)}." if parts else ""


def _source_row(source: Mapping[str, Any]) -> tuple[str, ...]:
    counts = source.get("counts")
    counts = counts if isinstance(counts, Mapping) else {}
    name, origin = source.get("name"), source.get("from")
    revision = source.get("revision") or source.get("sha256")
    return (
        _text(name if origin in (None, name) else f"{name} ({origin})"),
        _text(source.get("kind")),
        f"`{str(revision)[:12]}`" if revision else MISSING,
        _text(source.get("licence")),
        _text(source.get("rows", counts.get("read"))),
        _text(source.get("kept", counts.get("train"))),
        _text(source.get("train_tokens")),
    )


def _loss(publication: Publication) -> CardSection:
    rows = []
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        if points := [line for line in publication.metrics if isinstance(line.get(key), (int, float))]:
            first, last = points[0], points[-1]
            rows.append((label, _at_step(first, key), _at_step(last, key)))
    if not rows:
        return CardSection(title="Loss", text=f"The loss is {MISSING}.")
    return CardSection(title="Loss", text="Nats per answer token.", head=("", "first", "last"), rows=tuple(rows))


def _parity(publication: Publication) -> CardSection:
    names = {file.name for file in publication.files}
    rows = [
        (_text(check.get("name")), _text(check.get("file")), _text(check.get("value")), *_verdict(check))
        for check in checks_of(publication.parity)
        if check.get("file") in names or not check.get("file")
    ]  # fmt: skip
    intro = "Each file, run by llama.cpp, against the fine-tuned model that it was made from; also in `parity.json`."
    text = intro if rows else f"{intro}\n\nThe single checks are {MISSING}."
    return CardSection(title="Parity", text=text, head=("check", "file", "value", "limit", ""), rows=tuple(rows))


def _verdict(check: Mapping[str, Any]) -> tuple[str, str]:
    """Limit and outcome; a value without a limit is only reported."""
    limit = check.get("limit")
    if limit in (None, ""):
        return "–", "reported"
    return _text(limit), "passed" if check.get("passed") is True else "failed"


def _benchmark(benchmark: Benchmark | None) -> CardSection:
    if benchmark is None:
        text = "None was published with these files: speed and quality on tasks are not known."
        return CardSection(title="Benchmark", text=text)
    here = ", ".join(f"`{model}` is `{name}`" for name, model in benchmark.models.items())
    state = "" if benchmark.finished else " The run was not finished."
    where = f"Run `{benchmark.run_id}` on {benchmark.machine}, suites {', '.join(benchmark.suites)}"
    text = f"{where}; {here}.{state} Brackets hold 95% intervals."
    return CardSection(title="Benchmark", text=text, verbatim=benchmark.table)


def _limits(publication: Publication, benchmark: Benchmark | None) -> CardSection:
    lines = [
        f"- It inherits what {publication.origin.name} gets wrong, and was judged on what stands above, nothing else: "
        "no tests of safety, bias or factual accuracy.",
        "- The validation loss is of the training data's kind; it says little about other prompts.",
    ]
    if _is_quantized(publication):
        lines.append("- Quantizing changes answers; the parity table says by how much on its text.")
    if publication.record.parsed.base.load_in_4bit:
        lines.append("- The adapter was trained against 4-bit weights and merged into 16-bit ones: a small bias.")
    if benchmark is not None:
        lines.append("- Speeds hold for the machine named above.")
    return CardSection(title="Limits", text="\n".join(lines))


def _licence(publication: Publication) -> str:
    origin = publication.origin
    terms = f"[{origin.terms.label}]({origin.terms.url})" if origin.terms.url else origin.terms.label
    copy = " A copy is in `LICENSE`." if origin.terms.needs_copy else ""
    changes = ["a LoRA adapter was merged in" if publication.models else "a LoRA adapter was trained for it"]
    if _is_quantized(publication):
        changes.append("the weights were quantized")
    if origin.dropped_layers:
        changes.insert(0, "layers were removed")
    text = f"## Licence\n\n{origin.name} is under {terms}, and so is this.{copy} Changed: {', '.join(changes)}."
    return f"{text}\n\n{origin.terms.notice}" if origin.terms.notice else text


def _is_quantized(publication: Publication) -> bool:
    return any(file.kind != "f16" for file in publication.models)


def _data_sets(publication: Publication) -> list[str]:
    sources = publication.record.parsed.data.sources.values()
    return list(dict.fromkeys(source.name for source in sources if source.kind == "hub" and not source.path))


def _at_step(line: Mapping[str, Any], key: str) -> str:
    return f"{line[key]:.4g}" + (f" at step {line['step']:,}" if isinstance(line.get("step"), int) else "")


def _text(value: Any) -> str:
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _size(count: int) -> str:
    return size_text(count) if count >= 500_000 else f"{count:,} bytes"


def _yaml(text: str) -> str:
    """A scalar; JSON's texts are YAML's too."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS else json.dumps(text, ensure_ascii=False)
