"""A believable phone system: seed → events in order of time. Pure: the same scenario gives the same bytes.

Calls come by weekday and hour of the office's own time zone, are handled by people with shifts, lunches and one phone
each, and leave the traces that reports live on: queues that ring in turn or all at once, overflow, transfers, holds,
abandons, rejections, busy and dead numbers, voicemail, menus that pick up, callers who try again or are called back.
What people's phones and status say (presence) agrees with the calls.

The calls are played in order of their start, each to its end at once, its events laid into the five-minute slots they
belong to; a slot is sorted and given out when every call has begun that could add to it. So memory holds the calls in
flight, whatever their number. A call still going on at `end_ms` has no end yet.
"""

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.simulate.office import Agent, Office, Outsider, Queue, office, outsiders, participant
from ingest.simulate.people import People
from ingest.simulate.shapes import CallScript, Party

MS_PER_DAY = 86_400_000
SLOT_MS = 300_000

# how many calls come at each hour of a working day, before lunch most; then what a weekday is worth
HOURS = (2, 1, 1, 1, 1, 2, 5, 18, 62, 100, 112, 104, 66, 50, 82, 100, 92, 66, 30, 13, 8, 5, 3, 2)
WEEKDAYS = (1.2, 1.06, 1.0, 0.97, 0.9, 0.16, 0.06)

NORMAL = ("16", "Normal Clearing")
REJECTED = ("21", "Call Rejected")
BUSY = ("17", "User busy")
NO_ANSWER = ("19", "No answer from user")
FAILURES = (
    ("1", "Unallocated number"), ("1", "Unallocated number"), ("28", "Invalid number format"), ("3", "No route to destination"),
    ("34", "No circuit available"), ("38", "Network out of order"), ("41", "Temporary failure"), ("27", "Destination out of order"),
)  # fmt: skip
VANISHED = ("487", "Request Terminated")


