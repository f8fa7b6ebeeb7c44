import json
from pathlib import Path

import pytest

from data.suites.prompts import load_suite
from training.config import (
    ALL_LINEAR,
    CONFIGS_DIR,
    ConfigError,
    TrainingError,
    from_dict,
    load_config,
    to_dict,
)
from training.run_directory import differences, fingerprint

CONFIGS = sorted(CONFIGS_DIR.glob("*.toml"))
REPORT = ("llama-3.2-1b-r8", "llama-3.2-1b-r16", "llama-3.2-3b-r8", "llama-3.2-3b-r16")
TINY = CONFIGS_DIR / "tiny.toml"


def refusal(*changes: str, path: Path = TINY) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, changes)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The tiny configuration with a line replaced."""
    text = TINY.read_text()
    assert old in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_loads_and_starts_with_its_command(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith(f"# python -m training.sft training/configs/{path.name}")
    assert second.startswith("# ")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_survives_json(path: Path) -> None:
    config = load_config(path)
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("name", REPORT)
def test_what_the_report_states_is_in_its_configurations(name: str) -> None:
    config = load_config(CONFIGS_DIR / f"{name}.toml")
    size, rank = name.split("-")[2], int(name.rpartition("r")[2])
    assert (config.base.source, config.base.name) == ("hub", f"unsloth/Llama-3.2-{size.upper()}-Instruct")
    assert config.base.load_in_4bit
    assert (config.lora.rank, config.lora.alpha) == (rank, 2 * rank)
    assert (config.lora.dropout, config.lora.bias, config.lora.target_modules) == (0, "none", ALL_LINEAR)
    training = config.training
    assert (training.max_length, training.seed, training.gradient_checkpointing) == (1024, 3407, "unsloth")
    assert [source.name for source in config.data.sources.values()] == ["mlabonne/FineTome-100k"]
    assert config.data.template == "llama-3.1"
    assert config.export.quantizations == ("q4_k_m",)
    report = load_suite("report").prompts
    assert list(training.sample_prompts) == [prompt.messages[-1].content for prompt in report]


@pytest.mark.parametrize("name", REPORT)
def test_what_the_report_does_not_state_is_the_notebooks_default_and_marked(name: str) -> None:
    path = CONFIGS_DIR / f"{name}.toml"
    training = load_config(path).training
    assert (training.learning_rate, training.effective_batch, training.epochs) == (2e-4, 8, 1)
    assert (training.scheduler, training.optimizer, training.max_steps) == ("linear", "adamw_8bit", 0)
    for key in ("learning_rate", "effective_batch", "epochs", "scheduler", "optimizer"):
        line = next(line for line in path.read_text().splitlines() if line.startswith(f"{key} = "))
        assert "# not stated" in line


def test_the_reports_four_differ_in_base_and_adapter_alone() -> None:
    first, *others = (to_dict(load_config(CONFIGS_DIR / f"{name}.toml")) for name in REPORT)
    for other in others:
        keys = {line.partition(":")[0] for line in differences(first, other)}
        assert keys <= {"name", "base.name", "lora.rank", "lora.alpha"}


@pytest.mark.parametrize("path", sorted(CONFIGS_DIR.glob("qwen2.5-coder-*.toml")), ids=lambda path: path.stem)
def test_the_real_pairs_configurations_differ_in_base_adapter_and_whose_replay_it_is(path: Path) -> None:
    first, other = (to_dict(load_config(each)) for each in (CONFIGS_DIR / "qwen2.5-coder-0.5b-r8.toml", path))
    keys = {line.partition(":")[0] for line in differences(first, other)}
    assert keys <= {
        "name",
        "base.name",
        "lora.rank",
        "lora.alpha",
        "data.sources.gsm8k.name",
        "data.sources.replay.name",
        "data.sources.demands.name",
        "training.learning_rate",
    }
    config = load_config(path)
    assert config.base.name == config.data.sources["replay"].name == path.stem.rpartition("-")[0]
    assert config.lora.alpha == 2 * config.lora.rank == 2 * int(path.stem.rpartition("r")[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.learning_rat=1", "unknown key 'training.learning_rat'; known keys: max_length, learning_rate, "),
        ("training.learning_rat=1", "; did you mean 'learning_rate'?"),
        ("lorax.rank=1", "unknown key 'lorax'; known keys: name, base, lora, training, data, export; did you mean"),
        ("training.optimizer=sgd", "training.optimizer is 'sgd'; known: adamw_8bit, adamw_torch, adamw_torch_fused"),
        ("base.source=disk", "base.source is 'disk'; known: hub, registry, path"),
        ("data.sources.rows.kind=csv", "data.sources.rows.kind is 'csv'; known: hub, file, reasoning_gym, replay"),
        ("lora.rank=eight", "lora.rank is 'eight'; expected a whole number"),
        ("lora.rank=8.5", "lora.rank is 8.5; expected a whole number"),
        ("lora.rank=true", "lora.rank is True; expected a whole number"),
        ("lora.rank=0", "lora.rank is 0; the least is 1"),
        ("lora.rank=", "lora.rank is ''; expected a whole number"),
        ("training.learning_rate=inf", "training.learning_rate is inf; expected a finite number"),
        ("training.learning_rate=2", "training.learning_rate is 2.0; it must lie between 0 and 1"),
        ("training.warmup_steps=-1", "training.warmup_steps is -1; the least is 0"),
        ("training.micro_batch=3", "training.effective_batch is 4, which micro_batch 3 does not divide"),
        ("base.load_in_4bit=1", "base.load_in_4bit is 1; expected true or false"),
        ("name=Über", "name is 'Über'; use a-z 0-9 . _ -"),
        ("name=../x", "name is '../x'; use a-z"),
        ("name=7", "name is 7; expected a text"),
        ("training.sample_prompts=Hi", "training.sample_prompts is 'Hi'; expected a list"),
        ('lora.target_modules=["q_proj", "lm_head"]', "lora.target_modules has 'lm_head'; known: q_proj, "),
        ("lora.target_modules=[]", "lora.target_modules is empty"),
        ("lora.dropout=1", "lora.dropout is 1.0; it must lie in [0, 1)"),
        ('export.quantizations=["q9"]', "export.quantizations has 'q9'; known: "),
        ("training=fast", "training is 'fast'; expected a table"),
        ("data.sources.rows.replace=[['a']]", "data.sources.rows.replace has ['a']; expected 2 values"),
        ("data.sources.rows.replace=[['(', '']]", "data.sources.rows.replace has ['(', '']: missing ), unterminated"),
        ("data.sources.rows.replace=[['a', '\\1']]", "data.sources.rows.replace has ['a', '\\\\1']: invalid group"),
        ("data.sources.rows.prompt_column=q", "data.sources.rows: prompt_column and answer_column go together"),
        ("data.sources.rows.weight=-1", "data.sources: give every source a weight above 0, or none of them"),
        ("data.sources.more.kind=hub", "data.sources.more: kind 'hub' needs 'name'"),
        (
            "data.sources.more.kind=replay",
            "data.sources.more: kind 'replay' needs 'prompts', 'self_prompts' or 'demands'",
        ),
        ("data.sources.more.path=x", "missing data.sources.more.kind"),
        ("lora.rank", "--set 'lora.rank': write key=value, such as training.learning_rate=1e-4"),
        ("=1", "--set '=1': write key=value"),
        ("lora.rank.x=1", "--set 'lora.rank.x=1': 'rank' is not a table"),
    ],
)
def test_a_key_or_value_that_cannot_be_used_is_named_with_the_known_ones(change: str, message: str) -> None:
    assert message in refusal(change)


def test_one_path_cannot_replace_several_sources() -> None:
    changes = ("data.sources.more.kind=file", "data.sources.more.path=x", "data.path=y")
    assert "data.path replaces the only source, there are rows, more; set data.sources.NAME.path" in refusal(*changes)


def test_nothing_to_train_is_said() -> None:
    assert "nothing would be trained" in refusal("training.max_steps=0", "training.epochs=0")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("training.learning_rate=1e-4", 1e-4),
        ("training.epochs=2", 2.0),
        ("training.scheduler=cosine", "cosine"),
        ('training.scheduler="cosine"', "cosine"),
        (" training.sample_prompts = ['a', 'b=c']", ("a", "b=c")),
        ("base.name=a b=c", "a b=c"),
    ],
)
def test_set_changes_one_key_and_reads_toml_or_plain_text(change: str, expected: object) -> None:
    config = load_config(TINY, [change])
    table, key = change.partition("=")[0].strip().split(".")
    assert getattr(getattr(config, table), key) == expected


def test_a_later_change_wins() -> None:
    assert load_config(TINY, ["lora.rank=2", "lora.rank=3"]).lora.rank == 3


def test_a_required_key_that_is_missing_is_named(tmp_path: Path) -> None:
    assert refusal(path=changed(tmp_path, "rank = 4\nalpha = 8\n", "")) == "missing lora.rank, lora.alpha"


def test_a_file_that_is_no_configuration_is_one_line(tmp_path: Path) -> None:
    broken = changed(tmp_path, "rank = 4", "rank 4")
    assert "not TOML" in refusal(path=broken)
    assert "line " in refusal(path=broken)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in refusal(path=tmp_path / "binary.toml")
    assert "cannot be read (Is a directory)" in refusal(path=tmp_path)
    missing = refusal(path=tmp_path / "none.toml")
    assert "cannot be read (No such file or directory); shipped in training/configs: " in missing
    assert "llama-3.2-1b-r8" in missing


def test_differences_name_the_key_and_both_values() -> None:
    old, new = (to_dict(load_config(TINY, changes)) for changes in ([], ["lora.rank=2", "base.revision=abc"]))
    assert differences(old, new) == ["base.revision: '' -> 'abc'", "lora.rank: 4 -> 2"]
    assert differences({"a": 1}, {}) == ["a: 1 -> None"]


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})


def test_config_errors_are_training_errors() -> None:
    assert issubclass(ConfigError, TrainingError)
