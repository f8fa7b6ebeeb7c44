import pytest

from benchmarks.chat_template import ChatTemplate
from benchmarks.engine import EngineError, Message

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
