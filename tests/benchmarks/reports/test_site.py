"""The static explorer's files: all figures and samples are in them, and nothing that a model wrote becomes markup."""

import json
import re
from pathlib import Path

import pytest

from app import static
from benchmarks.reports.site import write_site
from benchmarks.runs.write import RunWriter, write_manifest
from tests.benchmarks.test_report import quality
from tests.hub import Account, Hub


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "out"
    write_site([quality()], folder)
    return folder


def content(site: Path, name: str) -> dict:  # type: ignore[type-arg]
    text = (site / "data" / f"{name}.js").read_text().removeprefix(f'tradeoff("{name}", ').removesuffix(");\n")
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.mark.slow
def test_the_index_names_only_files_that_are_there(site: Path) -> None:
    index = content(site, "index")
    names = [name for part in ("prompts", "pairs", "samples") for name, _ in index[part]]
    assert names and all((site / "data" / f"{name}.js").exists() for name in names)
    assert index["prompts"][0][1] == "All prompts"


@pytest.mark.slow
def test_every_sample_and_its_grade_are_there(site: Path) -> None:
    index, run = content(site, "index"), quality()
    tables = [content(site, name) for name, _ in index["samples"]]
    assert sum(len(table["rows"]) for table in tables) == len([row for row in run.rows if row.is_answer])
    assert {"prompt", "result", "answer"} <= set(tables[0]["head"])


def test_every_pair_has_its_verdict_and_flips(site: Path) -> None:
    for name, title in content(site, "index")["pairs"]:
        found = content(site, name)["all suites"]
        assert all(label in found["sentence"] for label in title.split(" against "))
        assert dict(found["facts"])["Prompts graded for both"] != "0"
        assert found["flips"]["head"][:3] == ["Prompt", "Kind", "Only right"]


def test_no_address_of_another_host_is_loaded(site: Path) -> None:
    page = (site / "index.html").read_text()
    addresses = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert addresses == {"vega.js", "site.js", "site.css", "data:,", "#overview", "#two", "#answers", "#evidence"}


def test_the_folder_is_a_static_space_too(site: Path) -> None:
    assert "sdk: static\napp_file: index.html\n" in (site / "README.md").read_text()


def test_a_folder_of_somebody_else_is_left_alone_and_an_earlier_site_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(FileExistsError, match="not a site that this command wrote"):
        write_site([quality()], tmp_path)
    assert (tmp_path / "mine").read_text() == "x"


@pytest.mark.slow
def test_the_command_publishes_a_static_space_and_refuses_one_of_docker(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = quality()
    with RunWriter(tmp_path / "results" / run.id) as writer:
        write_manifest(writer.directory, dict(run.manifest))
        for row in run.rows:
            writer.write(row)
    hub.accounts["hf_good"] = Account(name="alice")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    monkeypatch.setattr(
        "benchmarks.reports.site.site_data", lambda runs: [("index", {})]
    )  # what is in it has its own tests
    options = ["--out", str(tmp_path / "site"), "--results", str(tmp_path / "results"), "--deploy", "alice/results"]
    assert static.main(options) == 0
    space = hub.repos["spaces/alice/results"]
    assert space.sdk == "static" and {"index.html", "site.js", "data/index.js"} <= set(space.files)
    space.sdk = "docker"
    assert static.main(options) == 1
    assert "as a Space of sdk 'docker'" in capsys.readouterr().err


def test_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert static.main(["--out", str(tmp_path / "site"), "--results", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("error: no run to show; make one")
