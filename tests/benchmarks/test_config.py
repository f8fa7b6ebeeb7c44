import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.config import Config, ConfigError, load_config, original
from benchmarks.graders import check_suite
from data.models.registry import get, load_registry
from data.paths import ROOT
from data.suites.from_hub import HUB_SUITES
from data.suites.prompts import load_suite

SHIPPED = sorted((ROOT / "benchmarks" / "configs").glob("*.toml"))
MINIMAL = 'name = "x"\nmodels = ["a"]\nsuites = ["core"]\n'


def write(directory: Path, text: str) -> Path:
    path = directory / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_every_shipped_config_loads_and_names_what_exists(path: Path) -> None:
    config = load_config(path)
    registry = load_registry()
    models = [model for model in map(original, config.models) if not model.endswith(".gguf")]
    assert [get(registry, model).id for model in models] == models
    for suite in set(config.suites) - set(HUB_SUITES) - {"gsm8k:gsm8k-test-half.jsonl"}:  # others' rows
        check_suite(load_suite(suite))
        assert max(prompt.max_tokens for prompt in load_suite(suite).prompts) < config.context_tokens
    assert path.read_text().startswith(f"# python -m benchmarks.run {path.relative_to(ROOT)}\n")


def test_the_first_benchmark_asks_at_least_24_prompts_of_two_models() -> None:
    config = load_config(ROOT / "benchmarks" / "configs" / "smoke.toml")
    assert config.models == ("smollm2-135m", "smollm2-135m-q8_0")
    assert config.suites == ("core",)
    assert config.limit >= 24
    assert config.warmups >= 2


def test_what_is_left_out_takes_its_default(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, MINIMAL))
    assert config == Config(name="x", models=("a",), suites=("core",))
    assert config.conditions == ("timed-cold",)


def test_every_key_can_be_set_in_the_file(tmp_path: Path) -> None:
    default = Config(name="x", models=("a",), suites=("core",))
    lines = []
    for field in dataclasses.fields(Config):
        value = getattr(default, field.name)
        lines.append(f"{field.name} = {json.dumps(value)}")
    assert load_config(write(tmp_path, "\n".join(lines))) == default


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (MINIMAL + "thread = 2", "unknown key 'thread'; known keys: name, models, suites"),
        (MINIMAL + "thread = 2", "did you mean 'threads'?"),
        ('name = "x"', "missing models, suites"),
        (MINIMAL + 'limit = "4"', "limit is '4'; expected a whole number"),
        (MINIMAL + "limit = true", "limit is True"),
        (MINIMAL + 'limits = ["core"]', "limits: 'core' is not of the form"),
        (MINIMAL + "limit = -1", "limit is -1; the least is 0"),
        (MINIMAL + "repetitions = 0", "repetitions is 0; the least is 1"),
        (MINIMAL + "temperature = 3.0", "temperature is 3.0"),
        (MINIMAL + "temperature = nan", "temperature is nan"),
        (MINIMAL + 'kinds = "facts"', "kinds is 'facts'; expected a list of texts"),
        (MINIMAL + "depths = [512]", "depths is [512]; they are 0 or more, and need fixed_repetitions"),
        (MINIMAL + 'depths = ["deep"]', "expected a list of whole numbers"),
        (MINIMAL + "fixed_repetitions = 1\ndepths = [4096]", "the fixed shape needs at least 4225"),
        (MINIMAL.replace('["core"]', "[]"), "suites is empty"),
        (MINIMAL + 'conditions = ["hot"]', "conditions: 'hot' cannot be run; known"),
        (MINIMAL + 'engine = "gpu"', "engine: 'gpu' cannot be run; known: llama_cpp, scripted"),
        (MINIMAL + "fixed_repetitions = 1\ncontext_tokens = 512", "the fixed shape needs at least 641"),
        (MINIMAL.replace('["a"]', "[]"), "models is empty"),
        (MINIMAL.replace('["a"]', '["a", "a"]'), "models has 'a' twice"),
        (MINIMAL.replace('"x"', '"../x"'), "it names a directory"),
        ("name =", "not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_starts_with_the_file(tmp_path: Path, text: str, wanted: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        load_config(tmp_path / "none.toml")
