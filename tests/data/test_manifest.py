import json
from pathlib import Path

import pytest

from data.manifest import Manifest, ManifestError, read_manifest, write_manifest

MANIFEST = Manifest(
    kind="adapter",
    base="smollm2-135m",
    base_sha256="b1" * 32,
    files={"adapter.safetensors": "a0" * 32},
    created_by="python -m training.sft configs/small.toml",
    rank=8,
    alpha=16.0,
    config={"lr": 2e-4},
)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.json", MANIFEST)
    assert read_manifest(tmp_path / "manifest.json") == MANIFEST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema version 2, this Tradeoff reads up to 1; update it"),
        ({"schema_version": None}, "not a manifest: no schema_version"),
        ({"rnk": 8}, "unknown key 'rnk'; known keys: kind, base,"),
        ({"kind": "model"}, "kind is 'model'; known: adapter, gguf, parity"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "manifest.json"
    write_manifest(path, MANIFEST)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_keys_and_broken_json_are_said(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('{"schema_version": 1, "kind": "gguf"}')
    with pytest.raises(ManifestError, match="missing base, base_sha256, files, created_by"):
        read_manifest(path)
    path.write_text("{")
    with pytest.raises(ManifestError, match="not JSON"):
        read_manifest(path)
