import json

import pytest

from data.json_schema import checked

GOOD = {"type": "object", "properties": {"city": {"enum": ["Paris", "Lyon"]}}, "required": ["city"]}


def test_a_property_may_be_called_what_a_word_of_schemas_is_called() -> None:
    assert checked('{"type": "object", "properties": {"pattern": {"type": "string"}, "not": {"enum": ["a"]}}}')


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
        ('{"type": "array", "minItems": 100000}', "has minItems 100,000; give a whole number of at most 200"),
        ('{"type": "string", "minLength": 1.5}', "has minLength 1.5; give a whole number of at most 200"),
        (
            '{"type": "string", "pattern": "^((a{0,200}){0,200}){0,200}$"}',
            "has 'pattern', to which a reply cannot be held",
        ),
        ('{"properties": {"a": {"not": {}}}}', "has 'not', to which a reply cannot be held; leave it out"),
        ('{"enum": []}', "has an enum without a choice"),
        ('{"const": "a\\nb"}', "names 'a\\nb'; quotes, backslashes and control characters do not go"),
        ('{"properties": {"a\\"b": {}}}', "quotes, backslashes and control characters do not go"),
        ('{"const": NaN}', "the JSON schema is not JSON (NaN)"),
        ('{"enum": [{"a": 1}]}', "a const or enum of objects or lists; give single values"),
        ('{"type": "array", "minItems": 5, "maxItems": 2}', "asks for more at least than at most"),
        ("[" * 5000 + "]" * 5000, "the JSON schema is"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested more than 24 deep"),
        ('{"description": "' + "x" * 20_000 + '"}', "characters; give at most 20,000"),
    ],
)
def test_what_is_no_schema_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        checked(text)
    assert message in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 300
