"""Files that llama.cpp gets: sets of parts, and those that it cannot load, with its own reason."""

import queue
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gguf
import pytest

from benchmarks.engine.contract import Engine, EngineError, Finished, LoadOptions, Request, Sampling
from benchmarks.engine.worker import Worker
from data.files import model_files
from data.gguf.header import read_header
from data.gguf.quantize import quantize
from data.gguf.types import PRE_TOKENIZERS, TOKENIZERS
from data.gguf.write import copied_metadata, copied_tensor, text, write_gguf
from data.message import Message
from tests.data.gguf_models import write_model
from tests.gguf_bytes import gguf_bytes, word_tokenizer

pytestmark = pytest.mark.slow
OPTIONS = LoadOptions(sequences=1, context_tokens=256, threads=2)
REQUEST = Request(prompt_tokens=(1, 2, 3), sampling=Sampling(max_tokens=8, temperature=0, ignore_eos=True), cold=True)


def open_engine(path: Path) -> Engine:
    from benchmarks.engine.native.engine import LlamaEngine

    return LlamaEngine(path, OPTIONS)


def refusal(path: Path) -> str:
    with pytest.raises(EngineError) as caught:
        open_engine(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def reply(path: Path) -> str:
    engine = open_engine(path)
    try:
        engine.submit(REQUEST)
        ends = [event for event in iter_events(engine) if isinstance(event, Finished)]
        return ends[0].text
    finally:
        engine.close()


def iter_events(engine: Engine) -> Iterator[object]:
    while engine.busy:
        yield from engine.step(1)


@pytest.fixture(scope="module")
def parts(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A model in parts, as the gguf package splits it."""
    path = tmp_path_factory.mktemp("parts") / "tiny.gguf"
    copy_model(tiny_model, path, split_max_tensors=8)
    return model_files(path.with_name("tiny-00001-of-00003.gguf"))


def copy_model(source: Path, target: Path, *, without: str = "", split_max_tensors: int = 0) -> None:
    """Write a model anew with the gguf package."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama", split_max_tensors=split_max_tensors)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=element)
    for tensor in reader.tensors:
        if tensor.name != without:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_set_writes_what_the_whole_model_writes(parts: list[Path], tiny_model: Path) -> None:
    whole = reply(tiny_model)
    assert whole and reply(parts[0]) == whole == reply(parts[2])


def test_a_set_is_quantized_into_one_file(parts: list[Path], tiny_model: Path, tmp_path: Path) -> None:
    quantize(parts[0], tmp_path / "one.gguf", "q8_0")
    quantize(tiny_model, tmp_path / "whole.gguf", "q8_0")
    one, whole = (read_header(tmp_path / name) for name in ("one.gguf", "whole.gguf"))
    assert one.tensor_bytes == whole.tensor_bytes and one.metadata.get("split.count", 0) in (0, 1)
    assert reply(tmp_path / "one.gguf") == reply(tmp_path / "whole.gguf")


def test_a_missing_tensor_is_named_as_llama_cpp_names_it(tiny_model: Path, tmp_path: Path) -> None:
    copy_model(tiny_model, tmp_path / "holes.gguf", without="blk.1.attn_q.weight")
    message = refusal(tmp_path / "holes.gguf")
    assert message == "holes.gguf: llama.cpp cannot load this file: tensor 'blk.1.attn_q.weight' not found"


def test_a_missing_key_is_named_as_llama_cpp_names_it(tmp_path: Path) -> None:
    message = refusal(write_model(tmp_path / "holes.gguf"))
    assert message.startswith("holes.gguf: llama.cpp cannot load this file: ") and "failed to load model" not in message
    assert "key not found in model: llama." in message


def test_an_unknown_architecture_is_named_as_llama_cpp_names_it(tmp_path: Path) -> None:
    message = refusal(write_model(tmp_path / "new.gguf", arch="next-year"))
    assert message == "new.gguf: llama.cpp cannot load this file: unknown model architecture: 'next-year'"


def test_a_file_that_writes_no_text_is_not_loaded(tmp_path: Path) -> None:
    assert "reads text and writes none" in refusal(write_model(tmp_path / "bert.gguf", arch="bert"))


def test_llama_cpp_knows_every_tokenizer_of_the_tables_and_no_others(tmp_path: Path) -> None:
    from benchmarks.engine.native import weights as binding

    params = binding.c.llama_model_default_params()
    params.vocab_only = True
    metadata = dict(read_header(word_tokenizer(tmp_path / "words.gguf"), keep=("tokenizer.ggml.tokens",)).metadata)

    def loads(**changes: str) -> bool:
        path = tmp_path / "vocabulary.gguf"
        path.write_bytes(gguf_bytes(metadata | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}))
        binding.forget_errors()
        model = binding.c.llama_model_load_from_file(str(path).encode(), params)
        if model:
            binding.c.llama_model_free(model)
        return "unknown" not in binding.why()

    assert [name for name in sorted(PRE_TOKENIZERS) if not loads(pre=name)] == []
    assert [name for name in sorted(TOKENIZERS - {"plamo2"}) if not loads(model=name, pre="llama-bpe")] == []
    assert not loads(pre="next-year") and not loads(model="next-year")


HOSTILE = {
    "power": "{{ 9**(9**9) }}",
    "parentheses": "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "growth": "{% set n = namespace(x='x' * 999) %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "width": "{{ 'x'|center(10**10) }}",
    "loop": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
}


def test_hostile_templates_cost_a_line_each_and_the_model_beside_them_answers_on(
    tiny_model: Path, tmp_path: Path
) -> None:
    """In one real worker, as the app has it."""
    header, ends = read_header(tiny_model), queue.SimpleQueue[Finished]()
    ask = Request(messages=(Message(role="user", content="hello"),), sampling=Sampling(max_tokens=4))
    with closing(Worker()) as worker:
        worker.load("good", tiny_model, OPTIONS)
        for name, template in HOSTILE.items():
            path = tmp_path / f"{name}.gguf"
            metadata = copied_metadata(tiny_model, header) | {"tokenizer.chat_template": text(template)}
            write_gguf(path, metadata, [copied_tensor(tiny_model, each) for each in header.tensors])
            started = time.monotonic()
            with pytest.raises(EngineError) as caught:
                worker.load(name, path, OPTIONS)
                worker.submit(name, ask, lambda event: None)
            assert "\n" not in str(caught.value) and "template" in str(caught.value), name
            assert time.monotonic() - started < 15 and worker.alive, name
        worker.submit("good", REQUEST, lambda event: ends.put(event) if isinstance(event, Finished) else None)
        assert ends.get(timeout=20).error is None
        assert worker.memory().rss_bytes < 2**30
