import csv
import io
import json

from app.chat.conversation import Turn
from app.chat.export import as_csv, as_json, as_markdown
from app.chat.lanes import Lane
from benchmarks.engine.contract import Sampling, Timings

LABELS = {"a": "Model A"}


def turn(prompt: str, reply: str) -> Turn:
    timings = Timings(prompt_tokens=4, decode_tokens=10, decode_s=0.5, total_s=1.25)
    lane = Lane(model_id="a", stage="done", text=reply, reason="stop", completion_tokens=11, timings=timings)
    failed = Lane(model_id="gone", stage="done", reason="error", error="no file")
    return Turn(
        prompt=prompt,
        model_ids=("a", "gone"),
        comparison_id=None,
        lanes=(lane, failed),
        system="Be brief.",
        sampling=(Sampling(seed=5), Sampling(seed=6)),
    )


def test_json_holds_what_was_asked_and_every_reply_with_its_figures() -> None:
    [exported] = json.loads(as_json([turn("hi", "héllo")], LABELS))["turns"]
    assert (exported["prompt"], exported["system"]) == ("hi", "Be brief.")
    assert [each["seed"] for each in exported["sampling"]] == [5, 6]
    first, second = exported["replies"]
    assert (first["label"], first["text"], first["decode_tok_per_s"]) == ("Model A", "héllo", 20.0)
    assert (second["label"], second["error"]) == ("gone", "no file")


def test_markdown_keeps_text_inert_whatever_fences_it_holds() -> None:
    text = as_markdown([turn("~~~ ```` # no heading", "<b>")], LABELS)
    assert "`````text\n~~~ ```` # no heading\n`````" in text
    assert "### Model A" in text and "20.0 tok/s decode" in text


def test_csv_has_a_row_a_reply_and_no_cell_that_a_spreadsheet_would_run() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([turn("=1+1", '-2,"x"\ny')], LABELS))))
    assert [row["model"] for row in rows] == ["a", "gone"]
    assert (rows[0]["prompt"], rows[0]["reply"]) == ("'=1+1", '\'-2,"x"\ny')
    assert rows[1]["error"] == "no file"
