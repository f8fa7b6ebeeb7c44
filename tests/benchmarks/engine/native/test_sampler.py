"""Replies that are held to a JSON schema: a model of random weights would never write one by itself."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import validate

from benchmarks.engine.ask import ask
from benchmarks.engine.contract import Engine, EngineError, Finished, LoadOptions, Request, Sampling
from data.json_schema import checked
from data.message import Message

pytestmark = pytest.mark.slow
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green"]},
        "size": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
    },
    "required": ["colour", "size", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[Engine]:
    from benchmarks.engine.native.engine import LlamaEngine

    engine = LlamaEngine(tiny_model, LoadOptions(context_tokens=512, sequences=2))
    yield engine
    engine.close()


def asks(schema: object, **sampling: object) -> Request:
    return Request(
        messages=(Message(role="user", content="Describe it."),),
        sampling=Sampling(max_tokens=200, json_schema=checked(json.dumps(schema)), **sampling),  # type: ignore[arg-type]
    )


def said(engine: Engine, schema: object = SCHEMA, **sampling: object) -> Finished:
    end = ask(engine, asks(schema, **sampling)).finished
    assert end is not None
    return end


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 0.0},
        {"temperature": 1.5, "seed": 1},
        {"temperature": 1.0, "seed": 2, "top_k": 5, "repeat_penalty": 1.3},
        {"temperature": 0.0, "repeat_penalty": 1.2},
    ],
)
def test_random_weights_write_what_the_schema_allows_and_end(engine: Engine, sampling: dict[str, object]) -> None:
    end = said(engine, **sampling)
    assert end.reason == "stop"
    validate(json.loads(end.text), SCHEMA)


def test_the_seed_decides_and_without_a_schema_nothing_changes(engine: Engine) -> None:
    assert said(engine, temperature=1.5, seed=7).text == said(engine, temperature=1.5, seed=7).text
    free = Request(messages=(Message(role="user", content="Describe it."),), sampling=Sampling(max_tokens=8))
    before = ask(engine, free).finished
    said(engine)
    after = ask(engine, free).finished
    assert before and after and before.text == after.text


def test_two_replies_at_once_each_have_their_own_grammar(engine: Engine) -> None:
    one, other = ({"const": word} for word in ("left", "right"))
    ids = [engine.submit(asks(schema)) for schema in (one, other)]
    ends = {}
    while engine.busy:
        ends |= {event.id: event.text for event in engine.step(0.1) if isinstance(event, Finished)}
    assert [json.loads(ends[each]) for each in ids] == ["left", "right"]


def test_a_schema_that_makes_no_grammar_is_refused_before_it_waits(engine: Engine) -> None:
    for schema in ({"$ref": "#/nowhere"},):
        with pytest.raises(EngineError, match="the JSON schema cannot be made into a grammar: ") as caught:
            engine.submit(asks(schema))
        assert "\n" not in str(caught.value)
    assert not engine.busy
