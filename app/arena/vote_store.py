"""Votes in one SQLite file.

WAL mode: readers and one writer at a time do not disturb each other, and a killed process loses no vote that was
confirmed. What was asked is kept only where it is a suite's prompt, never a visitor's own words.
"""

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from app.chat.inert import inert_cell
from benchmarks.statistics.votes import OUTCOMES, Outcome, PairVote
from data.errors import TradeoffError

BUSY_S = 3.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS votes (
    battle_id TEXT PRIMARY KEY, voted_at TEXT NOT NULL, model_a TEXT NOT NULL, model_b TEXT NOT NULL,
    outcome TEXT NOT NULL, suite TEXT, prompt_id TEXT, grade_a REAL, grade_b REAL
) STRICT
"""


class VotesError(TradeoffError):
    """Votes cannot be read or stored; one line for the person."""


class VotedAlready(VotesError):
    """This battle has its vote."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One vote as stored; A is the side that stood left.

    Attributes:
        suite, prompt_id: Where the prompt was a suite's.
        grade_a, grade_b: What the suite's grader says of the two replies.
    """

    battle_id: str
    model_a: str
    model_b: str
    outcome: Outcome
    voted_at: str = ""
    suite: str | None = None
    prompt_id: str | None = None
    grade_a: float | None = None
    grade_b: float | None = None

    @property
    def battle(self) -> PairVote:
        return PairVote(
            a=self.model_a, b=self.model_b, outcome=self.outcome, grade_a=self.grade_a, grade_b=self.grade_b
        )


COLUMNS = tuple(field.name for field in fields(Vote))


class VoteStore:
    """The file of votes; it is made at the first one. Safe for several threads and processes."""

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._busy_s = busy_s

    def add(self, vote: Vote) -> Vote:
        """Store a vote and return it with its time; when this returns, it is on disk.

        Raises:
            VotedAlready: The battle has been voted on.
            VotesError: The file is locked, corrupt, or cannot be written.
        """
        if vote.outcome not in OUTCOMES:
            raise VotesError(f"unknown outcome {vote.outcome!r}; known: {', '.join(OUTCOMES)}")
        values = asdict(vote) | {"voted_at": vote.voted_at or datetime.now(UTC).isoformat(timespec="seconds")}
        with self._connection() as connection:
            try:
                with connection:
                    connection.execute(_insert("INSERT"), values)
            except sqlite3.IntegrityError:
                raise VotedAlready("this battle has your vote already; start the next one") from None
        return Vote(**values)

    def merge(self, votes: list[Vote]) -> int:
        """Take in votes kept elsewhere; those that are here stay as they are. Returns how many were new."""
        with self._connection() as connection, connection:
            before = connection.total_changes
            connection.executemany(_insert("INSERT OR IGNORE"), [asdict(vote) for vote in votes])
            return connection.total_changes - before

    def all(self) -> list[Vote]:
        """Every vote, oldest first.

        Raises:
            VotesError: The file is locked or corrupt.
        """
        if not self.path.exists():
            return []
        with self._connection() as connection:
            rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM votes ORDER BY voted_at, battle_id").fetchall()
        return [Vote(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=self._busy_s)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(_SCHEMA)
                yield connection
        except sqlite3.OperationalError as error:
            raise VotesError(f"{self.path.name}: {error}; try again in a moment") from None
        except sqlite3.DatabaseError as error:
            raise VotesError(f"{self.path.name}: {error}; move the file away, and a new one is begun") from None
        except OSError as error:
            raise VotesError(f"{self.path.name}: {error.strerror}") from None


def votes_csv(votes: list[Vote]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for vote in votes:
        writer.writerow([inert_cell(value) if isinstance(value, str) else value for value in asdict(vote).values()])
    return out.getvalue()


def _insert(verb: str) -> str:
    return f"{verb} INTO votes ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
