"""What people's phones and status say in a simulation: their days, and presence events that agree with the calls. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ingest.simulate.office import Agent, Draw, Office
from ingest.simulate.shapes import Put, presence


class People:
    """Puts presence events, unless nobody wants them (`told`); the days are lived all the same."""

    def __init__(self, put: Put, draw: Draw, *, told: bool) -> None:
        self.put, self.draw, self.told = put, draw, told

    def begin_day(self, offices: Iterable[Office], midnight: datetime) -> None:
        """Shifts, lunches and pauses of one local day, told ahead of time."""
        draw = self.draw
        weekday = midnight.weekday()
        at_work = (0.94, 0.94, 0.94, 0.94, 0.92, 0.2, 0.04)[weekday]
        zero = int(midnight.timestamp() * 1000)
        back = midnight + timedelta(days=3 if weekday == 4 else 2 if weekday == 5 else 1, hours=9)
        for place in offices:
            for n, agent in enumerate(place.agents):
                if draw() > at_work or (weekday < 5 and (n + midnight.toordinal() // 7) % 23 == 0):
                    agent.on_from = agent.on_until = 0
                    continue
                minute = 60_000
                short = weekday > 4
                agent.on_from = zero + int((450 + agent.early_bird * 90 + draw() * 15) * minute)
                agent.on_until = agent.on_from + int((240 if short else 500 + draw() * 60) * minute)
                agent.lunch_from = agent.lunch_until = agent.pause_from = agent.pause_until = 0
                self.status(place, agent, agent.on_from, "available")
                if not short:
                    agent.lunch_from = zero + int((715 + agent.early_bird * 60 + draw() * 20) * minute)
                    agent.lunch_until = agent.lunch_from + int((35 + draw() * 25) * minute)
                    self.status(place, agent, agent.lunch_from, "away", until=agent.lunch_until, message="Lunch")
                    self.status(place, agent, agent.lunch_until, "available")
                    if draw() < 0.4:
                        agent.pause_from = zero + int((870 + draw() * 60) * minute)
                        agent.pause_until = agent.pause_from + int((10 + draw() * 35) * minute)
                        message = "In a meeting" if draw() < 0.7 else None
                        self.status(place, agent, agent.pause_from, "dnd", until=agent.pause_until, message=message)
                        self.status(place, agent, agent.pause_until, "available")
                self.status(place, agent, agent.on_until, "away", until=int(back.timestamp() * 1000))
                self.phone(place, agent, agent.on_from - 1500, "registered")
                agent.free_at = max(agent.free_at, agent.on_from)

    def status(self, place: Office, agent: Agent, at: int, status: str, *, until: int | None = None, message: str | None = None) -> None:
        location = None
        if agent.mobile and status == "available":
            location = {"address": "1 Example Street", "lat": 45.46 + agent.early_bird / 50, "lng": 9.18 + agent.diligence / 50}
        until_text = None
        if until is not None:
            until_text = datetime.fromtimestamp(until // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self._say("user", place, agent, at, {"status": status, "until": until_text, "message": message, "location": location})

    def phone(self, place: Office, agent: Agent, at: int, status: str) -> None:
        self._say("telephony", place, agent, at, {"status": status})

    def _say(self, kind: str, place: Office, agent: Agent, at: int, said: dict[str, object]) -> None:
        if self.told:
            data = {"extension": agent.extension, "email": agent.email, "sourceId": place.pbx} | said
            body = presence(
                kind,
                at,
                subject_id=agent.subject_id,
                pbx=place.pbx,
                company=place.company,
                integration_id=place.integration_id,
                data=data,
            )
            self.put(at, body)

    def conference(self, at: int, place: Office, members: list[Agent]) -> None:
        for joined, moment in ((True, at), (False, at + 120_000 + int(self.draw() * 900_000))):
            for n, agent in enumerate(members):
                party = {
                    "type": "LOCAL",
                    "jid": f"{agent.extension}@pbx.example.com",
                    "name": agent.name,
                    "email": agent.email,
                    "department": None,
                    "company": place.company,
                }
                said: dict[str, object] = {"isJoined": joined, "isLeaved": not joined, "participant": party}
                self._say("conference", place, agent, moment + n * 700, said)
