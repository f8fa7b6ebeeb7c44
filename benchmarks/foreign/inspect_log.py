"""Inspect's `.eval` logs: a zip with `header.json` and `summaries.json`, which has every sample's scores.

Members are deflated, or compressed with Zstandard, which Python's own zipfile does not read before 3.14.
"""

import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.foreign.log import Answer, Log, LogError, choose, count, share
from data.records import lone_surrogate, parse_json, shown

_ZSTANDARD = 93
_MOST_BYTES = 256 * 2**20
_LOCAL_HEADER_BYTES, _LENGTHS_AT = 30, 26
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partly, incorrect, no answer: as Inspect's own accuracy counts them."""
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_VERSIONS = (2,)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
"""Besides a RuntimeError of what is encrypted, or packed in another way."""


def read_eval(path: Path, *, metric: str | None) -> Log:
    """One task of one model.

    Raises:
        LogError: Half written, another schema, or without such a score.
    """
    header, summaries = _parts(path)
    if header.get("version") not in _VERSIONS:
        raise LogError(f"{path}: version {header.get('version')!r} of Inspect's logs; known: {_VERSIONS[0]}")
    if header.get("status") != "success":
        raise LogError(f"{path}: its status is {header.get('status')!r}; go on with: inspect eval-retry {path.name}")
    facts = header.get("eval")
    if not isinstance(facts, dict) or not all(isinstance(facts.get(key), str) for key in ("model", "task", "created")):
        raise LogError(f"{path}: its header names no model, task or date: not as Inspect writes logs")
    names = list(dict.fromkeys(name for each in summaries for name in _scores(each)))
    chosen, packages = choose(metric, names, str(path)), facts.get("packages")
    return Log(
        model=facts["model"],
        task=facts["task"],
        metric=chosen,
        tool=f"inspect_ai {packages.get('inspect_ai', '') if isinstance(packages, dict) else ''}".strip(),
        made_at=facts["created"],
        answers=tuple(_answer(each, chosen, str(path)) for each in summaries),
    )


def _parts(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "header.json" not in names and "_journal/start.json" in names:
                raise LogError(f"{path}: half written: the evaluation did not end; see inspect eval-retry")
            if missing := {"header.json", "summaries.json"} - names:
                raise LogError(f"{path}: no {min(missing)} in it: not as Inspect writes logs")
            header = parse_json(_unpacked(archive, path, "header.json"), f"{path}, header.json", LogError)
            summaries = json.loads(_unpacked(archive, path, "summaries.json"))
    except RecursionError:
        raise LogError(f"{path}: nested too deep: not as Inspect writes logs") from None
    except (*_UNREADABLE, RuntimeError, ValueError, EOFError) as error:
        raise LogError(
            f"{path}: not a whole .eval ({' '.join(str(error).split())[:100]}); was it half written?"
        ) from None
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not isinstance(summaries, list) or not summaries or not all(isinstance(each, dict) for each in summaries):
        raise LogError(f"{path}: summaries.json is no list of samples: not as Inspect writes logs")
    return header, summaries


def _unpacked(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > _MOST_BYTES:
        raise LogError(f"{path}: its {name} is {info.file_size / 1e6:,.0f} MB; at most {_MOST_BYTES / 1e6:,.0f}")
    return _zstandard(path, info) if info.compress_type == _ZSTANDARD else archive.read(info)


def _zstandard(path: Path, info: zipfile.ZipInfo) -> bytes:
    """Behind the member's local header, whose two lengths of varying parts stand at its end."""
    import pyarrow

    with path.open("rb") as file:
        file.seek(info.header_offset + _LENGTHS_AT)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(4))
        file.seek(info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes)
        packed = file.read(info.compress_size)
    content: bytes = pyarrow.Codec("zstd").decompress(packed, info.file_size, asbytes=True)
    if zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"{info.filename} is damaged")
    return content


def _scores(summary: Mapping[str, Any]) -> dict[str, Any]:
    scores = summary.get("scores")
    return scores if isinstance(scores, dict) else {}


def _answer(summary: Mapping[str, Any], metric: str, path: str) -> Answer:
    epoch = count(summary.get("epoch", 1))
    if not isinstance(summary.get("id"), str | int) or epoch is None:
        raise LogError(f"{path}: a sample without id or epoch: not as Inspect writes logs")
    where = f"{path}, sample {shown(summary['id'])}"
    score = _scores(summary).get(metric)
    value = score.get("value") if isinstance(score, dict) else None
    text = score.get("answer") if isinstance(score, dict) else None
    error = summary.get("error")
    question = json.dumps(summary.get("input"), sort_keys=True).encode()
    return Answer(
        id=str(summary["id"]),
        repetition=max(0, epoch - 1),
        grade=None if value is None or error else _grade(value, metric, where),
        text=text if isinstance(text, str) and not lone_surrogate(text) else None,
        prompt_sha256=hashlib.sha256(question).hexdigest(),
        completion_tokens=_written(summary),
        error=" ".join(str(error).split())[:300] if error else None,
    )


def _grade(value: object, metric: str, where: str) -> float:
    if isinstance(value, str):
        known = _LETTERS.get(value, _WORDS.get(value.lower()))
        return share(known if known is not None else _number(value), metric, where)
    return share(value, metric, where)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _written(summary: Mapping[str, Any]) -> int | None:
    """Tokens of the one model that was used."""
    usage = summary.get("model_usage")
    if not isinstance(usage, dict) or len(usage) != 1:
        return None
    found = next(iter(usage.values()))
    return count(found.get("output_tokens")) if isinstance(found, dict) else None
