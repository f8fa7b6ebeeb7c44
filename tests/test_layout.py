"""Folders depend on each other in one direction, also inside functions, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.paths import ROOT

PACKAGES = ("data", "benchmarks", "training", "app")
MOST_MODULES, MOST_LINES = 17, 320

# What each folder may import besides itself: other folders, or single modules at the top of a package. A folder's
# neighbours come first, then what lies below. CONTRIBUTING has the same map in words.
LEAVES = {
    f"data/{name}"
    for name in (
        *("errors", "progress", "command", "records", "tables", "files", "paths", "settings", "child"),
        *("llama_library", "manifest", "message", "bounds", "json_schema", "allowance", "events"),
    )
}
DATA = LEAVES | {"data/gguf", "data/hub", "data/models", "data/suites"}
MEASURED = {
    "benchmarks/engine",
    "benchmarks/engine/native",
    "benchmarks/engine/served",
    "benchmarks/graders",
    "benchmarks/runs",
    "benchmarks/config",
}
SHOWN = {f"benchmarks/{name}" for name in ("runs", "statistics", "analysis", "charts", "reports")}
LOGIC = {f"app/{name}" for name in ("replies", "machine", "chat", "api", "arena", "library", "results", "space")}
BENCHMARKS = DATA | MEASURED | SHOWN | {f"benchmarks/{name}" for name in ("measure", "pick", "foreign")}
ALLOWED: Mapping[str, set[str]] = {
    "data": LEAVES,
    "data/gguf": LEAVES,
    "data/hub": LEAVES | {"data/gguf"},
    "data/models": LEAVES | {"data/gguf", "data/hub"},
    "data/suites": LEAVES | {"data/gguf", "data/hub"},
    "benchmarks": BENCHMARKS,
    "benchmarks/engine": DATA | {"benchmarks/engine/native", "benchmarks/engine/served"},
    "benchmarks/engine/native": DATA | {"benchmarks/engine"},
    "benchmarks/engine/served": DATA | {"benchmarks/engine"},
    "benchmarks/graders": DATA,
    "benchmarks/runs": LEAVES,
    "benchmarks/foreign": LEAVES | {"benchmarks/runs"},
    "benchmarks/measure": DATA | MEASURED | {"benchmarks/statistics"},
    "benchmarks/pick": DATA | MEASURED | {f"benchmarks/{name}" for name in ("measure", "statistics", "charts")},
    "benchmarks/statistics": LEAVES | {"benchmarks/runs"},
    "benchmarks/analysis": LEAVES | {"data/models", "benchmarks/runs", "benchmarks/statistics"},
    "benchmarks/charts": LEAVES | {"data/models"} | SHOWN - {"benchmarks/charts", "benchmarks/reports"},
    "benchmarks/reports": LEAVES | {"data/models"} | SHOWN - {"benchmarks/reports"},
    "training": BENCHMARKS
    | {f"training/{name}" for name in ("rows", "fit", "checkpoints", "parity", "card", "config", "run_directory")},
    "training/checkpoints": BENCHMARKS | {"training/config", "training/run_directory"},
    "training/rows": BENCHMARKS | {"training/config", "training/run_directory", "training/checkpoints"},
    "training/fit": BENCHMARKS | {f"training/{name}" for name in ("config", "run_directory", "checkpoints", "rows")},
    "training/parity": BENCHMARKS | {f"training/{name}" for name in ("config", "run_directory", "checkpoints", "rows")},
    "training/card": BENCHMARKS | {"training/config", "training/run_directory"},
    "app": BENCHMARKS | LOGIC | {"app/runtime", "app/results_cache", "app/views"},
    "app/replies": LEAVES,
    "app/machine": BENCHMARKS,
    "app/chat": BENCHMARKS | {"app/machine"},
    "app/api": BENCHMARKS | {"app/machine", "app/chat"},
    "app/arena": BENCHMARKS | {"app/machine", "app/chat"},
    "app/library": BENCHMARKS | {"app/machine", "app/chat"},
    "app/results": BENCHMARKS | {"app/machine", "app/chat"},
    "app/space": DATA,
    "app/views": BENCHMARKS | LOGIC | {"app/runtime", "app/results_cache"},
    "app/app_pages": BENCHMARKS | LOGIC | {"app/runtime", "app/results_cache", "app/views"},
}
HEAVY = {"numpy", "scipy", "pandas", "altair", "llama_cpp", "torch", "transformers", "datasets", "huggingface_hub"}
CONFINED = {
    "llama_cpp": {*(f"benchmarks/engine/native/{name}.py" for name in ("weights", "sampler")), "data/gguf/quantize.py"},
    "unsloth": {"training/fit/unsloth.py"},
}
STREAMLIT = (
    *("app/space/messages.py", "app/app_pages/"),
    "app/views/",
    "app/runtime.py",
    "app/results_cache.py",
    "app/asgi.py",
    "app/streamlit_app",
)
# Loads llama.cpp, which only a worker may do, so its one user imports it where the worker opens it.
LOADED_WHEN_OPENED = {"benchmarks.engine.native.engine"}


@dataclass(frozen=True, kw_only=True)
class Module:
    """One module, and the modules of ours that it imports: at the top, and inside functions."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """Its folder; a module at the top of a package is a room of its own."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return "/".join(parts if len(parts) == 2 else parts[:-1])

    @property
    def is_command(self) -> bool:
        """People start it. Other `main`s, in rooms, are for child processes."""
        has_main = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in self.tree.body)
        return has_main and (
            (self.room.count("/") == 1 and len(self.name.split(".")) == 2) or self.name.endswith(".__main__")
        )


