"""Serve the app: `python -m app.serve [--port 8501] [--host ADDRESS] [--api]`."""

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from app.machine.descriptors import problem_with, raise_limit
from data.command import parser_of, run_command, say
from data.errors import TradeoffError
from data.llama_library import library_dir
from data.paths import ROOT
from data.settings import API, OPERATOR_TOKEN


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("app.serve", "Serve Tradeoff in the browser.")
    parser.add_argument("--port", type=int, default=8501, help="default: 8501")
    parser.add_argument(
        "--host", default="localhost", help="address to listen on; 0.0.0.0 for all (default: localhost)"
    )
    parser.add_argument(
        "--api",
        action="store_true",
        help=f"also /v1/chat/completions and /v1/models, for {OPERATOR_TOKEN.name} as Bearer",
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: _serve(options), interrupted="nothing was started")


def _serve(options: argparse.Namespace) -> int:
    if problem := problem_with_port(options.host, options.port):
        raise TradeoffError(problem)
    if options.api:
        from app.chat.visitors import problem_with_token, usable_token

        if usable_token(os.environ) is None:
            raise TradeoffError(problem_with_token(os.environ) or f"--api needs a token; set {OPERATOR_TOKEN.name}")
        os.environ[API.name] = "1"
    library = library_dir()
    print(f"Tradeoff on http://{options.host}:{options.port} (llama.cpp: {library.name})", flush=True)
    if problem := problem_with(raise_limit()):
        say(problem)
    os.chdir(ROOT)
    flags = [f"--server.port={options.port}", f"--server.address={options.host}"]
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", "app/asgi.py", *flags])


def problem_with_port(host: str, port: int) -> str | None:
    """Why the address cannot be served on, in one line; None when it can."""
    if not 1 <= port <= 65535:
        return f"port {port} does not exist; choose one from 1 to 65535"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"cannot serve on {host}:{port} ({error.strerror}); choose another: PORT=8502 make app"
    return None


if __name__ == "__main__":
    sys.exit(main())
