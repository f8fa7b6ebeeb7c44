"""The one checker of outside data: JSON and TOML that may be anything become dictionaries and dataclasses, or one line.

Every function takes the class of error that its caller shows, so that nothing is caught only to be raised again. Text
is bounded before it is parsed: what no file of Tradeoff's comes near is refused by its size.
"""

import codecs
import dataclasses
import json
import math
import re
import reprlib
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

from data.errors import TradeoffError

T = TypeVar("T")
Error = Callable[[str], TradeoffError]
_SURROGATE = re.compile("[\ud800-\udfff]")
MOST_BYTES = 64 * 2**20
MOST_TOML_CHARACTERS = 4 * 2**20
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{32}}")
"""Parts of a dotted key that no file of ours comes near; the parser takes a time that grows with their square."""

_NAMES: dict[Any, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_LISTS: dict[Any, str] = {int: "a list of whole numbers", str: 'a list of texts, such as ["smollm2-135m"]'}


def read_json(path: Path, error: Error) -> dict[str, Any]:
    """A file that holds one JSON object; NaN and infinities in it read as None.

    Raises:
        error: It cannot be read, is no JSON, or no object; the line starts with the file.
    """
    return parse_json(_text(path, error), str(path), error)


def parse_json(text: str | bytes, place: str, error: Error) -> dict[str, Any]:
    """As `read_json`, from a text; `place` is what the error names."""
    try:
        content = json.loads(text, parse_constant=lambda name: None)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as problem:
        raise error(f"{place}: not JSON ({_in_words(problem)})") from None
    if not isinstance(content, dict):
        raise error(f"{place}: a JSON {type(content).__name__}; expected an object")
    return content


def read_toml(path: Path, error: Error) -> dict[str, Any]:
    """A TOML file's tables.

    Raises:
        error: It cannot be read, or is no TOML; the line starts with the file.
    """
    return parse_toml(_text(path, error), str(path), error)


def parse_toml(text: str, place: str, error: Error) -> dict[str, Any]:
    """As `read_toml`, from a text; `place` is what the error names."""
    if len(text) > MOST_TOML_CHARACTERS:
        raise error(f"{place}: not TOML of ours ({len(text):,} characters; the most is {MOST_TOML_CHARACTERS:,})")
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise error(f"{place}: not TOML of ours (a key of more than 32 parts in line {line})")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        raise error(f"{place}: not TOML ({_in_words(problem)})") from None


def toml_lines(values: Mapping[str, Any]) -> str:
    """`key = value` for each value of a table, as TOML; what is None or empty is left out."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items() if value is not None and value != ())


def _toml(value: Any) -> str:
    """Numbers and lists of JSON are TOML's; so are its texts, once DEL is escaped."""
    plain = str(value) if isinstance(value, Path) else value
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def set_key(values: dict[str, Any], change: str, error: Error) -> None:
    """Change one key of a TOML's tables, as `--set table.key=value` asks; a value that is no TOML is a text.

    Raises:
        error: Not of that form, or a part of the key is no table.
    """
    if lone_surrogate(change):
        raise error(f"--set {change!r}: not UTF-8")
    key, equals, text = change.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path) or len(path) > 32:
        raise error(f"--set {shown(change)}: write key=value, such as training.learning_rate=1e-4")
    table = values
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise error(f"--set {change!r}: {part!r} is not a table")
    try:
        table[path[-1]] = parse_toml(f"value = {text.strip()}", key, error)["value"]
    except TradeoffError:
        table[path[-1]] = text.strip()


def build(record: Callable[..., T], values: Mapping[str, Any], error: Error, where: str = "") -> T:
    """A dataclass from a table: keys and types checked, lists made tuples, tables made the dataclasses of its fields.

    Args:
        where: Stands before each key in a message, such as "training.".

    Raises:
        error: A key that is unknown or missing, or a value of another type.
    """
    hints = typing.get_type_hints(record)
    check_keys(values, hints, error, where)
    given = {key: check(hints[key], value, where + key, error) for key, value in values.items()}
    fields = dataclasses.fields(record)  # type: ignore[arg-type]
    if missing := [where + field.name for field in fields if _is_required(field) and field.name not in given]:
        raise error(f"missing {', '.join(missing)}")
    return record(**given)


def check_keys(values: Iterable[str], known: Collection[str], error: Error, where: str = "") -> None:
    """Refuse keys that nobody reads: a typing error must not become a setting that is silently ignored."""
    for key in values:
        if key not in known:
            raise error(f"unknown key {shown(where + key)}; known keys: {', '.join(known)}{did_you_mean(key, known)}")


