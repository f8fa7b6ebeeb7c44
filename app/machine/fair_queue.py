"""Whose turn is next: one of each person's, then the second of each, and so on."""

A_ROUND = 8


class FairQueue:
    """Ids in the order in which their turn comes; each belongs to a person.

    Every id gets a round when it comes: the one that is being served now, or the one after its person's last. So who
    fills the queue waits behind their own, whoever comes later. Within a round, first come first served. A round takes
    in newcomers until eight were served of it: so nobody waits for ever.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, str]] = {}  # id -> round and person, in the order of arrival
        self._next: dict[str, int] = {}  # person -> the round of what they bring next
        self._round = self._served = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, job: str) -> bool:
        return job in self._waiting

    def add(self, job: str, person: str) -> None:
        turn = max(self._round + self._served // A_ROUND, self._next.get(person, 0))
        self._waiting[job] = (turn, person)
        self._next[person] = turn + 1

    def remove(self, job: str) -> None:
        """It was not served, so that it counts for nothing."""
        if job in self._waiting:
            turn, person = self._waiting.pop(job)
            if self._next[person] == turn + 1:
                self._next[person] = turn

    def pop(self) -> str:
        """The next one, which is served from now on."""
        job = self.in_order()[0]
        before, (self._round, _) = self._round, self._waiting.pop(job)
        self._served = self._served + 1 if self._round == before else 1
        self._next = {person: turn for person, turn in self._next.items() if turn > self._round}
        return job

    def held_by(self, person: str) -> int:
        return sum(each == person for _, each in self._waiting.values())

    def in_order(self) -> list[str]:
        return sorted(self._waiting, key=lambda job: self._waiting[job][0])
