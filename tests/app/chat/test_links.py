import pytest

from app.chat.links import read_link

MODELS = dict.fromkeys(("a", "b", "c", "d", "e"))


def test_a_link_chooses_models_prompt_and_sampling() -> None:
    wish = read_link({"models": "b, a,c", "prompt": "hi", "temperature": "0", "seed": "7"}, MODELS)
    assert (wish.models, wish.prompt, wish.problems) == (("b", "a", "c"), "hi", ())
    assert wish.sampling == {"temperature": 0.0, "seed": 7}


def test_no_parameters_wish_nothing() -> None:
    wish = read_link({"chat": "1"}, MODELS)
    assert not (wish.models or wish.prompt or wish.sampling or wish.problems)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"models": "a,nothing"}, "model 'nothing' is not here"),
        ({"models": "a"}, "has 1 model; a comparison needs 2"),
        ({"models": "a,b,c,d,e"}, "asks for 5 models; the first 4"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"temperature": "nan"}, "temperature is 'nan'"),
        ({"top_p": "2"}, "top_p is '2'"),
        ({"top_p": "0.01"}, "top_p is '0.01'"),
        ({"top_k": "1001"}, "top_k is '1001'"),
        ({"max_tokens": "50000"}, "max_tokens is '50000'"),
        ({"max_tokens": "1e3"}, "max_tokens is '1e3'"),
        ({"modles": "a,b"}, "'modles' is not known"),
    ],
)
def test_what_makes_no_sense_is_named_and_left_out(parameters: dict[str, str], problem: str) -> None:
    wish = read_link(parameters, MODELS)
    assert any(problem in each for each in wish.problems)
    assert not wish.sampling and len(wish.models) in (0, 4)
