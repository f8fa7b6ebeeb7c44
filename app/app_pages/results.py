"""Results: placeholder until the charts are in."""

import streamlit as st

st.title("Results")
