import json

import pytest

from data.json_schema import checked

GOOD = {"type": "object", "properties": {"city": {"enum": ["Paris", "Lyon"]}}, "required": ["city"]}


def test_a_schema_comes_back_in_one_form_and_nothing_stays_nothing() -> None:
    assert checked(json.dumps(GOOD, indent=4)) == json.dumps(GOOD)
    assert checked(" \n") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "object",', "the JSON schema is not JSON (line 1, column 19)"),
        ("[1, 2]", "the JSON schema is a list; it must be an object, such as {}"),
        ('"text"', "the JSON schema is a str; it must be an object"),
        ('{"type": "thing"}', "the JSON schema is none at type: 'thing' is not valid"),
        ('{"properties": {"a": 5}}', "the JSON schema is none at properties/a: 5 is not of type"),
        (
            '{"items": {"$ref": "https://example.org/x.json"}}',
            "refers to 'https://example.org/x.json'; only references within it",
        ),
        ('{"$ref": "file:///etc/passwd"}', "refers to 'file:///etc/passwd'; only references within it"),
        ('{"type": "array", "minItems": 100000}', "the JSON schema has minItems 100,000; give at most 200"),
        ("[" * 5000 + "]" * 5000, "the JSON schema is"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested more than 24 deep"),
        ('{"description": "' + "x" * 20_000 + '"}', "characters; give at most 20,000"),
    ],
)
def test_what_is_no_schema_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        checked(text)
    assert message in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 300
