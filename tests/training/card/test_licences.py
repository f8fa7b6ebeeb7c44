"""The base's licence decides over the name, the notice and the texts of what is published."""

import pytest

from training.card.licences import APACHE_TEXT, check_name, origin_of
from training.config import Base, TrainingError


def hub(name: str) -> Base:
    return Base(source="hub", name=name)


@pytest.mark.parametrize(
    ("name", "licence", "size", "official"),
    [
        ("meta-llama/Llama-3.2-1B-Instruct", "llama3.2", "1B", "meta-llama/Llama-3.2-1B-Instruct"),
        ("unsloth/Llama-3.2-3B-Instruct", "llama3.2", "3B", "meta-llama/Llama-3.2-3B-Instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1", "8B", "meta-llama/Llama-3.1-8B-Instruct"),
        ("Qwen/Qwen2.5-Coder-1.5B-Instruct", "apache-2.0", "1.5B", "Qwen/Qwen2.5-Coder-1.5B-Instruct"),
        ("Qwen/Qwen3-0.6B", "apache-2.0", "0.6B", "Qwen/Qwen3-0.6B"),
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "apache-2.0", "1.7B", "HuggingFaceTB/SmolLM2-1.7B-Instruct"),
    ],
)
def test_known_bases_have_their_licence(name: str, licence: str, size: str, official: str) -> None:
    origin = origin_of(hub(name))
    assert (origin.repository, origin.terms.id, origin.size) == (name, licence, size)
    assert origin.licence_repository == official


def test_a_base_of_the_registry_leads_to_its_original() -> None:
    origin = origin_of(Base(source="registry", name="smollm2-135m"))
    assert (origin.repository, origin.size) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "135M")
    assert origin.file == "`smollm2-135m` of Tradeoff's registry, Q4_1"


def test_a_checkpoint_on_disk_claims_no_repository() -> None:
    origin = origin_of(Base(source="path", name="/models/Llama-3.2-1B-mine"))
    assert (origin.name, origin.repository, origin.terms.id) == ("Llama-3.2-1B-mine", "", "llama3.2")


def test_an_unknown_licence_must_be_said() -> None:
    with pytest.raises(TrainingError, match="the licence of base 'own-1B' is not known here; say it with --licence"):
        origin_of(hub("me/own-1B"))
    with pytest.raises(TrainingError, match=r"the licence of base 'Qwen2\.5-3B-Instruct' is not known here"):
        origin_of(hub("Qwen/Qwen2.5-3B-Instruct"))
    origin = origin_of(hub("me/own-1B"), "mit")
    assert (origin.terms.id, origin.terms.needs_copy, origin.size) == ("mit", False, "1B")
    with pytest.raises(TrainingError, match="use the Hub's identifiers"):
        origin_of(hub("me/own-1B"), "My Own")


def test_a_known_licence_cannot_be_changed() -> None:
    with pytest.raises(TrainingError, match=r"--licence is 'mit', but Llama-3\.2-1B is under 'llama3\.2'"):
        origin_of(hub("meta-llama/Llama-3.2-1B"), "mit")


def test_a_llama_said_by_its_licence_is_one() -> None:
    origin = origin_of(hub("me/own-1B"), "llama3.2")
    assert origin.terms.credit == "Built with Llama"
    with pytest.raises(TrainingError, match="use --repo me/Llama-own-r8"):
        check_name("me/own-r8", origin)


@pytest.mark.parametrize(
    ("repo", "suggestion"),
    [
        ("me/llama-3.2-1b-r8", "me/Llama-3.2-1b-r8"),
        ("me/LLAMA3-r8", "me/Llama3-r8"),
        ("me/my-tune", "me/Llama-my-tune"),
        ("me/my-Llama", "me/Llama-my-Llama"),
    ],
)
def test_a_llama_is_named_llama(repo: str, suggestion: str) -> None:
    origin = origin_of(hub("unsloth/Llama-3.2-1B-Instruct"))
    with pytest.raises(TrainingError, match=rf"to start with 'Llama'; use --repo {suggestion}$"):
        check_name(repo, origin)
    check_name(suggestion, origin)


def test_others_are_named_as_one_likes() -> None:
    check_name("me/anything", origin_of(hub("HuggingFaceTB/SmolLM2-135M-Instruct")))


def test_the_apache_text_is_the_licence_itself() -> None:
    assert "Apache License\n                           Version 2.0, January 2004" in APACHE_TEXT.read_text()
