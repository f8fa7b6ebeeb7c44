"""Taking a comparison away: as a file, or as a link."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import runtime
from app.chat.conversation import Turn
from app.chat.export import as_csv, as_json, as_markdown, as_record, digest
from app.chat.shares import Receipt, ShareError
from app.views.say import say_error
from data.errors import TradeoffError

FORMS = (
    ("Markdown", "md", "text/markdown", as_markdown),
    ("JSON", "json", "application/json", as_json),
    ("CSV", "csv", "text/csv", as_csv),
)


def show_export(turns: Sequence[Turn]) -> None:
    popover = st.popover("Export", icon=":material/download:", key="export", on_change="rerun")
    if not popover.open:
        return
    with popover:
        labels = runtime.labels()
        for name, ending, mime, write in FORMS:
            st.download_button(
                name,
                write(turns, labels),
                file_name=f"tradeoff-comparison.{ending}",
                mime=mime,
                key=f"export_{ending}",
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )


def show_share(turns: Sequence[Turn]) -> None:
    popover = st.popover("Share", icon=":material/link:", key="share", on_change="rerun")
    if not popover.open:
        return
    with popover:
        record = as_record(turns, runtime.labels())
        receipt = runtime.chat().receipts.get(digest(record))
        if not all(turn.lanes for turn in turns):
            st.caption("A prompt without replies cannot be shared; send it again, or Clear.")
        elif receipt is None:
            prompts = (
                "this prompt and its replies" if len(turns) == 1 else f"these {len(turns)} prompts and their replies"
            )
            st.caption(f"Stores {prompts} on the server, for whoever has the link. You can delete it again.")
            st.button("Make a link", key="make_link", icon=":material/link:", on_click=_share, args=(record,))
        else:
            st.caption("Whoever has this link sees this comparison as it is now. It is never generated again.")
            st.code(address(receipt.id), language=None)
            st.button("Delete it", key="delete_share", icon=":material/delete:", on_click=_delete, args=(receipt,))
        if problem := st.session_state.pop("share_problem", None):
            say_error(problem)


def address(share_id: str) -> str:
    """The link's address on this server."""
    origin = "/".join(str(st.context.url or "").split("/")[:3])
    return f"{origin}/shared?id={share_id}"


def _share(record: dict[str, Any]) -> None:
    try:
        runtime.count("links")
        runtime.chat().receipts[digest(record)] = runtime.shares().store(record)
    except TradeoffError as error:
        st.session_state.share_problem = str(error)


def _delete(receipt: Receipt) -> None:
    try:
        runtime.shares().delete(receipt.id, receipt.key)
    except ShareError as error:
        st.session_state.share_problem = str(error)
    receipts = runtime.chat().receipts
    for key in [key for key, each in receipts.items() if each.id == receipt.id]:
        del receipts[key]
