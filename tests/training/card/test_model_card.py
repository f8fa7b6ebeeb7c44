"""The model card says what was recorded, and says so where nothing was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from data.errors import TradeoffError
from tests.training.published_runs import CARD, LLAMA, finished_run
from training.card.model_card import Benchmark, model_card
from training.card.publication import Publication, publication_of
from training.card.publish import read_benchmark

REPO = "alice/tiny-r8"


@pytest.fixture
def publication(cache: Path, tmp_path: Path) -> Publication:
    return publication_of(finished_run(tmp_path / "runs").path)


@pytest.fixture
def llama(cache: Path, tmp_path: Path) -> Publication:
    return publication_of(finished_run(tmp_path / "runs", base=LLAMA, name="llama-3.2-1b-r8").path)


def front(card: str) -> dict[str, Any]:
    """As the Hub's own client reads it."""
    fields = ModelCard(card).data.to_dict()  # type: ignore[no-untyped-call]
    assert isinstance(fields, dict)
    return fields


def section(card: str, title: str) -> str:
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def benchmark_run(directory: Path, publication: Publication, sha256: str) -> Path:
    """A benchmark run of one model with two graded answers."""
    row = {
        "model": "tiny", "model_sha256": sha256, "suite": "core", "prompt_id": "a", "kind": "math", "seed": 1,
        "condition": "timed-cold", "repetition": 0, "started_at": "2026-11-24T00:00:00+00:00", "grade": 1.0,
        "schema_version": "1.0", "decode_tokens": 50, "decode_s": 2.0,
    }  # fmt: skip
    manifest = {
        "schema_version": "1.0",
        "run_id": "cpu-1",
        "finished_at": "2026-11-24T00:00:00+00:00",
        "suites": {"core": {}},
        "models": {"tiny": {"sha256": sha256}},
        "machine": {"cpu": "Xeon", "usable_threads": 2},
    }
    directory.mkdir()
    (directory / "run.json").write_text(json.dumps(manifest))
    rows = [row, row | {"prompt_id": "b", "grade": 0.0}]
    (directory / "samples.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    return directory


def test_the_front_matter_is_what_the_hub_reads(publication: Publication) -> None:
    assert front(model_card(publication, REPO)) == {
        "license": "apache-2.0",
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_model_relation": "finetune",
        "pipeline_tag": "text-generation",
        "library_name": "gguf",
        "datasets": ["mlabonne/FineTome-100k"],
        "tags": ["gguf", "lora", "llama.cpp", "tradeoff"],
    }


def test_an_adapter_alone_is_an_adapter(cache: Path, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "runs")
    card = model_card(publication_of(run.path, kinds=["adapter"]), REPO)
    fields = front(card)
    assert (fields["base_model_relation"], fields["library_name"], fields["tags"]) == (
        "adapter",
        "peft",
        ["lora", "tradeoff"],
    )
    assert "[[model]]" not in card
    assert "quantized" not in section(card, "Licence")


def test_a_llama_says_what_its_licence_wants(llama: Publication) -> None:
    card = model_card(llama, "alice/Llama-3.2-1b-r8")
    fields = front(card)
    assert (fields["license"], fields["base_model"]) == ("llama3.2", "unsloth/Llama-3.2-1B-Instruct")
    assert "llama" in fields["tags"]
    assert "# Llama-3.2-1b-r8\n\n**Built with Llama**\n" in card
    assert (
        "Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright © Meta Platforms, Inc. "
        "All Rights Reserved." in card
    )
    assert "trained against 4-bit weights" in section(card, "Limits")


def test_an_apache_base_is_credited_and_nobody_is_called_a_llama(publication: Publication) -> None:
    card = model_card(publication, REPO)
    assert "Built with Llama" not in card
    licence = section(card, "Licence")
    assert "SmolLM2-135M-Instruct is under [Apache-2.0](https://www.apache.org/licenses/LICENSE-2.0)" in licence
    assert "a LoRA adapter was merged in, the weights were quantized" in licence


def test_every_file_is_listed_with_its_sha256(publication: Publication) -> None:
    files = section(model_card(publication, REPO), "Files")
    for file in publication.files:
        assert f"| `{file.name}` |" in files
        assert f"`{file.sha256}`" in files


def test_commands_name_the_repository_and_the_smallest_model(publication: Publication) -> None:
    text = section(model_card(publication, REPO), "How to run it")
    assert f"llama-cli --hf-repo {REPO} --hf-file tiny-r8.q4_k_m.gguf" in text
    assert f'repo = "{REPO}"' in text
    assert "--lora tiny-r8.adapter.gguf" in text


def test_training_says_how_and_what_is_not_known(publication: Publication) -> None:
    text = section(model_card(publication, REPO), "Training")
    assert "| base | `smollm2-135m` of Tradeoff's registry, Q4_1 |" in text
    assert "| rank, alpha, dropout | 8, 16, 0 |" in text
    assert "| learning rate | 0.0002, linear, 5 warm-up steps |" in text
    assert "| tokens in the training data | 4,000 |" in text
    assert "| time | 61 s |" in text
    assert "| peak GPU memory, GiB | not recorded |" in text


def test_data_is_listed_with_counts_and_licences(publication: Publication) -> None:
    text = section(model_card(publication, REPO), "Data")
    row = "| finetome (mlabonne/FineTome-100k) | hub | `c2343c1372ff` | not stated | 100 | 80 | 3,500 |"
    assert row in text
    assert "| pairs\\|own | file | not recorded | CC0-1.0 | 12 | 10 | not recorded |" in text
    assert "train rows 90, train tokens 4,000" in text
    assert "the questions of the suites core" in text


def test_why_rows_were_dropped_is_on_the_card(publication: Publication) -> None:
    counts = {"read": 1100, "dropped": {"too long": 1000, "not JSON": 1}, "train": 99}
    card = {"sources": [{"name": "chats", "counts": counts, "changed": {"names of speakers left out": 3}}]}
    text = section(model_card(replace(publication, data_card=card), REPO), "Data")
    assert "chats: dropped: 1,000 too long, 1 not JSON; kept, but: 3 names of speakers left out." in text
    bare = replace(publication, data_card={"sources": [{"name": "x", "counts": {"dropped": 3}, "changed": []}]})
    assert "dropped" not in section(model_card(bare, REPO), "Data")


@pytest.mark.parametrize("card", [{}, {"sources": []}, {"sources": "none"}, {"sources": [None], "counts": None}])
def test_a_data_card_that_tells_nothing_is_said_to(publication: Publication, card: dict[str, Any]) -> None:
    assert "The data card is not recorded." in model_card(replace(publication, data_card=card), REPO)


def test_a_data_card_that_tells_little_is_shown(publication: Publication) -> None:
    little = replace(publication, data_card={"sources": [{"name": "x"}, *CARD["sources"]]})
    assert "| x | " + "not recorded | " * 5 + "not recorded |" in model_card(little, REPO)


def test_the_loss_has_its_first_and_last_values(publication: Publication) -> None:
    text = section(model_card(publication, REPO), "Loss")
    assert "| training | 2.5 at step 1 | 1.5 at step 3 |" in text
    assert "| validation | 2.25 at step 2 | 2.25 at step 2 |" in text
    assert "![Loss by step](loss.png)" in text
    assert "loss.png" not in model_card(replace(publication, has_loss_plot=False), REPO)
    assert "The loss is not recorded." in model_card(replace(publication, metrics=()), REPO)


def test_parity_lists_the_checks_of_the_published_files(publication: Publication, cache: Path) -> None:
    text = section(model_card(publication, REPO), "Parity")
    assert "| mean KL | tiny-r8.q4_k_m.gguf | 0.0123 | at most 0.15 | passed |" in text
    assert "| perplexity | tiny-r8.f16.gguf | 12.35 | – | reported |" in text
    alone = publication_of(publication.run.path, kinds=["f16"])
    assert "q4_k_m" not in model_card(alone, REPO)


def test_without_a_benchmark_the_card_says_so(publication: Publication) -> None:
    assert "speed and quality on tasks are not known" in section(model_card(publication, REPO), "Benchmark")


def test_a_benchmark_of_these_files_is_shown(publication: Publication, tmp_path: Path) -> None:
    sha256 = publication.models[0].sha256
    benchmark = read_benchmark(benchmark_run(tmp_path / "cpu-1", publication, sha256), publication)
    assert benchmark.models == {"tiny-r8.f16.gguf": "tiny"}
    text = section(model_card(publication, REPO, benchmark), "Benchmark")
    assert "Run `cpu-1` on Xeon, 2 threads, suites core; `tiny` is `tiny-r8.f16.gguf`." in text
    assert "1/2 = 50%" in text
    assert "25.0" in text
    assert "not finished" not in text


def test_an_unfinished_benchmark_is_called_that(publication: Publication) -> None:
    benchmark = Benchmark(run_id="x", machine="y", finished=False, suites=("core",), models={"a": "b"}, table="t")
    assert "The run was not finished." in model_card(publication, REPO, benchmark)


def test_a_benchmark_of_other_files_is_refused(publication: Publication, tmp_path: Path) -> None:
    directory = benchmark_run(tmp_path / "cpu-1", publication, "f" * 64)
    with pytest.raises(TradeoffError, match=r"measured none of these files .*, but tiny"):
        read_benchmark(directory, publication)
    with pytest.raises(TradeoffError, match="is this a run's directory"):
        read_benchmark(tmp_path, publication)


def test_a_base_without_some_layers_is_described_as_such(publication: Publication) -> None:
    origin = replace(publication.origin, dropped_layers=(4, 17))
    card = model_card(replace(publication, origin=origin), REPO)
    assert (
        "[SmolLM2-135M-Instruct](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct) without layers 4, 17"
        in card
    )
    assert "Changed: layers were removed, " in card


def test_front_matter_survives_strange_texts(publication: Publication) -> None:
    origin = replace(publication.origin, repository="no", terms=replace(publication.origin.terms, id="null"))
    fields = front(model_card(replace(publication, origin=origin), REPO))
    assert (fields["base_model"], fields["license"]) == ("no", "null")


def test_the_size_comes_from_the_name_or_the_weights(publication: Publication, cache: Path, tmp_path: Path) -> None:
    assert publication.size == "135M"
    base = {"source": "path", "name": "models/own"}
    own = publication_of(finished_run(tmp_path / "other", base=base).path, licence="mit")
    assert own.size == "1M"
