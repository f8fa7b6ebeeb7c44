"""Whose turn is next: one of each person's, then the second of each, and so on."""


class FairQueue:
    """Ids in the order in which their turn comes; each belongs to a person. Start-time fair queueing.

    Every id starts when it comes, or one turn after its person's last: so who fills the queue waits behind their own,
    whoever comes later, and who has just been served behind all who wait. The clock goes one turn further while
    everybody who waits is served once: so nobody waits for ever behind those who keep coming.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}  # id -> person, in the order of arrival
        self._start: dict[str, float] = {}  # person -> the turn of their first that waits, or of what they bring next
        self._now = self._step = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, job: str) -> bool:
        return job in self._waiting

    def add(self, job: str, person: str) -> None:
        if not self.held_by(person):
            self._start[person] = max(self._now, self._start.get(person, 0.0))
        self._waiting[job] = person

    def remove(self, job: str) -> None:
        """It was not served, so that it counts for nothing."""
        self._waiting.pop(job, None)

    def pop(self) -> str:
        """The next one, which is served from now on."""
        job = self.in_order()[0]
        people = set(self._waiting.values())
        person = self._waiting.pop(job)
        self._now = max(self._now + self._step, self._start[person])
        self._step = 1 / len(people)
        self._start[person] += 1
        self._start = {each: start for each, start in self._start.items() if each in people or start > self._now}
        return job

    def held_by(self, person: str) -> int:
        return sum(each == person for each in self._waiting.values())

    def in_order(self) -> list[str]:
        turns, taken = {}, dict(self._start)
        for job, person in self._waiting.items():
            turns[job] = taken[person]
            taken[person] += 1
        return sorted(turns, key=turns.__getitem__)
