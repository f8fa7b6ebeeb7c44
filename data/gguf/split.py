"""A model's header, where the model may be split over several GGUF files.

llama.cpp is given the first part and finds the others by their names, which must be those that its splitter gives. The
first part alone has the model's metadata. Each has `split.no` (from 0), `split.count` and `split.tensors.count`, the
tensors of all parts together.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.files import model_files
from data.gguf.adapted import base_of, with_weights
from data.gguf.header import GGUFError, GGUFHeader, read_header

_MOST_NAMED = 4


def read_model(path: Path) -> GGUFHeader:
    """The header of a model of one file, or of a set that `path` is any part of.

    Of a set: the first part's metadata, the tensors of all (each position is in the tensor's own file), and their sizes
    together.

    Raises:
        GGUFError: As `read_header`; a part is missing, or is not what its name says.
        OSError: A file cannot be read.
    """
    files = model_files(path)
    if len(files) > 1:
        _refuse_missing(files)
    return read_parts(files)


def read_parts(files: Sequence[Path]) -> GGUFHeader:
    """As `read_model`, from all files of a model in their order, whatever their names.

    Raises:
        GGUFError, OSError: As there.
    """
    if len(files) == 1:
        header = read_header(files[0])
        refuse_misnamed_part(header)
        weights = base_of(files[0], header)
        return with_weights(header, weights, read_model(weights)) if weights else header
    headers = [_read_part(file, number, len(files)) for number, file in enumerate(files)]
    _refuse_mixed(headers)
    return replace(
        headers[0],
        tensors=tuple(tensor for header in headers for tensor in header.tensors),
        expected_file_size=sum(header.expected_file_size for header in headers),
        file_size=sum(header.file_size for header in headers),
    )


def _read_part(file: Path, number: int, count: int) -> GGUFHeader:
    try:
        header = read_header(file)
    except GGUFError as error:
        raise GGUFError(f"part {number + 1} of {count}: {error}") from None
    named = f"a file is named as part {number + 1} of {count}"
    if header.metadata.get("split.count", 0) in (0, 1):
        raise GGUFError(f"{named}, but its header knows of no parts; give a whole model another name")
    says, of = header.metadata.get("split.no"), header.metadata["split.count"]
    if (says, of) != (number, count):
        other = f"part {says + 1} of {of}" if isinstance(says, int) and isinstance(of, int) else "otherwise"
        raise GGUFError(f"{named}, but its header says {other}; restore the names, or download the set again")
    return header


def refuse_misnamed_part(header: GGUFHeader) -> None:
    """Refuse a file that is read alone, and is a part.

    Raises:
        GGUFError: It is.
    """
    count, number = header.metadata.get("split.count", 0), header.metadata.get("split.no", 0)
    if isinstance(count, int) and isinstance(number, int) and count > 1:
        raise GGUFError(
            f"part {number + 1} of {count} of a split GGUF, of which llama.cpp finds the others by their names; name "
            f"it NAME-{number + 1:05}-of-{count:05}.gguf as it was, beside the others"
        )


def _refuse_missing(files: Sequence[Path]) -> None:
    if files[0].suffix != ".gguf":
        raise GGUFError("llama.cpp finds the parts of a split GGUF only by names that end in .gguf; rename all of them")
    missing = [file for file in files if not file.is_file()]
    if not missing:
        return
    names = ", ".join(file.name for file in missing[:_MOST_NAMED])
    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    raise GGUFError(f"{len(missing)} of {len(files)} parts are missing: {names}{more}; put them beside the others")


def _refuse_mixed(headers: Sequence[GGUFHeader]) -> None:
    names = [tensor.name for header in headers for tensor in header.tensors]
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise GGUFError(f"two parts hold tensor {twice[:64]!r}; they are not of one set, download it again")
    promised = {header.metadata.get("split.tensors.count") for header in headers}
    if promised != {len(names)}:
        said = " or ".join(sorted(f"{each}" for each in promised))
        raise GGUFError(f"the parts hold {len(names):,} tensors, their headers promise {said}; they are not of one set")
