"""Method: how the figures are made, what they do not show, and what became of the report's claims."""

import streamlit as st

from app.results_cache import all_runs, claims_of

MEASURED = """
- **Speed** is measured with nothing else running, one answer at a time, from a cold cache: the whole prompt is read
  again for each sample, and the engine's own counters prove it. Warm-up answers are thrown away; models take turns, so
  that a drift of the machine falls on all alike.
- **Decode tok/s** counts decode time only, without the first token, which the prefill gave. **Prefill tok/s** counts
  computed tokens only. Tokens do not compare across tokenizers: characters/s and seconds per answer do.
- **Quality** is graded by rules, not by another model: exact and numeric answers, formats, keywords. An answer that
  could not be graded is counted apart, never as wrong.
- **Every sample is kept**, those during which the machine was throttled or busy elsewhere with a flag.
- **Differences are paired**: both models saw the same prompts. Intervals are 95%, clustered where prompts share a
  template; p comes from McNemar's exact test. “Not separable” is said where that is so, with the smallest difference
  that the run could have found.
- **Seconds per correct answer** are the mean seconds of an answer over the share that is correct.
- **Right within the time one has**: each answer's grade, its token counts and the model's rates on one machine say
  whether it would be right and finished within so many seconds. What its token limit cut is finished at no time, and a
  curve ends where more than 3% of its answers were cut.
- **Truncated answers** are a class of their own: every share says what it would be if all of them were wrong, or right,
  and where that could turn a verdict round, none is given. A reply that repeats itself word for word is ended and
  counted apart.
- **In chat** all models share the processor in equal time, and each rate counts its own time only.
- **In the arena** both replies are played at one pace after both are finished. Strengths are Bradley–Terry's, with a
  weak prior; few votes give wide intervals.
"""

NOT_SHOWN = """
- A few hundred short English prompts are not your task.
- Speeds hold for the CPU, build and threads that each run names; they do not carry over to another machine.
- Graders judge what can be judged by rule: neither style nor depth.
- The largest model measured has 1.5 billion parameters, the embedded ones a tenth: they say nothing of 3B or 7B.
- Figures under a chat's reply are made while the browser and the server use the same cores.
"""

st.subheader("How it is measured", anchor=False)
st.markdown(MEASURED)
st.subheader("What the numbers do not show", anchor=False)
st.markdown(NOT_SHOWN)
st.subheader("The report's claims, and the evidence here", anchor=False)
st.caption(
    "The project grew from a course report that fine-tuned Llama-3.2-1B with rank 8 and 3B with rank 16, and judged "
    "them by two prompts. It changed size and rank at once. This is what the runs here say, of the models in them:"
)
state, found = all_runs()
for each in claims_of(state, found.runs):
    with st.container(border=True):
        st.markdown(f"**{each.claim}**")
        st.text(each.evidence)
st.page_link("app_pages/results.py", label="All results", icon=":material/scatter_plot:")
