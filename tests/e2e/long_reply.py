"""How far behind a long reply the page is: two scripted models write Markdown at a rate, a browser looks on.

    python -m tests.e2e.long_reply [--tokens 8000] [--rate 100]

The last line is JSON: seconds that writing took, seconds from its end until the last word stood on the page, and the
longest that the page's own thread was busy, in milliseconds.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from data.paths import ROOT
from data.settings import CONTEXT_TOKENS, ENGINE, MODELS, REGISTRY, STATE
from tests.e2e.conftest import BROWSER_OPTIONS, CHROMIUM, free_port, wait_until_healthy
from tests.gguf_bytes import model_bytes

PART = "A line with **bold** and `code` that goes on for a while. " * 9
PART += "\n\n```python\ndef f(x):\n    return x + 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
LAST = "thelastword"
BUSY_MS = "new Promise(done => { const t = performance.now(); setTimeout(() => done(performance.now() - t), 0) })"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=100, help="of each of the two, tokens/s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(_measure(Path(made), options.tokens, options.rate)))
    return 0


def _measure(folder: Path, tokens: int, rate: float) -> dict[str, float]:
    _write_models(folder, tokens, rate)
    own = {REGISTRY.name: str(folder / "models.toml"), ENGINE.name: "scripted", MODELS.name: "tiny"}
    own |= {CONTEXT_TOKENS.name: str(2 * tokens), STATE.name: str(folder / "state")}
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "app.serve", "--port", str(port)]
    with log.open("wb") as out, sync_playwright() as playwright:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **own})
        try:
            wait_until_healthy(f"http://localhost:{port}", server)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
            seen, busy_ms = _look_on(browser.new_page(), f"http://localhost:{port}/?max_tokens={tokens}")
        finally:
            server.terminate()
            server.wait()
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    ended = next(each for each in events if each["event"] == "comparison.ended")
    late_s = seen - datetime.fromisoformat(ended["at"]).timestamp()
    return {
        "tokens": ended["tokens"],
        "wrote_s": ended["seconds"],
        "late_s": round(late_s, 2),
        "busy_ms": round(busy_ms),
    }


def _write_models(folder: Path, tokens: int, rate: float) -> None:
    words = re.findall(r"\s*\S+", PART * (tokens // 60))  # a scripted model's tokens
    script = {"reply": "".join([*words[: tokens - 1], f" {LAST}"]), "pace_s": 1 / rate / 2, "decode_tok_per_s": rate}
    tables = []
    for name in ("alpha", "beta"):
        (folder / f"{name}.gguf").write_bytes(model_bytes())
        (folder / f"{name}.json").write_text(json.dumps(script))
        tables.append(
            f'[[model]]\nid = "{name}"\nlabel = "{name.title()}"\nbase = "none"\nsize = "1M"\nquantization = "q8_0"\n'
            f'licence = "MIT"\nsource = {{ kind = "file", path = "{name}.gguf" }}\n'
        )
    (folder / "models.toml").write_text("\n".join(tables))


def _look_on(page: Page, url: str) -> tuple[float, float]:
    """When the last word of both was there, as the clock says, and the longest that the page was busy."""
    page.goto(url)
    box = page.get_by_test_id("stChatInput").locator("textarea")
    box.fill("Write at length", timeout=60_000)
    box.press("Enter")
    busiest = 0.0
    while page.evaluate("word => document.body.textContent.split(word).length", LAST) < 3:
        busiest = max(busiest, page.evaluate(BUSY_MS))
        time.sleep(0.2)
    return time.time(), busiest


if __name__ == "__main__":
    sys.exit(main())
