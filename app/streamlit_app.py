"""The pages, which `app.asgi` serves. Alone: `python -m streamlit run app/streamlit_app.py` from the root."""

import streamlit as st

from app import runtime
from app.views.say import say_error
from data.models.entries import RegistryError
from data.paths import ROOT

st.set_page_config(page_title="Tradeoff", page_icon="app/static/icon.png", layout="wide")
st.html(ROOT / "app" / "static" / "phone.css")

try:
    runtime.service()
except RegistryError as error:
    say_error(str(error))
    st.stop()

runtime.keep_alive()
if banner := runtime.catalogue().banner:
    st.warning(banner, icon=":material/cloud_off:")
pages = [
    st.Page("app_pages/compare.py", title="Compare", icon=":material/compare_arrows:", default=True),
    st.Page("app_pages/results.py", title="Results", icon=":material/scatter_plot:"),
    st.Page("app_pages/arena.py", title="Arena", icon=":material/how_to_vote:"),
    st.Page("app_pages/models.py", title="Models", icon=":material/deployed_code:"),
    st.Page(
        "app_pages/benchmark.py",
        title="Benchmark",
        icon=":material/speed:",
        visibility="visible" if runtime.operator() else "hidden",
    ),
    st.Page(
        "app_pages/pick.py",
        title="Pick",
        icon=":material/stairs_2:",
        visibility="visible" if runtime.operator() else "hidden",
    ),
    st.Page("app_pages/method.py", title="Method", icon=":material/straighten:"),
    st.Page("app_pages/shared.py", title="Shared", icon=":material/link:", visibility="hidden"),
]
st.navigation(pages, position="top").run()
