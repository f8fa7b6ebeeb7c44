"""Shared: one stored comparison, exactly as it was. Nothing is generated here."""

from typing import Any

import streamlit as st

from app import runtime
from app.chat.shares import ShareError
from app.views.reply import plain_switch, show_text
from app.views.say import say_info, say_warning

state, share_id = st.session_state, st.query_params.get("id", "")


def delete(key: str) -> None:
    try:
        runtime.shares().delete(share_id, key, operator=runtime.operator())
        state.share_note = "The shared comparison was deleted; its link is dead."
    except ShareError as error:
        state.share_note = str(error)


def show_turn(turn: dict[str, Any], place: int) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        if turn.get("system"):
            st.caption("With a system prompt:")
            st.text(turn["system"])
        st.text(turn["prompt"])
    if not turn["replies"]:  # stored by an earlier version
        st.caption("No replies were stored.")
        return
    columns = st.columns(len(turn["replies"]), border=True)
    for index, (column, reply) in enumerate(zip(columns, turn["replies"], strict=True)):
        with column:
            st.text(reply["label"])
            if reply.get("text"):
                show_text(reply["text"], f"{place}_{index}")
            else:
                st.text(reply.get("error") or "No text.")
            st.caption(reply["statistics"])


if note := state.pop("share_note", None):
    say_info(note)
try:
    shared = runtime.shares().load(share_id)
except ShareError as error:
    say_warning(str(error), ":material/link_off:")
    st.page_link("app_pages/compare.py", label="Compare models yourself", icon=":material/compare_arrows:")
    st.stop()

st.caption(f"Shared on {shared['created_at'][:10]}. Shown as it was stored; nothing is generated again.")
plain_switch()
for place, turn in enumerate(shared["turns"]):
    show_turn(turn, place)

receipts = [each for each in runtime.chat().receipts.values() if each.id == share_id]
if receipts or runtime.operator():
    key = receipts[0].key if receipts else ""
    st.button("Delete this link", key="delete_shared", icon=":material/delete:", on_click=delete, args=(key,))
