"""Which build of llama.cpp's shared libraries this CPU runs, and where it lies.

`scripts/build_llama.py` builds three variants: AVX2, AVX-512, and AVX-512 with AMX's integer matrices, which modern
Xeons have and which read prompts up to four times as fast (docs/log.md). The libraries are swapped at run time through
`LLAMA_CPP_LIB_PATH`, which llama-cpp-python reads at import.

Standard library only: the build script and the Dockerfile import it before anything is installed.
"""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from data.errors import TradeoffError
from data.paths import cache_dir
from data.settings import LLAMA_VARIANT

LLAMA_CPP_PYTHON_VERSION = "0.3.36"

_COMMON_FLAGS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "ON",
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
    "CMAKE_INSTALL_RPATH": "$ORIGIN",
    "GGML_NATIVE": "OFF",
    "GGML_AVX": "ON",
    "GGML_AVX2": "ON",
    "GGML_FMA": "ON",
    "GGML_F16C": "ON",
    "GGML_BMI2": "ON",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_SERVER": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_CURL": "OFF",
    "CMAKE_CXX_FLAGS": "-include tile_config.h",
}
_AVX512_FLAGS = {
    "GGML_AVX512": "ON",
    "GGML_AVX512_VNNI": "ON",
    "GGML_AVX512_VBMI": "ON",
    "GGML_AVX512_BF16": "ON",
}
_AMX_FLAGS = {"GGML_AMX_TILE": "ON", "GGML_AMX_INT8": "ON"}
_AVX2 = frozenset("avx avx2 fma f16c bmi2".split())
_AVX512 = _AVX2 | frozenset("avx512f avx512bw avx512dq avx512vl avx512cd avx512_vnni avx512vbmi avx512_bf16".split())

# Best first. The values of `needs` are the names that Linux prints in /proc/cpuinfo.
VARIANTS: dict[str, tuple[dict[str, str], frozenset[str]]] = {
    "amx": (_COMMON_FLAGS | _AVX512_FLAGS | _AMX_FLAGS, _AVX512 | {"amx_tile", "amx_int8"}),
    "avx512": (_COMMON_FLAGS | _AVX512_FLAGS, _AVX512),
    "avx2": (_COMMON_FLAGS, _AVX2),
}

CUDA_FLAGS = VARIANTS["avx512"][0] | {
    "GGML_CUDA": "ON",
    "GGML_CUDA_NCCL": "OFF",
    "CMAKE_CUDA_ARCHITECTURES": "native",
    # Where the compiler links its own C++ library in, that one's names stay inside: two of them met, and crashed.
    "CMAKE_SHARED_LINKER_FLAGS": "-Wl,--exclude-libs,ALL",
}
"""For many answers on a GPU, where only their quality counts; never chosen by itself."""


class UnsupportedCPU(TradeoffError):
    """The CPU is below AVX2, or no library was built for it."""


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Feature flags of the first CPU, as Linux names them."""
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def choose_variant(flags: Collection[str]) -> str:
    """Name of the best variant that a CPU with these flags can run.

    Raises:
        UnsupportedCPU: Not even AVX2 is there; the message names what is missing.
    """
    for name, (_, needs) in VARIANTS.items():
        if needs <= set(flags):
            return name
    missing = " ".join(sorted(VARIANTS["avx2"][1] - set(flags)))
    raise UnsupportedCPU(f"this CPU lacks {missing}; Tradeoff needs an x86-64 CPU with AVX2 (2013 or later)")


def builds_dir() -> Path:
    """Directory of this recipe's builds; its name changes with the version and the flags."""
    recipe = repr(sorted((name, sorted(flags.items())) for name, (flags, _) in VARIANTS.items()))
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    return cache_dir() / "llama.cpp" / f"{LLAMA_CPP_PYTHON_VERSION}-{digest}"


def source_dir() -> Path:
    """What is kept of llama.cpp's source: chat templates (`models/templates`), converters and `gguf-py`."""
    return builds_dir() / "source"


def library_dir() -> Path:
    """Directory of the shared libraries for this CPU.

    `LLAMA_CPP_LIB_PATH` wins when set; `TRADEOFF_LLAMA_VARIANT` (avx2, avx512, amx) overrides the choice by CPU flags.

    Raises:
        UnsupportedCPU: The CPU is below AVX2, the named variant is unknown, or the libraries are not built.
    """
    if override := os.environ.get("LLAMA_CPP_LIB_PATH"):
        return Path(override)
    variant = LLAMA_VARIANT.read() or choose_variant(cpu_flags())
    if variant not in VARIANTS:
        raise UnsupportedCPU(f"TRADEOFF_LLAMA_VARIANT: unknown variant {variant!r}; known: {', '.join(VARIANTS)}")
    path = builds_dir() / variant
    if not (path / "libllama.so").exists():
        raise UnsupportedCPU(f"llama.cpp's {variant} library is not built; run `make setup`")
    return path


def use_library() -> Path:
    """Point llama-cpp-python at the right libraries; call before the first `import llama_cpp`."""
    path = library_dir()
    os.environ["LLAMA_CPP_LIB_PATH"] = str(path)
    return path
