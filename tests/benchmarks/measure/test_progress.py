import dataclasses
import io

from benchmarks.measure.progress import RunProgress
from benchmarks.runs.read import Row

ROW = Row(
    model="m",
    model_sha256="ab",
    suite="core",
    prompt_id="p1",
    kind="facts",
    condition="timed-cold",
    repetition=0,
    seed=1,
    started_at="2026-01-01T00:00:00+00:00",
    decode_tokens=20,
    decode_s=0.2,
    grade=1.0,
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_time_left_follows_from_the_samples_of_this_session() -> None:
    clock, stream = Clock(), Terminal()
    progress = RunProgress(total=100, done=40, stream=stream, clock=clock)
    assert progress.time_left() == ""
    for _ in range(10):
        clock.now += 6
        progress.advance(ROW)
    assert progress.time_left() == "about 5 min left"
    assert "50/100  m  core/p1  100 tok/s, right  about 5 min left" in stream.getvalue()


def test_a_terminal_has_one_changing_line_and_a_file_a_line_now_and_then() -> None:
    clock, terminal, file = Clock(), Terminal(), io.StringIO()
    shown = [RunProgress(total=20, stream=stream, clock=clock) for stream in (terminal, file)]
    for _ in range(20):
        clock.now += 1
        for progress in shown:
            progress.advance(ROW)
    for progress in shown:
        progress.end()
    assert terminal.getvalue().count("\r") == 20 and terminal.getvalue().count("\n") == 1
    assert file.getvalue().count("\n") == 3
    assert file.getvalue().splitlines()[-1].startswith("20/20")


def test_an_error_is_shown_in_one_line() -> None:
    stream = io.StringIO()
    RunProgress(total=1, stream=stream).advance(dataclasses.replace(ROW, error="the worker died"))
    assert stream.getvalue() == "1/1  m  core/p1  error: the worker died  \n"
