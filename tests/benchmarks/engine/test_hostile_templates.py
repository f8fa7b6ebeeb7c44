"""Templates of hostile models: one line, soon, and the process that met them goes on."""

import resource
import time

import pytest

from benchmarks.engine.chat_template import ChatTemplate
from benchmarks.engine.contract import EngineError
from data.bounds import within_bounds
from data.message import Message

MESSAGES = [Message(role="user", content="hello")]
DOUBLE = "{% set n = namespace(x='x' * 1000) %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}"


def meet(source: str, *, most_s: float = 1.0) -> str:
    """As the worker does; returns the line that it says."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    started = time.monotonic()
    with pytest.raises(EngineError) as caught, within_bounds("the template", EngineError, most_s=most_s):
        ChatTemplate(source, special={}).render(MESSAGES)
    assert time.monotonic() - started < most_s + 4
    assert resource.getrlimit(resource.RLIMIT_AS) == limits
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    return message


@pytest.mark.parametrize(
    "source",
    [
        "{{ 9**(9**9) }}",
        "{% if 9**(9**9) %}{% endif %}",
        "{% set x = 9**(9**9) %}",
        "{% for i in range(99) %}{% set x = 9**(9**9) %}{% endfor %}",
        "{{ 'x' * 10**12 }}",
        "{{ [0] * 10**12 }}",
        "{{ 10**12 * 'x' }}",
        "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
        "{{ " + "[" * 3_000 + "]" * 3_000 + " }}",
        "{{ 1" + " + 1" * 20_000 + " }}",
        "{{ " + "not " * 5_000 + "1 }}",
        "{{ x" + ".a" * 5_000 + " }}",
        "{% if x %}" * 2_000 + "{% endif %}" * 2_000,
        "{% autoescape 'x'|center(10**10) %}{% endautoescape %}",
    ],
    ids=lambda source: source[:40],
)
def test_what_grows_without_end_is_refused_at_once(source: str) -> None:
    assert "template" in meet(source)


@pytest.mark.parametrize(
    "source",
    [
        DOUBLE,
        "{{ 'x'|center(10**10) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'x'.ljust(10**10) }}",
        "{{ '{:>3000000000}'.format(1) }}",
        "{{ messages|tojson(indent=10**10) }}",
        "{% macro m() %}{% for i in range(99999) %}{{ 'x' * 999999 }}{% endfor %}{% endmacro %}{{ m() }}",
    ],
    ids=lambda source: source[:40],
)
def test_memory_is_bounded(source: str) -> None:
    meet(source, most_s=5.0)


def test_time_is_bounded_also_over_several_attempts() -> None:
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    assert "takes longer than 1 s" in meet(loop)


def test_to_look_at_a_template_works_nothing_out() -> None:
    source = "{{ 'x'|center(10**10) }}{{ 9**(9**9) }}{% if thinking is defined %}{% endif %}"
    started = time.process_time()
    assert ChatTemplate(source, special={}).switches == ("thinking",)
    assert time.process_time() - started < 1


def test_a_usual_template_reckons_as_before() -> None:
    text = "{% for m in messages %}{{ 7 * 6 + 2**10 - 6 // 4 % 3 }} {{ '-' * 3 ~ m.content }}{% endfor %}"
    source = text + "{% if add_generation_prompt %}>{% endif %}"
    assert ChatTemplate(source, special={}).render(MESSAGES) == "1065 ---hello>"