class _Shown(reprlib.Repr):
    """`repr` of what may be nested or long beyond reason."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlist, self.maxtuple, self.maxdict = 3, 200, 80, 8, 8, 4

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() < 256 else f"a number of {x.bit_length():,} bits"


shown = _Shown().repr


def did_you_mean(word: str, known: Iterable[str], *, most: int = 1) -> str:
    """The end of a message that names what is close; empty where nothing is."""
    names = list(known)
    close = get_close_matches(word[:200], names, n=most)
    if most > 1 and not close:
        close = [name for name in names if word and word in name][:most]
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def check(kind: Any, value: Any, where: str, error: Error) -> Any:
    """A value of JSON or TOML as the annotated type: lists become tuples, tables dataclasses, whole numbers floats.

    Raises:
        error: It is of another type; the line names the place, the value, and what was expected.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        rest = [part for part in arguments if part is not type(None)]
        return None if value is None and len(rest) < len(arguments) else check(rest[0], value, where, error)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return build(kind, _table(value, where, error), error, f"{where}.")
    if origin is Literal:
        if value not in arguments:
            raise error(f"{where} is {shown(value)}; known: {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return _tuple(arguments, value, where, error)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        table = _table(value, where, error)
        return {key: check(arguments[1], item, f"{where}.{key}", error) for key, item in table.items()}
    return _scalar(kind, value, where, error)


def fits(value: object, kind: Any) -> bool:
    """Whether a JSON value is of an annotated type, without naming what is wrong with it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, argument) for argument in arguments)
    if origin in (Sequence, tuple):
        return isinstance(value, list | tuple) and all(fits(item, arguments[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if kind in (int, float):
        number = isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
        return number and not (kind is float and _is_beyond(value))
    return isinstance(value, kind)


def _tuple(arguments: Sequence[Any], value: Any, where: str, error: Error) -> tuple[Any, ...]:
    is_list = isinstance(value, list | tuple)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item, wanted = arguments[0], _LISTS.get(arguments[0], "a list")
        if not is_list or (item in _LISTS and not all(fits(each, item) for each in value)):
            raise error(f"{where} is {shown(value)}; expected {wanted}")
        return tuple(check(item, each, where, error) for each in value)
    if not is_list:
        raise error(f"{where} is {shown(value)}; expected a list")
    if len(value) != len(arguments):
        raise error(f"{where} has {shown(value)}; expected {len(arguments)} values")
    return tuple(check(part, each, where, error) for part, each in zip(arguments, value, strict=True))


def _scalar(kind: Any, value: Any, where: str, error: Error) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and not _is_beyond(value):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise error(f"{where} is {shown(value)}; expected {_NAMES[kind]}")
    if isinstance(value, float) and not math.isfinite(value):
        raise error(f"{where} is {shown(value)}; expected a finite number")
    return value


def _is_beyond(value: object) -> bool:
    """A whole number that no float holds."""
    return isinstance(value, int) and value.bit_length() > 1023


def _table(value: Any, where: str, error: Error) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise error(f"{where} is {shown(value)}; expected a table")
    return value


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _text(path: Path, error: Error) -> str:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise error(f"{path}: {size:,} bytes; a file of this kind has at most {MOST_BYTES:,}")
        return decoded(path.read_bytes(), str(path), error)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None


def _in_words(problem: Exception) -> str:
    return "nested too deeply" if isinstance(problem, RecursionError) else " ".join(str(problem).split())


def decoded(content: bytes, place: str, error: Error) -> str:
    """The text of a file, as editors and spreadsheets save it: UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        error: Neither; the line starts with `place`.
    """
    utf_16 = len(content) > 2 and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    name, encoding = ("UTF-16", "utf-16") if utf_16 else ("UTF-8", "utf-8-sig")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as problem:
        raise error(f"{place}: byte {problem.start} is not {name}; save the file as UTF-8") from None


def lone_surrogate(text: str) -> str | None:
    """The first lone half of a surrogate pair as JSON writes it, unfit for UTF-8; None where there is none."""
    found = _SURROGATE.search(text)
    return f"\\u{ord(found[0]):04x}" if found else None


def whole_characters(text: str) -> str:
    """The text with U+FFFD, the replacement character, for every lone surrogate."""
    return _SURROGATE.sub("\ufffd", text)
