import pytest

from benchmarks.engine.chat_template import ChatTemplate
from benchmarks.engine.contract import EngineError
from data.message import Message

CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{{ eos_token }}{% endfor %}"
HELLO = [Message(role="user", content="Hello")]


def render(source: str, messages: list[Message] = HELLO) -> str:
    return ChatTemplate(source, special={"bos_token": "<s>", "eos_token": "</s>"}).render(messages)


def test_messages_and_special_tokens_are_filled_in() -> None:
    assert render(CHAT + "{% if add_generation_prompt %}[assistant]{% endif %}") == "[user] Hello</s>[assistant]"


def test_the_date_is_pinned_so_that_a_prompt_never_changes() -> None:
    assert render("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024"


def test_a_training_mask_tag_passes_its_content_through() -> None:
    assert render("{% generation %}kept{% endgeneration %}") == "kept"


def test_a_template_that_raises_gives_one_line_with_its_reason() -> None:
    with pytest.raises(EngineError, match="roles must alternate") as caught:
        render("{{ raise_exception('roles must\nalternate') }}")
    assert "\n" not in str(caught.value)


def test_a_template_that_does_not_parse_is_refused_when_the_model_is_loaded() -> None:
    with pytest.raises(EngineError, match="does not parse"):
        ChatTemplate("{% for %}", special={})


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append({'role': 'user'}) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
    ],
)
def test_a_template_cannot_leave_the_sandbox(source: str) -> None:
    with pytest.raises(EngineError, match="chat template failed"):
        render(source)


def template_of(source: str) -> ChatTemplate:
    return ChatTemplate(source, special={})


def test_tools_and_documents_are_none_as_transformers_gives_them_and_absent_tokens_are_undefined() -> None:
    assert render("{{ tools is none and documents is none }} {{ pad_token is defined }}") == "True False"


def test_what_a_training_mask_sets_stays_inside_it() -> None:
    assert render("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}") == "21"


def test_a_template_that_wants_parts_gets_them() -> None:
    typed = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    assert render(typed) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    required = typed.replace("{% if part['type'] == 'text' %}", "{% if not part.type %}{{ part.lacks.it }}{% else %}")
    assert render(required) == render(typed)


TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


@pytest.mark.parametrize(
    "source",
    [TURNS, TURNS + "{{ eos_token }}", TURNS.replace("<|im_start|>{{ m.role }}\n", "{{ m.role }}: ")],
    ids=["no use of add_generation_prompt", "an end of text after the last turn", "without control tokens"],
)
def test_a_template_that_opens_no_turn_for_the_answer_is_refused(source: str) -> None:
    with pytest.raises(EngineError, match="opens no turn for the answer"):
        render(source)
    assert "Hello" in template_of(source).render(HELLO, answer=False)


@pytest.mark.parametrize(
    "source",
    [
        TURNS + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        TURNS + "<|im_start|>assistant\n",
        "{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% else %} {{ m.content }}</s>"
        "{% endif %}{% endfor %}",
        "{{ messages[0]['content'] }}",
    ],
    ids=["heeds add_generation_prompt", "always opens one", "an instruction is the opening", "has no turns"],
)
def test_a_template_after_whose_prompt_the_answer_follows_is_used(source: str) -> None:
    assert "Hello" in render(source)


def test_a_template_names_its_switches_and_is_given_those_that_it_knows() -> None:
    template = template_of(
        "{% set tone = tone | default('dry') %}{% set own = 1 %}{% if date_string is not defined %}"
        "{% set date_string = 'today' %}{% endif %}{% macro said(inner) %}{{ inner }}{% endmacro %}"
        "{% for m in messages %}{{ said(m.content) }} {{ own }} {{ tone }} {{ date_string }}{% endfor %}"
        "{% if add_generation_prompt %}{% if not enable_thinking %}<think></think>{% endif %}{% endif %}{{ bos_token }}"
    )
    assert template.switches == ("date_string", "enable_thinking", "tone")
    assert template.render(HELLO) == "Hello 1 dry today<think></think>"
    switched = template.render(HELLO, switches={"enable_thinking": True, "tone": "warm", "other": 1, "messages": 2})
    assert switched == "Hello 1 warm today"


def test_a_template_of_a_megabyte_is_refused_when_the_model_is_loaded() -> None:
    with pytest.raises(EngineError, match="has 1,000,001 characters, more than 1,000,000"):
        template_of("x" * 1_000_001)
