"""Build llama.cpp's shared libraries for AVX2, AVX-512 and AMX, and a wheel of the bindings without any.

    python scripts/build_llama.py [--variants avx2,avx512,amx] [--llama-bench] [--cuda] [--source DIR]

The variants share every library but libggml-cpu, the only one compiled for the CPU's features, so that each after the
first costs half a minute. The wheel holds no libraries: which one runs is chosen at start (data/llama_library.py).
`--llama-bench` also builds llama.cpp's own tools, which ours are held against: about five minutes on two cores.
`--cuda` builds a fourth for one machine's GPU, which needs nvcc and is only used when LLAMA_CPP_LIB_PATH names it.
Of the source, the chat templates and the converters are kept beside the libraries.
Standard library only; needs cmake, a C++ compiler and make. What is already built is kept.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.llama_library import CUDA_FLAGS, LLAMA_CPP_PYTHON_VERSION, VARIANTS, builds_dir, source_dir

TOOLS = ("llama-bench", "llama-batched-bench", "llama-perplexity")
KEPT = ("LICENSE", "models/templates", "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "conversion", "gguf-py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default=",".join(VARIANTS), help="comma-separated; default: all")
    parser.add_argument("--llama-bench", action="store_true", help=f"also build {', '.join(TOOLS)}")
    parser.add_argument("--cuda", action="store_true", help="only the libraries for this machine's GPU")
    parser.add_argument("--source", type=Path, metavar="DIR", help="llama.cpp's source of this version, unpacked")
    arguments = parser.parse_args()
    if arguments.cuda:
        return build_cuda(arguments.source)
    variants = arguments.variants.split(",")
    if unknown := set(variants) - set(VARIANTS):
        parser.error(f"unknown variant {sorted(unknown)[0]!r}; known: {', '.join(VARIANTS)}")
    root = builds_dir()
    todo = [name for name in variants if not (root / name / "build.json").exists()]
    tools_todo = [name for name in variants if arguments.llama_bench and not (root / name / TOOLS[-1]).exists()]
    have_wheel = any((root / "wheels").glob("llama_cpp_python-*.whl"))
    if not todo and not tools_todo and have_wheel:
        return 0 if source_dir().exists() else fetch_source()
    for tool in ("cmake", "c++", "make"):
        if shutil.which(tool) is None:
            print(f"build_llama: {tool} not found; on Debian: apt-get install g++ cmake make", file=sys.stderr)
            return 1
    root.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tradeoff-llama-") as scratch:
        source = download_source(Path(scratch))
        keep_source(source / "vendor" / "llama.cpp")
        if not have_wheel:
            build_wheel(source, root / "wheels")
        for name in sorted({*todo, *tools_todo}):  # in any order: they share one build tree
            flags = VARIANTS[name][0]
            build_variant(
                source / "vendor" / "llama.cpp", Path(scratch) / "build", name, flags, tools=name in tools_todo
            )
    say(f"llama.cpp ready in {time.monotonic() - started:.0f} s: {root}")
    return 0


def build_cuda(source: Path | None) -> int:
    if shutil.which("nvcc") is None:
        print("build_llama: nvcc not found; --cuda needs NVIDIA's CUDA toolkit", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="tradeoff-llama-") as scratch:
        source = source or download_source(Path(scratch)) / "vendor" / "llama.cpp"
        build_variant(source, Path(scratch) / "build", "cuda", CUDA_FLAGS)
    say(f"set LLAMA_CPP_LIB_PATH={builds_dir() / 'cuda'} to use it")
    return 0


def say(message: str) -> None:
    print(f"build_llama: {message}", flush=True)


def run(command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
    """Run quietly; on failure print the end of the log and raise SystemExit."""
    with log.open("ab") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=env)
    if result.returncode:
        print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
        raise SystemExit(f"build_llama: failed: {' '.join(command)}")


def download_source(scratch: Path) -> Path:
    say(f"downloading llama-cpp-python {LLAMA_CPP_PYTHON_VERSION} (77 MB)")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
    run([*pip, f"llama-cpp-python=={LLAMA_CPP_PYTHON_VERSION}", "-d", str(scratch)], scratch / "log")
    with tarfile.open(next(scratch.glob("llama_cpp_python-*.tar.gz"))) as archive:
        # Debian 12's Python 3.11.2 knows no filters yet; set so, an unknown one is no error.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(scratch)
    return next(path for path in scratch.glob("llama_cpp_python-*") if path.is_dir())


def fetch_source() -> int:
    """Libraries that were built before the source was kept are used as they are; without a network, without it."""
    with tempfile.TemporaryDirectory(prefix="tradeoff-llama-") as scratch:
        try:
            keep_source(download_source(Path(scratch)) / "vendor" / "llama.cpp")
        except SystemExit as error:
            say(f"{error}; the app works without llama.cpp's templates and converters, which were not kept")
    return 0


def keep_source(source: Path) -> None:
    """Copy the templates and the converters beside the libraries, all or nothing."""
    target = source_dir()
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".source-", dir=target.parent) as scratch:
        for name in KEPT:
            copy = Path(scratch) / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (source / name).is_dir() else shutil.copy2)(source / name, copy)
        (Path(scratch) / "source").rename(target)


def build_wheel(source: Path, wheels: Path) -> None:
    # --no-cache-dir: pip's cache ignores CMAKE_ARGS, and would hand this library-less wheel to other projects.
    say("packing the Python bindings")
    env = os.environ | {"CMAKE_ARGS": "-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF"}
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-cache-dir", "--no-deps"]
    run([*pip, str(source), "-w", str(wheels)], source.parent / "log", env)


def build_variant(source: Path, build: Path, name: str, flags: dict[str, str], *, tools: bool = False) -> None:
    jobs = str(len(os.sched_getaffinity(0)))
    every_flag = {flag for variant_flags, _ in VARIANTS.values() for flag in variant_flags}
    definitions = [f"-D{flag}={flags.get(flag, 'OFF')}" for flag in sorted(every_flag | flags.keys())]
    definitions += [f"-DLLAMA_BUILD_{part}={'ON' if tools else 'OFF'}" for part in ("COMMON", "TOOLS")]
    say(f"compiling the {name} libraries with {jobs} jobs" + (" and the tools" if tools else ""))
    # With SOURCE_DATE_EPOCH set and native builds off, llama.cpp's CMake drops even AVX2.
    env = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    env["CPATH"] = str(Path(__file__).resolve().parent)  # where tile_config.h is
    log = build.with_name("log")
    run(["cmake", "-S", str(source), "-B", str(build), *definitions], log, env)
    targets = ["llama", "ggml-cpu", *(["ggml-cuda"] if "GGML_CUDA" in flags else ()), *(TOOLS if tools else ())]
    command = ["cmake", "--build", str(build), "-j", jobs, "--target", *targets]
    compile_with_progress(command, log, env)
    install(build / "bin", builds_dir() / name, flags, tools=tools)


def compile_with_progress(command: list[str], log: Path, env: dict[str, str]) -> None:
    with (
        log.open("a") as out,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, env=env, text=True, errors="replace") as process,
    ):
        shown = -1
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            if line.startswith("[") and (percent := int(line[1:4])) >= shown + 10:
                shown = percent
                say(f"  {percent} %")
    if process.returncode:
        print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
        raise SystemExit("build_llama: compiling llama.cpp failed; the end of the log is above")


def install(built: Path, target: Path, flags: dict[str, str], *, tools: bool) -> None:
    """Copy the libraries into place, `build.json` last: it marks the folder as complete."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in ("lib*.so*", *(TOOLS if tools else ())):
        for path in built.glob(pattern):
            (target / path.name).unlink(missing_ok=True)
            shutil.copy2(path, target / path.name, follow_symlinks=False)
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    record = {"llama_cpp_python": LLAMA_CPP_PYTHON_VERSION, "compiler": compiler, "cmake_flags": flags}
    (target / "build.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
