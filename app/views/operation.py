"""How the app fares, for the operator: counts, the queue, rates and memory."""

import streamlit as st

from app import runtime
from app.machine import descriptors
from app.machine.loaded_models import resident_bytes_of
from data import events
from data.files import size_text

LOOK_S = 5.0
NAMES = {
    "connection.opened": "Pages opened",
    "connection.refused": "Pages refused",
    "connection.ended": "Connections ended for too many messages",
    "message.dropped": "Messages dropped",
    "upload.refused": "Uploads refused",
    "comparison.queued": "Comparisons asked for",
    "comparison.ended": "Comparisons ended",
    "model.loaded": "Models loaded",
    "model.unloaded": "Models unloaded",
    "worker.died": "Workers that died",
}


def show_operation() -> None:
    popover = st.popover("Operation", icon=":material/monitoring:", key="operation", on_change="rerun")
    if popover.open:
        with popover:
            _show_figures()


@st.fragment(run_every=LOOK_S)
def _show_figures() -> None:
    st.table(figures(), border="horizontal")
    st.caption(
        "Since the app was started. `python -m app.doctor` looks at the machine; logs are on stderr, one JSON a line."
    )


def figures() -> dict[str, dict[str, str]]:
    """One column: what, and how much."""
    service = runtime.service()
    load, models, counts = service.load(), service.models, events.counts()
    found = {
        "Pages open now": f"{counts.get('connection.opened', 0) - counts.get('connection.closed', 0):,}",
        "Comparisons running and waiting": f"{load.running} and {load.waiting}",
        "A comparison takes": f"{load.took_s:.1f} s" if load.took_s is not None else "–",
        "Models in memory": f"{len(models.loaded)}: {size_text(models.taken_bytes)} of {size_text(models.budget)}",
        "Memory of the worker": size_text(models.resident_bytes or 0),
        "Memory of the pages": size_text(resident_bytes_of(None) or 0),
        "File descriptors": f"{descriptors.in_use():,} of {descriptors.limit():,}",
    }
    return {"": found | {name: f"{counts.get(event, 0):,}" for event, name in NAMES.items()}}
