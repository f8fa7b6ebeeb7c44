from app.chat.suite_prompts import find, grade_reply, library


def test_the_library_has_the_suites_prompts_that_are_one_question() -> None:
    assert {"core", "reasoning", "report"} <= set(library())
    assert all(each.prompt.messages[-1].role == "user" for prompts in library().values() for each in prompts)


def test_a_reply_to_a_suites_prompt_is_graded_and_another_is_not() -> None:
    prompt = library()["core"][0].prompt
    assert find(f"  {prompt.text}\n") is not None
    right, wrong = grade_reply(prompt.text, prompt.right), grade_reply(prompt.text, prompt.wrong)
    assert right is not None and wrong is not None and (right.value, wrong.value) == (1.0, 0.0)
    assert grade_reply("hello", "hello") is None
