from pathlib import Path

import pytest

from data.llama_library import VARIANTS, UnsupportedCPU, choose_variant, cpu_flags, library_dir

AVX2 = VARIANTS["avx2"][1]
AVX512 = VARIANTS["avx512"][1]
AMX = VARIANTS["amx"][1]


def test_the_best_variant_that_the_cpu_runs_is_chosen() -> None:
    assert choose_variant(AMX) == "amx"
    assert choose_variant(AMX - {"amx_int8"}) == "avx512"
    assert choose_variant(AVX512 | AVX2 | {"amx_tile"}) == "avx512"
    assert choose_variant(AVX2) == "avx2"
    assert choose_variant((AVX512 | AVX2) - {"avx512_vnni"}) == "avx2"


def test_below_avx2_one_line_says_what_is_missing() -> None:
    with pytest.raises(UnsupportedCPU, match="lacks avx2 fma; Tradeoff needs") as caught:
        choose_variant(AVX2 - {"avx2", "fma"})
    assert "\n" not in str(caught.value)


def test_no_variant_is_built_for_the_building_machine() -> None:
    assert {flags["GGML_NATIVE"] for flags, _ in VARIANTS.values()} == {"OFF"}


def test_flags_are_read_as_linux_prints_them(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 fma\nbugs\t:\n")
    assert cpu_flags(tmp_path / "cpuinfo") == {"fpu", "avx2", "fma"}


def test_a_library_that_is_not_built_or_not_known_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMA_CPP_LIB_PATH", raising=False)
    monkeypatch.setenv("TRADEOFF_LLAMA_VARIANT", "avx2")
    with pytest.raises(UnsupportedCPU, match="not built; run `make setup`"):
        library_dir()
    monkeypatch.setenv("TRADEOFF_LLAMA_VARIANT", "sse")
    with pytest.raises(UnsupportedCPU, match="unknown variant 'sse'; known: amx, avx512, avx2"):
        library_dir()