def modules() -> dict[str, Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text()
            found[name] = Module(path=path, name=name, text=text, tree=ast.parse(text))
    return found


MODULES = modules()
COMMANDS = {name for name, module in MODULES.items() if module.is_command}


def imported(node: ast.AST, known: Mapping[str, Module] = MODULES) -> Iterator[str]:
    """Modules of ours that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield from (name for name in (full if full in known else node.module,) if name in known)


def all_imports(module: Module, known: Mapping[str, Module] = MODULES) -> set[str]:
    return {name for node in ast.walk(module.tree) for name in imported(node, known)} - {module.name}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Some circle of imports, or nothing."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := visit(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in graph if (found := visit(name, []))), [])


def test_a_folder_imports_only_what_lies_below_it() -> None:
    wrong = {}
    for name, module in MODULES.items():
        folder = module.room if module.room in ALLOWED else module.room.partition("/")[0]
        rooms = {MODULES[other].room for other in all_imports(module)}
        if above := rooms - {module.room} - ALLOWED[folder]:
            wrong[name] = above
    assert wrong == {}


def test_nothing_imports_a_command() -> None:
    assert {name: found for name, module in MODULES.items() if (found := all_imports(module) & COMMANDS)} == {}


def test_no_module_imports_itself_over_others() -> None:
    assert circle({name: all_imports(module) for name, module in MODULES.items()}) == []


def test_a_circle_that_hides_in_a_function_is_found() -> None:
    texts = {
        "data.one": "import data.two",
        "data.two": "def late():\n    from data.three import x",
        "data.three": "import data.one",
    }
    made = {
        name: Module(path=ROOT / "data/x.py", name=name, text=text, tree=ast.parse(text))
        for name, text in texts.items()
    }
    graph = {name: all_imports(module, made) for name, module in made.items()}
    assert circle(graph) == ["data.one", "data.two", "data.three", "data.one"]


def test_our_own_imports_stand_at_the_top() -> None:
    late = {}
    for name in set(MODULES) - COMMANDS:
        nodes = [
            node for node in ast.walk(MODULES[name].tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        found = {other for function in nodes for node in ast.walk(function) for other in imported(node)}
        if found - LOADED_WHEN_OPENED:
            late[name] = found
    assert late == {}


def test_heavy_libraries_stay_where_they_belong() -> None:
    wrong = []
    for module in MODULES.values():
        path, libraries = str(module.path.relative_to(ROOT)), _libraries(module)
        wrong += [(path, each) for each, homes in CONFINED.items() if each in libraries and path not in homes]
        wrong += [(path, "streamlit")] if "streamlit" in libraries and not path.startswith(STREAMLIT) else []
    assert wrong == []


def _libraries(module: Module) -> set[str]:
    """Top-level names of everything that it imports, also inside functions."""
    found = set()
    for node in ast.walk(module.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        found |= {each.partition(".")[0] for each in names}
    return found


def test_no_folder_and_no_module_is_too_large_to_find_ones_way_in() -> None:
    folders = [module.path.parent for module in MODULES.values()]
    assert {str(each): folders.count(each) for each in folders if folders.count(each) > MOST_MODULES} == {}
    lines = {name: module.text.count("\n") for name, module in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_every_folder_has_its_place_in_the_map() -> None:
    folders = {str(module.path.parent.relative_to(ROOT)) for module in MODULES.values()}
    assert folders == set(ALLOWED)


def fresh(code: str) -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_a_command_is_shown_without_loading_what_works(command: str) -> None:
    code = f"""
import contextlib, sys
from {command} import main
with contextlib.suppress(SystemExit):
    main(["--help"])
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    help_text, _, loaded = fresh(code).strip().rpartition("\n")
    assert help_text.startswith(f"usage: python -m {command.removesuffix('.__main__')}")
    assert loaded == "[]"


def test_data_are_prepared_and_models_trained_where_there_is_no_llama_cpp() -> None:
    code = """
import sys
from pathlib import Path
sys.modules["llama_cpp"] = None
import training.prepare, training.sft, training.fit.trainer, training.fit.backends, training.fit.trl
import training.checkpoints.base_model, training.rows.build, training.rows.sources, training.fit.plan
import training.config
training.config.load_config(Path("training/configs/llama-3.2-1b-r8.toml"))
print("loaded")
"""
    assert fresh(code) == "loaded\n"
