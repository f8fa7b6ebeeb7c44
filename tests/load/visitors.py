"""Many visitors at once, over the real protocol, on loopback and scripted models: what each of them met.

    python -m tests.load.visitors --visitors 10 --seconds 60 [--every 60] [--hostile messages] [--afterwards 240]

Every visitor opens the page within the first tenth of the time, asks a prompt every so many seconds to two models,
which answer with a hundred tokens each, follows the page as a browser would, and leaves. `--hostile` adds one more, who
does at full speed: "messages" (empty reruns), "large" (messages of 20 MB), "tabs" (24 tabs that ask without end) or
"uploads" (1 MiB each). The last line is JSON: seconds as median and slowest, refusals, error pages, and the server's
memory and file descriptors before, at the most, and `--afterwards` seconds after all have left. With `--real` the pair
writes that the app shows first, fetched before, in place of scripted models. The exit status is 1 where anybody but the
hostile one met an error page or an ended connection.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.asyncio.client import connect

from tests.load.server import Server, serving
from tests.load.visitor import Visit, Visitor

HOSTILE = ("messages", "large", "tabs", "uploads")
BAD_ADDRESS = "198.51.100.66"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=60, help="seconds between a visitor's prompts (default: 60)")
    parser.add_argument("--rate", type=float, default=20, help="tokens/s of each reply when all write (default: 20)")
    parser.add_argument("--hostile", choices=HOSTILE)
    parser.add_argument("--afterwards", type=float, default=0)
    parser.add_argument("--real", action="store_true", help="the pair that the app shows first writes the replies")
    options = parser.parse_args(arguments)
    with serving(None if options.real else options.rate) as server:
        found = asyncio.run(
            measure(server, options.visitors, options.seconds, options.every, options.hostile, options.afterwards)
        )
    print(json.dumps(found))
    return int(bool(found["broken"]))


async def measure(
    server: Server, visitors: int, seconds: float, every_s: float, hostile: str | None = None, afterwards_s: float = 0
) -> dict[str, Any]:
    await Visitor(server.url, "192.0.2.250").stay(seconds=3, every_s=99, first_after_s=99)  # imports, models
    before, descriptors = server.memory_bytes(), server.descriptors()
    watching = asyncio.create_task(_watch(server))
    attack = asyncio.create_task(_attack(hostile, server.url)) if hostile else None
    visits = await asyncio.gather(*(_come(server.url, each, visitors, seconds, every_s) for each in range(visitors)))
    for task in filter(None, (attack, watching)):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.2)
    forget_what_was_cut()
    gone = time.monotonic()
    left = await _wait_until(server, before, descriptors, afterwards_s)
    return {
        "visitors": visitors,
        "seconds": seconds,
        "every_s": every_s,
        "hostile": hostile,
        **_figures(visits),
        "memory_mb": {"before": before // 10**6, "most": most[0] // 10**6, "afterwards": left // 10**6},
        "descriptors": {"before": descriptors, "most": most[1], "afterwards": server.descriptors()},
        "back_after_s": round(time.monotonic() - gone),
        "tracebacks": server.log.read_text().count("Traceback"),
    }


def forget_what_was_cut() -> None:
    """A connection that is cancelled while it is being made is left open by the client's library; now is its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def _come(url: str, number: int, of: int, seconds: float, every_s: float) -> Visit:
    late_s = number / of * seconds / 10
    await asyncio.sleep(late_s)
    first_s = min(every_s, seconds / 10) * (number % 7) / 7
    address = f"203.0.113.{number + 1}" if number < 250 else f"192.0.2.{number - 249}"
    return await Visitor(url, address).stay(seconds=seconds - late_s, every_s=every_s, first_after_s=first_s)


def _figures(visits: Sequence[Visit]) -> dict[str, Any]:
    opened = [visit.opened_s for visit in visits if visit.opened_s is not None]
    refused = [line for visit in visits for line in visit.refused]
    broken = [line for visit in visits for line in visit.broken]
    return {
        "prompts": sum(len(visit.took_s) for visit in visits),
        "opened_s": _spread(opened),
        "waited_s": _spread([each for visit in visits for each in visit.waited_s]),
        "took_s": _spread([each for visit in visits for each in visit.took_s]),
        "refused": len(refused),
        "broken": len(broken),
        "lines": sorted({*refused, *broken})[:5],
    }


def _spread(seconds: Sequence[float]) -> list[float] | None:
    """[median, slowest]."""
    return [round(statistics.median(seconds), 2), round(max(seconds), 2)] if seconds else None


most = [0, 0]


async def _watch(server: Server) -> None:
    most[:] = [0, 0]
    while True:
        most[:] = [max(most[0], server.memory_bytes()), max(most[1], server.descriptors())]
        await asyncio.sleep(0.5)


async def _wait_until(server: Server, memory: int, descriptors: int, seconds: float) -> int:
    """Memory once it and the descriptors are what they were, within a fifth, or after so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.memory_bytes() <= 1.2 * memory and server.descriptors() <= 1.2 * descriptors:
            break
        await asyncio.sleep(1)
    return server.memory_bytes()


async def _attack(kind: str, url: str) -> None:
    """One person at full speed, over and over, however often the server hangs up."""
    if kind == "tabs":
        busy = (Visitor(url, BAD_ADDRESS).stay(seconds=999, every_s=0, first_after_s=0) for _ in range(24))
        await asyncio.gather(*busy)
    while True:
        with contextlib.suppress(Exception):
            await (_upload(url) if kind == "uploads" else _flood(url, kind))
        await asyncio.sleep(0.05)


async def _flood(url: str, kind: str) -> None:
    message = BackMsg()
    message.rerun_script.query_string = "x" * 20_000_000 if kind == "large" else ""
    content = message.SerializeToString()
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    options: Any = {"subprotocols": ["streamlit"], "additional_headers": {"X-Forwarded-For": BAD_ADDRESS}}
    async with connect(address, **options, max_size=None) as socket:
        reader = asyncio.create_task(_swallow(socket))
        try:
            while True:
                await socket.send(content)
                await asyncio.sleep(0)
        finally:
            reader.cancel()


async def _swallow(socket: Any) -> None:
    with contextlib.suppress(Exception):
        async for _ in socket:
            continue


async def _upload(url: str) -> None:
    async with httpx.AsyncClient(headers={"X-Forwarded-For": BAD_ADDRESS}) as client:
        await client.put(f"{url}/_stcore/upload_file/session/file", content=b"x" * 2**20)


if __name__ == "__main__":
    sys.exit(main())
