"""Answers with the work shown, written by rule, for tasks whose bare result a small model cannot learn.

Each function takes a reasoning_gym item's metadata and question, and returns the steps; "The answer is …" is added.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

INSTRUCTION = "Work it out step by step. End with: The answer is ..."
_TERSE = re.compile(r"\s*(Give only[^.]*\.|Return only[^.]*\.|Do not give the units[^.]*\.)\s*")

Item = Mapping[str, Any]


def worked(task: str, item: Item) -> tuple[str, str] | None:
    """Question and worked answer of an item; None for tasks that are answered tersely."""
    steps = _STEPS.get(task)
    if steps is None:
        return None
    question = _TERSE.sub(" ", item["question"]).strip()
    return f"{question}\n{INSTRUCTION}", f"{steps(item).strip()}\nThe answer is {_result(item)}."


def _result(item: Item) -> str:
    return str(item["answer"]).strip()


def _chain_sum(item: Item) -> str:
    parts = item["metadata"]["expression"].split()
    total, lines = int(parts[0]), []
    for sign, number in zip(parts[1::2], parts[2::2]):
        following = total + int(number) if sign == "+" else total - int(number)
        lines.append(f"{total} {sign} {number} = {following}")
        total = following
    return "\n".join(lines)


def _products(item: Item) -> str:
    left, right = (int(part) for part in item["metadata"]["expression"].split(" * "))
    digits = str(left)
    parts = [int(digit) * 10 ** (len(digits) - 1 - place) for place, digit in enumerate(digits) if digit != "0"] or [0]
    lines = [f"{part} * {right} = {part * right}" for part in parts]
    total = parts[0] * right
    for part in parts[1:]:
        lines.append(f"{total} + {part * right} = {total + part * right}")
        total += part * right
    return "\n".join(lines)


def _gcd(item: Item) -> str:
    numbers = [int(number) for number in item["metadata"]["numbers"]]
    lines, first = [], numbers[0]
    for number in numbers[1:]:
        a, b = max(first, number), min(first, number)
        while b:
            lines.append(f"{a} = {a // b} * {b} + {a % b}")
            a, b = b, a % b
        first = a
    return "\n".join(lines)


def _simple_equations(item: Item) -> str:
    equation = item["metadata"]["equation"]
    if match := re.fullmatch(r"(-?\d+) ([+-]) (\d+)\*(\w+) = (-?\d+)", equation):
        shift, sign, factor, name, value = match.groups()
        rest = int(value) - int(shift)
        return f"{'-' if sign == '-' else ''}{factor}*{name} = {value} - {shift} = {rest}\n{name} = {_result(item)}"
    match = re.fullmatch(r"(\d+)\*(\w+)(?: ([+-]) (\d+))? = (-?\d+)", equation)
    if match is None:
        return str(equation)
    factor, name, sign, shift, value = match.groups()
    lines = []
    if sign:
        rest = int(value) - int(shift) if sign == "+" else int(value) + int(shift)
        lines.append(f"{factor}*{name} = {value} {'-' if sign == '+' else '+'} {shift} = {rest}")
        value = str(rest)
    return "\n".join([*lines, f"{name} = {value} / {factor} = {_result(item)}"])


def _leg_counting(item: Item) -> str:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    total, lines = 0, []
    for name, count in item["metadata"]["animals"].items():
        legs = count * ANIMALS[name]
        lines.append(f"{count} {name}: {count} * {ANIMALS[name]} = {legs}, so far {total} + {legs} = {total + legs}")
        total += legs
    return "\n".join(lines)


def _letter_counting(item: Item) -> str:
    letter, total, lines = item["metadata"]["target_letter"], 0, []
    for word in item["metadata"]["span"]:
        total += word.lower().count(letter.lower())
        lines.append(f"{' '.join(word)}: {word.lower().count(letter.lower())}, so far {total}")
    return "\n".join(lines)


def _spell_backward(item: Item) -> str:
    word = item["metadata"]["word"]
    return f"{' '.join(word)}\n{' '.join(reversed(word))}"


def _simple_geometry(item: Item) -> str:
    facts = item["metadata"]
    total, lines = 0.0, [f"({facts['n_sides']} - 2) * 180 = {facts['total_interior_sum']:g}"]
    for angle in facts["known_angles"]:
        lines.append(f"{total:g} + {angle:g} = {total + angle:g}")
        total += angle
    rest = facts["total_interior_sum"] - total
    return "\n".join([*lines, f"{facts['total_interior_sum']:g} - {total:g} = {rest:g}"])


def _gsm_symbolic(item: Item) -> str:
    text = re.sub(r"<<[^>]*>>", "", item["metadata"]["answer_cot"])
    return re.sub(r"\s*####.*", "", text, flags=re.DOTALL)


_STEPS: Mapping[str, Callable[[Item], str]] = {
    "chain_sum": _chain_sum,
    "products": _products,
    "gcd": _gcd,
    "simple_equations": _simple_equations,
    "leg_counting": _leg_counting,
    "letter_counting": _letter_counting,
    "spell_backward": _spell_backward,
    "simple_geometry": _simple_geometry,
    "gsm_symbolic": _gsm_symbolic,
}
