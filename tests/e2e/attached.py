"""What the pages cost: decode rates with a headless client attached to the app, and without any app.

    python -m tests.e2e.attached [--rounds 20] [--real]

Both sides run the same pair of models on the same prompt with the same seed, at the same time, in equal time shares.
With: a client that speaks Streamlit's protocol over a WebSocket presses the page's buttons and takes every update that
a browser would. Without: the generation service alone. Also: each model alone, to see what sharing costs. The three
take turns, in an order that changes with each round; the first round warms up and does not count. The last line is
JSON: medians of the rounds' own ratios, with their 95% intervals. `--real`: the real pair, not the embedded one.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from urllib.request import urlopen

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from app.chat.conversation import REPORT_PROMPTS, lane_requests
from app.chat.generation import GenerationService
from app.chat.inert import inert_markdown
from app.chat.sampling import sampling_of
from app.library.first_pair import TINY, real_pairs
from benchmarks.engine.worker import Worker, beside_others
from benchmarks.statistics.stats import FloatArray, median_interval
from data.models.fetch import fetch
from data.models.registry import load_registry
from data.paths import ROOT
from data.settings import MODELS

RATE = re.compile(r"\*\*([\d.]+) tok/s\*\* decode .* (finished|cut off)")
PORT, BOX = 8755, "prompt box"
SETTLE_S = 8.0
"""The app imports its charts and works out its headline when the first visitor comes: not what is measured here."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    rounds, pair = max(2, options.rounds), real_pairs(load_registry())[0] if options.real else TINY
    service = GenerationService(load_registry(), fetch=fetch, start_worker=lambda: Worker(beside_others()))
    with closing(service), attached_client(pair) as client:
        sides: dict[str, Callable[[], list[float]]] = {
            "app": client.ask,
            "service": partial(through_service, service, pair),
            "alone": lambda: [through_service(service, (model,))[0] for model in pair],
        }
        rates: dict[str, list[list[float]]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            for side in sorted(sides, key=lambda side: (list(sides).index(side) + number) % len(sides)):
                rates[side].append(sides[side]())
            print({side: values[-1] for side, values in rates.items()}, file=sys.stderr, flush=True)
    counted = {side: np.array(values[1:]) for side, values in rates.items()}
    medians = {side: np.median(values, axis=0).tolist() for side, values in counted.items()}
    app, shared = counted["app"] / counted["service"], counted["service"] / counted["alone"]
    ratios = {"app_to_service": with_interval(app), "shared_to_alone": with_interval(shared)}
    print(json.dumps({"models": pair, "decode_tok_per_s": medians, **ratios}))
    return 0


def with_interval(ratios: FloatArray) -> list[list[float]]:
    """[median, low, high] of each lane; `ratios` has shape (rounds, lanes)."""
    found = [median_interval(lane, rng=np.random.default_rng(0)) for lane in ratios.T]
    return [[round(value, 3) for value in (each.estimate, each.low, each.high)] for each in found]


@contextmanager
def attached_client(pair: Sequence[str]) -> Iterator["Client"]:
    """The app as a process, and a visitor on its first page."""
    command = [sys.executable, "-m", "app.serve", "--port", str(PORT)]
    own = {**os.environ, MODELS.name: "tiny"} if pair == TINY else None
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own)
    try:
        for _ in range(200):
            try:
                urlopen(f"http://localhost:{PORT}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        with connect(f"ws://localhost:{PORT}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            yield Client(socket, pair)
    finally:
        server.terminate()
        server.wait()


def through_service(service: GenerationService, models: Sequence[str]) -> list[float]:
    """The same models in the same service, without pages or server."""
    sampling = [sampling_of({})] * len(models)  # the page's own: both sides write the same words
    comparison = service.compare("me", lane_requests([], REPORT_PROMPTS[1], models, system="", sampling=sampling))
    while not (snapshot := service.snapshot(comparison)) or not snapshot.done:
        time.sleep(0.2)
    return [lane.decode_tok_per_s or 0.0 for lane in snapshot.lanes]


class Client:
    """Follows the page as a browser does: keeps the fragments' timers, and answers them."""

    def __init__(self, socket: ClientConnection, pair: Sequence[str]) -> None:
        self._socket, self._pair = socket, pair
        self._timers: dict[str, tuple[float, float]] = {}
        self._buttons: dict[str, str] = {}
        self._captions: dict[tuple[int, ...], str] = {}
        self._send(BackMsg())
        self._follow(lambda: BOX in self._buttons, seconds=60)
        self._follow(lambda: False, seconds=SETTLE_S)

    def ask(self) -> list[float]:
        """Decode tok/s that the page shows under each reply, in the lanes' order: of the prompt, then of it again."""
        button = self._buttons.pop("Regenerate", None)
        self._captions.clear()
        press = BackMsg()
        state = press.rerun_script.widget_states.widgets.add()
        state.id = button or self._buttons[BOX]
        if button:
            state.trigger_value = True
        else:
            state.chat_input_value.data = REPORT_PROMPTS[1]
        self._send(press)
        self._follow(lambda: len(self._rates()) == 2 and "Regenerate" in self._buttons, seconds=120)
        self._follow(lambda: False, seconds=0.5)  # the rest of the page
        labels = [inert_markdown(load_registry()[model].label) for model in self._pair]
        return [next(rate for name, rate in self._rates().items() if label in name) for label in labels]

    def _rates(self) -> dict[str, float]:
        """Final rates by the model's name, which stands first in the same box."""
        found = {path: RATE.search(text) for path, text in self._captions.items()}
        names = {path: self._captions.get((*path[:-1], 0), "") for path in found}
        return {names[path]: float(match.group(1)) for path, match in found.items() if match}

    def _send(self, message: BackMsg) -> None:
        if not message.HasField("rerun_script"):
            message.rerun_script.query_string = ""
        self._socket.send(message.SerializeToString())

    def _follow(self, done: object, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not done():  # type: ignore[operator]
            now = time.monotonic()
            for fragment, (interval, due) in list(self._timers.items()):
                if now >= due:
                    self._timers[fragment] = (interval, now + interval)
                    tick = BackMsg()
                    tick.rerun_script.fragment_id = fragment
                    tick.rerun_script.is_auto_rerun = True
                    self._send(tick)
            try:
                next_due = min((due for _, due in self._timers.values()), default=now + 1)
                wait_s = max(0.001, min(next_due, deadline) - now)
                self._take(ForwardMsg.FromString(self._socket.recv(timeout=wait_s)))
            except TimeoutError:
                continue

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self._timers.clear()  # the whole script runs again, and says what is to be looked at from now on
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(fragment, None)
        elif kind == "auto_rerun":
            interval, fragment = message.auto_rerun.interval, message.auto_rerun.fragment_id
            if self._timers.get(fragment, (None, 0))[0] != interval:
                self._timers[fragment] = (interval, time.monotonic() + interval)
        elif kind == "delta" and message.delta.HasField("new_element"):
            element = message.delta.new_element
            if element.HasField("button"):
                self._buttons[element.button.label.split()[0]] = element.button.id
            elif element.HasField("chat_input"):
                self._buttons[BOX] = element.chat_input.id
            elif element.HasField("markdown"):
                self._captions[tuple(message.metadata.delta_path)] = element.markdown.body


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
