"""Split GGUFs: one model in several files, of which people give any."""

import hashlib
from pathlib import Path

import gguf
import pytest

from data.files import joint_sha256, model_sha256, model_size_bytes, part_names, sha256_of
from data.gguf.header import GGUFError, read_header
from data.gguf.split import read_model
from tests.data.gguf_models import write_model
from tests.gguf_bytes import LLAMA, gguf_bytes, model_bytes, split_model


def refusal(path: Path) -> str:
    with pytest.raises(GGUFError) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("given", range(3))
def test_any_part_stands_for_the_whole_set(tmp_path: Path, given: int) -> None:
    parts = split_model(tmp_path)
    header = read_model(parts[given])
    assert header.name == "Tiny" and [tensor.name for tensor in header.tensors] == ["w0", "w1", "w2"]
    assert header.file_size == model_size_bytes(parts[given]) == sum(part.stat().st_size for part in parts)
    assert header.tensor_elements == 30_000


def test_a_set_written_by_the_gguf_package_is_read(tmp_path: Path) -> None:
    whole = read_header(write_model(tmp_path / "whole.gguf"))
    writer = gguf.GGUFWriter(tmp_path / "parts.gguf", "llama", split_max_tensors=4)
    for tensor in gguf.GGUFReader(tmp_path / "whole.gguf").tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_model(tmp_path / "parts-00002-of-00003.gguf")
    assert [tensor.name for tensor in header.tensors] == [tensor.name for tensor in whole.tensors]


def test_missing_parts_are_named(tmp_path: Path) -> None:
    parts = split_model(tmp_path, count=7)
    parts[1].unlink()
    assert refusal(parts[6]) == ("1 of 7 parts are missing: tiny-00002-of-00007.gguf; put them beside the others")
    for part in parts[:6]:
        part.unlink(missing_ok=True)
    assert "6 of 7 parts are missing: tiny-00001-of-00007.gguf, " in refusal(parts[6])
    assert "and 2 more; put" in refusal(parts[6])


def test_parts_of_two_sets_are_not_mixed(tmp_path: Path) -> None:
    parts = split_model(tmp_path)
    (tmp_path / "other").mkdir()
    others = split_model(tmp_path / "other", says={"split.tensors.count": 9})
    parts[1].write_bytes(others[1].read_bytes())
    assert refusal(parts[0]) == "the parts hold 3 tensors, their headers promise 3 or 9; they are not of one set"
    parts[1].write_bytes(parts[1].read_bytes().replace(b"w1", b"w0").replace(b"\x09\0\0\0", b"\x03\0\0\0", 1))
    assert "two parts hold tensor 'w0'" in refusal(parts[0])


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"split.count": 9}, "named as part 1 of 3, but its header says part 1 of 9"),
        ({"split.count": 1}, "named as part 1 of 3, but its header knows of no parts"),
        ({"split.no": 2}, "named as part 1 of 3, but its header says part 3 of 3"),
        ({"split.no": "first"}, "named as part 1 of 3, but its header says otherwise"),
        ({"split.tensors.count": 2}, "the parts hold 3 tensors, their headers promise 2"),
        ({"split.tensors.count": 2**31}, "the parts hold 3 tensors, their headers promise 2147483648"),
        ({"split.tensors.count": "x" * 5}, "their headers promise xxxxx"),
    ],
)
def test_a_set_whose_headers_lie_is_refused(tmp_path: Path, says: dict, message: str) -> None:
    assert message in refusal(split_model(tmp_path, says=says)[1])


def test_a_part_under_another_name_says_what_its_name_must_be(tmp_path: Path) -> None:
    part = split_model(tmp_path)[1].rename(tmp_path / "model.gguf")
    assert refusal(part).startswith("part 2 of 3 of a split GGUF")
    assert "NAME-00002-of-00003.gguf" in refusal(part)


def test_a_whole_model_named_as_a_part_is_told_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"a-0000{number}-of-00002.gguf").write_bytes(model_bytes())
    assert "its header knows of no parts; give a whole model another name" in refusal(
        tmp_path / "a-00001-of-00002.gguf"
    )


def test_a_set_in_capitals_cannot_be_found_by_llama_cpp(tmp_path: Path) -> None:
    for part in split_model(tmp_path):
        part.rename(part.with_suffix(".GGUF"))
    assert "rename all of them" in refusal(tmp_path / "tiny-00001-of-00003.GGUF")


def test_a_broken_part_is_named(tmp_path: Path) -> None:
    parts = split_model(tmp_path)
    parts[2].write_bytes(parts[2].read_bytes()[:-8])
    assert refusal(parts[0]).startswith("part 3 of 3: truncated: its header promises")
    parts[1].write_bytes(gguf_bytes(LLAMA)[:30])
    assert refusal(parts[0]).startswith("part 2 of 3: 0 tensors and 10 metadata pairs do not fit")


@pytest.mark.parametrize(
    "name", ["a.gguf", "a-00004-of-00003.gguf", "a-00000-of-00003.gguf", "a-00001-of-00001.gguf", "a-1-of-3.gguf", ""]
)
def test_a_name_that_tells_of_no_set_stands_for_itself(name: str) -> None:
    assert part_names(name) == (name,)


def test_the_sum_of_a_set_is_the_sum_of_its_parts_sums(tmp_path: Path, cache: Path) -> None:
    parts = split_model(tmp_path)
    sums = [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
    assert model_sha256(parts[2]) == hashlib.sha256("".join(sums).encode()).hexdigest() == joint_sha256(sums)
    whole = tmp_path / "whole.gguf"
    whole.write_bytes(model_bytes())
    assert model_sha256(whole) == sha256_of(whole)
