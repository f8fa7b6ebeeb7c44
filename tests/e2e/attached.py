"""What the pages cost: decode rates with a headless client attached to the app, and without any app.

    python -m tests.e2e.attached [--rounds 3]

Both sides run the same pair of models on the same prompt, at the same time, in equal time shares. With: a client that
speaks Streamlit's protocol over a WebSocket presses the page's example button and takes every update that a browser
would. Without: the generation service alone. The rounds alternate. Also: each model alone, to see what sharing costs.
The last line is JSON: ratios of medians.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from app.runtime import DEFAULT_PAIR
from data.registry import load_registry

ROOT = Path(__file__).resolve().parents[2]
RATE = re.compile(r"\*\*([\d.]+) tok/s\*\* decode .* (finished|cut off)")
PORT = 8755


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    rates: dict[str, list[list[float]]] = {"app": [], "service": [], "alone": []}
    for number in range(rounds):
        for side in ("app", "service") if number % 2 == 0 else ("service", "app"):
            rates[side].append(through_app() if side == "app" else through_service())
        rates["alone"].append(each_alone())
        print({side: values[-1] for side, values in rates.items()}, file=sys.stderr, flush=True)
    medians = {side: [statistics.median(lane) for lane in zip(*values, strict=True)] for side, values in rates.items()}
    ratios = {
        "app_to_service": [a / b for a, b in zip(medians["app"], medians["service"], strict=True)],
        "shared_to_alone": [a / b for a, b in zip(medians["service"], medians["alone"], strict=True)],
    }
    print(json.dumps({"decode_tok_per_s": medians, **ratios}))
    return 0


def through_app() -> list[float]:
    """Decode tok/s that the page shows under each reply, in the lanes' order."""
    command = [sys.executable, "-m", "app.serve", "--port", str(PORT)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urlopen(f"http://localhost:{PORT}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        with connect(f"ws://localhost:{PORT}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            return Client(socket).ask()
    finally:
        server.terminate()
        server.wait()


class Client:
    """Follows the page as a browser does: keeps the fragments' timers, and answers them."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._timers: dict[str, tuple[float, float]] = {}
        self._button: str | None = None
        self._captions: dict[tuple[int, ...], str] = {}

    def ask(self) -> list[float]:
        self._send(BackMsg())
        self._follow(lambda: self._button is not None, seconds=60)
        self._follow(lambda: False, seconds=6)  # the default pair is being loaded meanwhile
        press = BackMsg()
        state = press.rerun_script.widget_states.widgets.add()
        state.id, state.trigger_value = str(self._button), True
        self._send(press)
        self._follow(lambda: len(self._rates()) == 2, seconds=120)
        labels = [load_registry()[model].label for model in DEFAULT_PAIR]
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
                    self._send(tick)
            try:
                next_due = min((due for _, due in self._timers.values()), default=now + 1)
                wait_s = max(0.001, min(next_due, deadline) - now)
                self._take(ForwardMsg.FromString(self._socket.recv(timeout=wait_s)))
            except TimeoutError:
                continue

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "stop_auto_rerun":
            self._timers.clear()
        elif kind == "auto_rerun":
            interval = message.auto_rerun.interval
            self._timers.setdefault(message.auto_rerun.fragment_id, (interval, time.monotonic() + interval))
        elif kind == "delta" and message.delta.HasField("new_element"):
            element = message.delta.new_element
            if element.HasField("button") and element.button.label.startswith("Describe a tall tower"):
                self._button = element.button.id
            elif element.HasField("markdown"):
                self._captions[tuple(message.metadata.delta_path)] = element.markdown.body


def through_service(*, lanes: tuple[int, ...] = (0, 1)) -> list[float]:
    """The same pair in the same service, without pages or server."""
    from app import runtime
    from app.conversation import REPORT_PROMPTS, lane_requests
    from app.generation import GenerationService
    from benchmarks.engine import Sampling
    from benchmarks.worker import Worker
    from data.sources import fetch

    start = lambda: Worker(runtime.WORKER_ENVIRONMENT)  # noqa: E731
    service = GenerationService(load_registry(), fetch=fetch, start_worker=start)
    models = [DEFAULT_PAIR[lane] for lane in lanes]
    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=256)
    try:
        comparison = service.compare(
            "me", lane_requests([], REPORT_PROMPTS[1], models, system="", sampling=[sampling] * len(models))
        )
        while not (snapshot := service.snapshot(comparison)) or not snapshot.done:
            time.sleep(0.2)
        return [lane.decode_tok_per_s or 0.0 for lane in snapshot.lanes]
    finally:
        service.close()


def each_alone() -> list[float]:
    return [through_service(lanes=(lane,))[0] for lane in (0, 1)]


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
