import pytest

from app.chat.prompt_list import MAX_PROMPTS, ListError, from_csv, pasted


def test_a_pasted_list_has_one_prompt_a_line() -> None:
    assert pasted(" first \n\nsecond\r\n") == ["first", "second"]


def test_a_csv_gives_its_prompt_column_with_commas_newlines_and_a_byte_order_mark() -> None:
    content = '\ufeffid,Prompt\n1,"a, b"\n2,"two\nlines"\n3,\n4\n'.encode()
    assert from_csv(content) == ["a, b", "two\nlines"]


def test_a_csv_is_read_as_spreadsheets_write_it() -> None:
    semicolons = 'Nr;PROMPT;;\r\n1;"a; b";;\r\n;;;\r\n2;    indented;;\r\n'
    assert from_csv(semicolons.encode()) == from_csv(semicolons.encode("utf-16")) == ["a; b", "    indented"]
    assert from_csv(f"prompt\n{'x' * 200_000}\n".encode()) == ["x" * 200_000]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,question\n1,x\n", "no column 'prompt'; it has id, question"),
        (b"", "no column 'prompt'; it has nothing"),
        (b"prompt\n\n", "no prompt in it"),
        (b"prompt\n\xff\n", "byte 7 is not UTF-8"),
        (b'prompt\n"a"b\n', "line 2: not CSV"),
        (
            b"prompt\nHello, world\n",
            "line 2: more cells than columns, 'world'; put text that holds a ',' in \"quotes\"",
        ),
        (b"prompt,prompt\na,b\n", "two columns are called 'prompt'"),
        (b"prompt\n" + b"x\n" * (MAX_PROMPTS + 1), "201 prompts; 200 at once"),
    ],
)
def test_a_csv_that_cannot_be_used_is_one_line(content: bytes, message: str) -> None:
    with pytest.raises(ListError, match=r"mine\.csv: ") as caught:
        from_csv(content, "mine.csv")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_column_over_two_lines_is_named_in_one() -> None:
    with pytest.raises(ListError) as refused:
        from_csv(b'"se\ncond",b\nx,y\n')
    assert "\n" not in str(refused.value)