class Event(NamedTuple):
    """One event of the vendor's: when, and its body byte for byte."""

    time_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to play.

    Attributes:
        calls, days, end_ms: so many calls begin in so many days before that instant (epoch ms).
        companies: how many; the first is the largest.
        integration_id: of every event; without one each company has its own.
        presence: whether presence events are among them.
        completed_share, live_share, lost_share: of the calls, those with the vendor's own account afterwards
            (call:completed); those told as call:live:*; those whose end never comes.
    """

    seed: int
    calls: int
    end_ms: int
    days: int = 14
    companies: int = 1
    time_zone: str = "Europe/Rome"
    integration_id: str | None = None
    presence: bool = True
    completed_share: float = 0.25
    live_share: float = 0.04
    lost_share: float = 0.003


def events(scenario: Scenario) -> Iterator[Event]:
    """The events of a scenario, in order of time; those of one millisecond in the order in which they came about."""
    return _Play(scenario).run()


class _Play:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.draw = random.Random(scenario.seed).random
        self.zone = ZoneInfo(scenario.time_zone)
        self.start_ms = scenario.end_ms - scenario.days * MS_PER_DAY
        self.slots: dict[int, list[tuple[int, int, bytes]]] = {}
        self.number = 0
        self.follow_ups: list[tuple[int, int, int, Outsider, str, Queue | None]] = []
        self.people = People(self._put, self.draw, told=scenario.presence)
        self.outsiders = outsiders(self.draw)
        self.weights = self._slot_weights()
        self.offices = self._offices()

    # ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Iterator[Event]:
        draw, weights, end_ms = self.draw, self.weights, self.scenario.end_ms
        total = sum(weights) or 1.0
        day, reached, given = None, 0.0, 0
        for slot, weight in enumerate(weights):
            slot_ms = self.start_ms + slot * SLOT_MS
            today = self._local(slot_ms).date()
            if today != day:
                day = today
                self.people.begin_day(self.offices, datetime(today.year, today.month, today.day, tzinfo=self.zone))
            reached += weight
            upto = self.scenario.calls if slot == len(weights) - 1 else int(self.scenario.calls * reached / total + 0.5)
            if upto > given:
                for at in sorted([slot_ms + int(draw() * SLOT_MS) for _ in range(upto - given)]):
                    self._call(at)
                given = upto
            for time_ms, _, body in sorted(self.slots.pop(slot, ())):
                if time_ms <= end_ms:
                    yield Event(time_ms, body)

    def _put(self, at: int, body: bytes) -> None:
        # what happened before the first instant is nobody's to tell
        if at >= self.start_ms:
            self.number += 1
            slot = (at - self.start_ms) // SLOT_MS
            if slot < len(self.weights):
                self.slots.setdefault(slot, []).append((at, self.number, body))

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, self.zone)

    def _slot_weights(self) -> list[float]:
        weights: list[float] = []
        hour, here = -1, 0.0
        for slot in range(self.scenario.days * MS_PER_DAY // SLOT_MS):
            at = self.start_ms + slot * SLOT_MS
            if at // 3_600_000 != hour:
                hour = at // 3_600_000
                local = self._local(at)
                here, after = HOURS[local.hour], HOURS[(local.hour + 1) % 24]
                factor = WEEKDAYS[local.weekday()]
            share = at % 3_600_000 / 3_600_000
            weights.append((here + (after - here) * share) * factor * (0.5 + self.draw()))
        return weights

    def _offices(self) -> list[Office]:
        scenario = self.scenario
        # enough people for Monday's busiest hour: 10 % of the day's calls, three and a half minutes each, two thirds busy
        per_day = max(scenario.calls / max(scenario.days, 1), max(self.weights, default=0) and 1)
        if scenario.days >= 7:
            per_day *= 7 / 5.35
        rest = 1.0
        offices: list[Office] = []
        self.office_limits: list[float] = []
        for index in range(scenario.companies):
            share = 1.0 if index == scenario.companies - 1 else 0.5 if index == 0 else 0.4
            agents = max(9, math.ceil(per_day * rest * share * 1.2 * 0.12 * 210 / 3600 / 0.66))
            offices.append(office(index, agents, integration_id=scenario.integration_id, draw=self.draw))
            rest *= 1 - share
            self.office_limits.append(1 - rest)
        return offices

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _call(self, at: int) -> None:
        """One call begins: the one who tries again if it is time for it, else a new one."""
        draw = self.draw
        if self.follow_ups and self.follow_ups[0][0] <= at:
            _, _, index, outsider, way, queue = heapq.heappop(self.follow_ups)
            place = self.offices[index]
            if way == "again" and queue is not None:
                self._queue_call(at, index, queue, outsider)
                return
            agent = place.any_agent(at, draw)
            if agent is not None:
                self._outbound(at, place, agent, outsider)
                return
            self._follow_up(at + 3_600_000, index, outsider, way, queue)
        index = 0
        if len(self.offices) > 1:
            chance = draw()
            while chance >= self.office_limits[index]:
                index += 1
        place = self.offices[index]
        kind = draw()
        agent = place.any_agent(at, draw)
        if agent is None or kind < 0.5:
            queue = place.queues[int(draw() ** 1.6 * len(place.queues))]
            self._queue_call(at, index, queue, self._outsider())
        elif kind < 0.62:
            self._direct(at, index, self._somebody(place, at), self._outsider())
        elif kind < 0.87:
            self._outbound(at, place, agent, self._outsider())
        else:
            self._internal(at, place, agent)

    def _somebody(self, place: Office, at: int) -> Agent:
        """The one who is wanted: mostly somebody who is there, and may be on the phone or at home."""
        agent = place.any_agent(at, self.draw) if self.draw() < 0.62 else None
        return agent or place.agents[int(self.draw() * len(place.agents))]

    def _outsider(self) -> Outsider:
        if self.draw() < 0.03:
            return self.outsiders[-1]
        return self.outsiders[int(self.draw() ** 2 * (len(self.outsiders) - 1))]

    def _follow_up(self, due: int, index: int, outsider: Outsider, way: str, queue: Queue | None) -> None:
        self.number += 1
        heapq.heappush(self.follow_ups, (due, self.number, index, outsider, way, queue))

    def _missed(self, at: int, index: int, outsider: Outsider, queue: Queue | None) -> None:
        """Nobody spoke to this caller: some try again, some are called back, the rest wait in vain."""
        if outsider.phone is None:
            return
        chance, wait = self.draw(), -math.log(1 - self.draw())
        hour = self._local(at).hour
        later = (15 - hour % 24) % 24 * 3_600_000 if hour >= 18 or hour < 7 else 0
        if chance < 0.42:
            self._follow_up(at + 60_000 + later + int(wait * 1_200_000), index, outsider, "again", queue)
        elif chance < 0.72:
            self._follow_up(at + 300_000 + later + int(wait * 4_800_000), index, outsider, "back", queue)

    def _script(
        self,
        place: Office,
        at: int,
        caller: Party,
        destination: str | None,
        direction: str,
        *,
        trunk_name: str | None = None,
        remote_phone: str | None = None,
    ) -> CallScript:
        place.call_number += 1
        scenario, draw = self.scenario, self.draw
        lost = draw() < scenario.lost_share
        return CallScript(
            self._put,
            call_id=f"{place.company}_{at // 1000}.{place.call_number}",
            pbx=place.pbx,
            company=place.company,
            integration_id=place.integration_id,
            caller=caller,
            destination=destination,
            direction=direction,
            trunk_name=trunk_name,
            remote_phone=remote_phone,
            live=draw() < scenario.live_share,
            lost=lost,
            completed=draw() < scenario.completed_share,
        )

    def _trunk(self, place: Office) -> str:
        return place.trunks[int(self.draw() ** 1.5 * len(place.trunks))]

    def _queue_call(self, at: int, index: int, queue: Queue, outsider: Outsider) -> None:
        place, draw = self.offices[index], self.draw
        script = self._script(
            place,
            at,
            outsider.party,
            queue.number,
            "INBOUND",
            trunk_name=self._trunk(place),
            remote_phone=outsider.phone,
        )
        script.start(at, "CONNECTING", "waitTime")
        if draw() < 0.06:
            script.tags = ["vip"]
        closed = queue.next_free_at(at) is None and (queue.overflow is None or queue.overflow.next_free_at(at) is None)
        if queue.menu is not None:
            script.service, script.callee = "main", queue.menu
            at += 40 + int(draw() * 400)
            script.update(at, "TALKING", "waitTime")
            if draw() < 0.03:
                self._hang_up(script, at + 1000 + int(draw() * 9000), "TALKING", index, outsider, queue)
                return
            at += 4000 + int(draw() * 16_000)
            script.tags = [*script.tags, queue.menu_tag]
        else:
            at += int(draw() * 3)
        if closed:
            self._closed(script, at, index, outsider, queue)
        else:
            self._wait_in(script, at, index, queue, outsider, overflows=2)

    def _closed(self, script: CallScript, at: int, index: int, outsider: Outsider, queue: Queue) -> None:
        """Nobody is at work: an announcement, or a message after it."""
        place, draw = self.offices[index], self.draw
        script.tags = [*script.tags, "closed"]
        script.callee = participant(type="LOCAL", phone="5100", name="Closed announcement")
        script.update(at, "TALKING", "waitTime")
        at += 5000 + int(draw() * 9000)
        if draw() < 0.35:
            self._voicemail(script, at, place)
        elif draw() < 0.5:
            script.end(at, "TALKING", *NORMAL, "CALLEE")
        else:
            script.end(at - 2500, "TALKING", *NORMAL, "CALLER")
        self._missed(at, index, outsider, queue)

    def _voicemail(self, script: CallScript, at: int, place: Office) -> int:
        script.callee = place.voicemail
        script.flags = ["voicemail"]
        script.update(at, "TALKING", "talkTime")
        at += 8000 + int(self.draw() * 50_000)
        script.end(at, "TALKING", *NORMAL, "CALLER")
        return at

    def _hang_up(self, script: CallScript, at: int, status: str, index: int, outsider: Outsider, queue: Queue | None) -> None:
        """The caller gives up before anybody answered; now and then the vendor calls that a rejection (its guide does)."""
        chance = self.draw()
        cause = REJECTED if chance < 0.15 else VANISHED if chance < 0.18 else NORMAL
        script.end(at, status, *cause, "CALLER")
        self._missed(at, index, outsider, queue)

    def _wait_in(self, script: CallScript, at: int, index: int, queue: Queue, outsider: Outsider, *, overflows: int) -> None:
        place, draw = self.offices[index], self.draw
        script.queue_name, script.queue_id, script.callee = queue.name, queue.queue_id, queue.party
        waiting = "TALKING" if queue.picks_up else "CONNECTING"
        script.update(at, waiting, "queueTime")
        leaves_at = at + (1000 + int(draw() * 3800) if draw() < 0.05 else 5000 - int(math.log(1 - draw()) * 150_000))
        limit_at = at + queue.patience_ms
        at += 150 + int(draw() * 900)
        while True:
            agents = queue.next_agents(at, 5 if queue.ring_all else 1)
            if not agents:
                free_at = queue.next_free_at(at)
                if free_at is not None and free_at <= at:
                    free_at = at + 5000
                if free_at is not None and free_at < min(leaves_at, limit_at):
                    at = free_at
                    continue
                break
            if at >= limit_at or at >= leaves_at:
                break
            answered, at = self._ring(script, at, place, agents, leaves_at)
            if answered is not None:
                script.callee = answered.talking
                self._talk(script, at, index, answered, queue)
                return
            if at >= leaves_at:
                break
            script.callee = queue.party
            at += 300 + int(draw() * 1200)
        script.callee = queue.party if script.callee is None else script.callee
        if leaves_at <= limit_at:
            self._hang_up(script, max(leaves_at, at), waiting, index, outsider, queue)
            return
        at = max(at, limit_at)
        if queue.overflow is not None and overflows and queue.overflow.name != script.queue_name:
            self._wait_in(script, at, index, queue.overflow, outsider, overflows=overflows - 1)
        elif draw() < 0.5:
            self._voicemail(script, at, place)
            self._missed(at, index, outsider, queue)
        else:
            script.end(at, waiting, *NO_ANSWER, "CALLEE" if draw() < 0.7 else None)
            self._missed(at, index, outsider, queue)

    def _ring(self, script: CallScript, at: int, place: Office, agents: list[Agent], leaves_at: int) -> tuple[Agent | None, int]:
        """These phones ring from `at`: who answers, if anybody, and when the ringing is over."""
        draw = self.draw
        for n, agent in enumerate(agents):
            script.callee = agent.ringing
            script.update(at + n, "RINGING", "queueTime")
            self.people.phone(place, agent, at + n, "ringing")
        winner: Agent | None = None
        stops_at = at + 15_000 + int(draw() * 7000)
        for agent in agents:
            if draw() < agent.diligence:
                picks_at = at + 1500 + int(-math.log(1 - draw()) * 5000)
                if picks_at < stops_at:
                    winner, stops_at = agent, picks_at
        if leaves_at < stops_at:
            winner, stops_at = None, max(leaves_at, at + len(agents) + 50)
        for agent in agents:
            if agent is not winner:
                self.people.phone(place, agent, stops_at, "registered")
                agent.free_at = stops_at + 2000 + int(draw() * 15_000)
        return winner, stops_at

    def _talk_ms(self) -> int:
        # log-normal: two minutes at the median, a long tail up to an hour and a half
        draw = self.draw
        normal = math.sqrt(-2 * math.log(1 - draw())) * math.cos(2 * math.pi * draw())
        return min(5_400_000, 4000 + int(math.exp(11.6 + 0.85 * normal)))

    def _talk(self, script: CallScript, at: int, index: int, agent: Agent, queue: Queue | None) -> int:
        """An agent answers as the callee: holds, transfers, and the end, which is returned."""
        place, draw = self.offices[index], self.draw
        if draw() < 0.2:
            script.tags = [*script.tags, "recorded"]
        transfers = 0
        while True:
            script.update(at, "TALKING", "talkTime")
            self.people.phone(place, agent, at, "talking")
            talked_from = at
            at, left = self._holds(script, at, at + self._talk_ms())
            colleague = None
            if not left and transfers < 2 and draw() < 0.13:
                colleague = self._colleague(place, at, agent, queue)
            if colleague is None:
                by = "CALLER" if left or draw() < 0.58 else "CALLEE"
                script.end(at, "HOLD" if left else "TALKING", *NORMAL, by)
                self._rest(place, agent, at, talked_from=talked_from)
                return at
            transfers += 1
            attended = draw() < 0.6
            if attended:
                script.update(at, "HOLD", "holdTime")
                at += 3000 + int(draw() * 25_000)
            self._rest(place, agent, at, talked_from=talked_from)
            script.split(at, "transfer", "attended" if attended else "blind")
            at += 200
            self.people.phone(place, colleague, at, "ringing")
            script.callee = colleague.ringing
            script.update(at, "RINGING", "connectTime")
            at += 1500 + int(draw() * 12_000)
            agent = colleague
            if draw() < 0.1:
                # nobody takes the transferred call, and the caller has had enough
                script.end(at, "RINGING", *NORMAL, "CALLER")
                self.people.phone(place, agent, at, "registered")
                agent.free_at = at + 2000
                return at
            script.callee = agent.talking

    def _holds(self, script: CallScript, at: int, until: int) -> tuple[int, bool]:
        """Holds within a conversation: when it is over, and whether the other side left while on hold."""
        draw = self.draw
        while draw() < 0.16 and until - at > 30_000:
            at += 8000 + int(draw() * (until - at - 20_000))
            script.update(at, "HOLD", "holdTime")
            if draw() < 0.3:
                # a second snapshot of the same hold
                script.tags = [*script.tags, "checking"]
                script.update(at + 600 + int(draw() * 2000), "HOLD", "holdTime")
            at += 3500 + int(-math.log(1 - draw()) * 30_000)
            if draw() < 0.04:
                return at, True
            if draw() < 0.02:
                # a status that no list knows
                script.update(at, "PARKED", "holdTime")
                at += 5000 + int(draw() * 20_000)
            script.update(at, "TALKING", "talkTime")
            until = max(until, at + 5000)
        return until, False

    def _rest(self, place: Office, agent: Agent, at: int, *, talked_from: int | None = None) -> None:
        """The phone is idle again; the next call waits until the notes are written."""
        agent.talk_from, agent.talk_until = (0, 0) if talked_from is None else (talked_from, at)
        self.people.phone(place, agent, at + 40, "registered")
        agent.free_at = at + 3000 + int(-math.log(1 - self.draw()) * 12_000)

    def _colleague(self, place: Office, at: int, agent: Agent, queue: Queue | None) -> Agent | None:
        found = queue.next_agents(at, 1) if queue is not None and self.draw() < 0.4 else []
        colleague = found[0] if found else place.any_agent(at, self.draw)
        return colleague if colleague is not agent else None

    def _direct(self, at: int, index: int, agent: Agent, outsider: Outsider) -> None:
        """A call to a person's own number."""
        place = self.offices[index]
        script = self._script(
            place, at, outsider.party, agent.extension, "INBOUND", trunk_name=self._trunk(place), remote_phone=outsider.phone
        )
        script.start(at, "CONNECTING")
        script.callee = agent.ringing
        self._ring_person(script, at, index, agent, outsider)

    def _ring_person(
        self, script: CallScript, at: int, index: int, agent: Agent, outsider: Outsider | None, dialler: Agent | None = None
    ) -> None:
        place, draw = self.offices[index], self.draw
        on_duty = agent.on_duty(at)
        script.update(at, "CONNECTING", "connectTime")
        gives_up_at = at + 6000 + int(draw() * 24_000)
        if on_duty and agent.free_at <= at:
            self.people.phone(place, agent, at + 30, "ringing")
            script.update(at + 90 + int(draw() * 300), "RINGING", "connectTime")
            if draw() < 0.06:
                at += 2000 + int(draw() * 5000)
                self.people.phone(place, agent, at, "registered")
                agent.free_at = at + 3000
                script.end(at, "RINGING", *REJECTED, "CALLEE" if draw() < 0.6 else "CALLER")
                self._after_miss(at, index, outsider, dialler)
            elif draw() < agent.diligence:
                at += 2000 + int(-math.log(1 - draw()) * 5000)
                script.callee = agent.talking
                if dialler is not None:
                    self.people.phone(place, dialler, at + 3, "talking")
                over_at = self._talk(script, at, index, agent, None)
                if dialler is not None:
                    self._rest(place, dialler, over_at, talked_from=at)
            else:
                self.people.phone(place, agent, gives_up_at, "registered")
                agent.free_at = gives_up_at + 3000
                self._unanswered(script, gives_up_at, index, outsider, dialler)
        elif on_duty and agent.talk_from <= at >= agent.second_until and gives_up_at + 500 < agent.talk_until and draw() < 0.5:
            agent.second_until = gives_up_at + 1
            self.people.phone(place, agent, at + 30, "rt")
            self.people.phone(place, agent, gives_up_at, "talking")
            self._unanswered(script, gives_up_at, index, outsider, dialler)
        elif on_duty:
            at += 300 + int(draw() * 700)
            script.end(at, "CONNECTING", *BUSY, "CALLEE")
            self._after_miss(at, index, outsider, dialler)
        else:
            script.update(at + 120, "RINGING", "connectTime")
            self._unanswered(script, gives_up_at, index, outsider, dialler)

    def _unanswered(self, script: CallScript, at: int, index: int, outsider: Outsider | None, dialler: Agent | None) -> None:
        chance = self.draw()
        if chance < 0.35:
            at = self._voicemail(script, at, self.offices[index])
        elif chance < 0.6:
            script.end(at, "RINGING", *NO_ANSWER, None)
        else:
            script.end(at, "RINGING", *(REJECTED if chance < 0.66 else NORMAL), "CALLER")
        self._after_miss(at, index, outsider, dialler)

    def _after_miss(self, at: int, index: int, outsider: Outsider | None, dialler: Agent | None) -> None:
        if dialler is not None:
            self._rest(self.offices[index], dialler, at)
        if outsider is not None:
            self._missed(at, index, outsider, self.offices[index].queues[0])

    def _outbound(self, at: int, place: Office, agent: Agent, outsider: Outsider) -> None:
        draw = self.draw
        phone = outsider.phone or "+441632960000"
        script = self._script(place, at, agent.talking, phone, "OUTBOUND", trunk_name=self._trunk(place), remote_phone=phone)
        script.start(at, "CONNECTING")
        self.people.phone(place, agent, at + 2, "ringing")
        if outsider.phone is None:
            outsider = self.outsiders[0]
        chance = draw()
        if outsider.dead or chance < 0.03:
            at += 700 + int(draw() * 3000)
            script.end(at, "CONNECTING", *FAILURES[0 if outsider.dead else int(draw() * len(FAILURES))], None)
            self._rest(place, agent, at)
            return
        script.callee = outsider.party
        script.update(at + int(draw() * 2) * 35, "CONNECTING", "connectTime")
        if chance < 0.09:
            at += 1500 + int(draw() * 2500)
            script.end(at, "CONNECTING", *BUSY, "CALLEE")
            self._rest(place, agent, at)
            return
        ring_at = at + 900 + int(draw() * 2500)
        script.update(ring_at, "RINGING", "connectTime")
        at = ring_at + 2500 + int(-math.log(1 - draw()) * 8000)
        if chance < 0.33:
            at += 12_000
            cause, by = (NO_ANSWER, None) if draw() < 0.4 else (NORMAL, "CALLER") if draw() < 0.9 else (REJECTED, "CALLEE")
            script.end(at, "RINGING", *cause, by)
            self._rest(place, agent, at)
            return
        if draw() < 0.2:
            script.tags = ["recorded"]
        script.update(at, "TALKING", "talkTime")
        self.people.phone(place, agent, at, "talking")
        talked_from = at
        at, left = self._holds(script, at, at + self._talk_ms())
        script.end(at, "HOLD" if left else "TALKING", *NORMAL, "CALLEE" if left or draw() < 0.5 else "CALLER")
        self._rest(place, agent, at, talked_from=talked_from)

    def _internal(self, at: int, place: Office, agent: Agent) -> None:
        draw = self.draw
        colleague = self._somebody(place, at)
        if colleague is agent:
            colleague = place.agents[(place.agents.index(agent) + 1) % len(place.agents)]
        script = self._script(place, at, agent.talking, colleague.extension, "INTERNAL")
        script.start(at, "CONNECTING")
        self.people.phone(place, agent, at + 2, "ringing")
        script.callee = colleague.ringing
        # nobody else may take him or her while the phone is at the ear
        agent.free_at = at + MS_PER_DAY
        self._ring_person(script, at, self.offices.index(place), colleague, None, agent)
        if draw() < 0.05:
            self.people.conference(at + 30_000, place, [agent, colleague])
