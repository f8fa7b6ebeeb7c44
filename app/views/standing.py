"""The arena's standing: strengths, win rates, and how far people and graders agree."""

import streamlit as st

from app import runtime
from app.arena.vote_store import VotesError, votes_csv
from app.views.say import say_error, say_quietly
from benchmarks.charts.frame import colour_of
from benchmarks.charts.votes import standing_chart
from benchmarks.statistics.votes import PairVote, agreement, bradley_terry, win_rates


def show_standing() -> None:
    try:
        votes = runtime.votes().all()
    except VotesError as error:
        say_error(str(error))
        return
    battles = [vote.battle for vote in votes]
    try:
        strengths = bradley_terry(battles)
    except ValueError as error:
        say_quietly(f"No standing: {error}.")
        return
    labels = runtime.labels()
    models = [each.model for each in strengths]
    chart = standing_chart(strengths, labels, colour_of(models, order=list(runtime.registry())))
    st.altair_chart(chart)
    count = f"{len(votes):,} vote{'s' if len(votes) != 1 else ''}"
    st.caption(
        f"Bradley–Terry strengths from {count}, on the scale of chess: 400 points are odds of ten to one. "
        "Ties count as half a win. Where intervals overlap much, the votes do not tell the models apart."
    )
    _show_win_rates(battles, labels)
    _show_agreement(battles)
    if backup := runtime.vote_backup():
        say_quietly(backup.problem or "These votes are kept in a Hub dataset, too.")
    st.download_button(
        "All votes as CSV",
        votes_csv(votes),
        "tradeoff-votes.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_win_rates(battles: list[PairVote], labels: dict[str, str]) -> None:
    rows = [
        {
            "Model": labels.get(each.model, each.model),
            "Against": labels.get(each.against, each.against),
            "Preferred": each.share,
            "Wins": each.wins,
            "Losses": each.losses,
            "Ties": each.ties,
            "Of decided, from": each.decided.low if each.decided else None,
            "to": each.decided.high if each.decided else None,
        }
        for each in win_rates(battles)
    ]
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        rows,
        hide_index=True,
        column_config=dict.fromkeys(("Preferred", "Of decided, from", "to"), percent),
        alt="Win rates of every pair of models",
    )


def _show_agreement(battles: list[PairVote]) -> None:
    found = agreement(battles)
    if found.share is None:
        st.caption("People and graders: no vote yet on a graded prompt whose two replies the graders told apart.")
        return
    st.caption(
        f"People and graders: where the graders called one reply right and the other wrong, {found.same} of "
        f"{found.same + found.opposite} deciding votes went to the right one ({found.share.estimate:.0%}, 95% interval "
        f"{found.share.low:.0%} to {found.share.high:.0%}); {found.undecided} preferred neither, and in "
        f"{found.equal_grades} votes the graders saw no difference."
    )
