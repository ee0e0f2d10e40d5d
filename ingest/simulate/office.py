"""The made-up companies of a simulation: people, queues, trunks, and the numbers outside. Pure.

Nothing here is anybody's: names are put together from two lists, mail goes to example.com, and phone numbers come from
the ranges kept free for fiction, +1 555 01xx and +44 1632 960xxx (their last hundred are the companies' own).
Participants are serialised once (`orjson.Fragment`), since a call repeats them in each of its events.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

Draw = Callable[[], float]

FIRST_NAMES = (
    "Anna", "Bruno", "Carla", "Dario", "Elena", "Fabio", "Greta", "Hugo", "Irene", "Jonas", "Karin", "Luca", "Marta",
    "Nico", "Olga", "Paolo", "Rita", "Simon", "Tina", "Ugo", "Vera", "Walter", "Xenia", "Yann", "Zoe", "Alma", "Boris",
    "Clara", "Denis", "Emma", "Felix", "Gloria",
)  # fmt: skip
LAST_NAMES = (
    "Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gingko", "Hazel", "Ivy", "Juniper", "Larch", "Maple", "Oak",
    "Pine", "Rowan", "Spruce", "Willow", "Yew", "Ash", "Beech", "Chestnut", "Linden", "Poplar", "Sorrel", "Thistle",
)  # fmt: skip
QUEUE_NAMES = (
    "Reception", "Sales", "Support", "Billing", "Orders", "Returns", "Service desk", "Projects", "Export", "Logistics",
    "Contracts", "Spare parts",
)  # fmt: skip
DEVICES = (
    ("Wildix Zero Distance 4.0.1 WebRTC-00000000-0000-0000-0000-000000000000", "COLLABORATION_WEB"),
    ("Wildix WP490G3 62.7.3.3", "WILDIX_PHONE"),
    ("x-bees iOS 2.51.1", "XBEES_IOS"),
    ("x-bees Android 2.51.1", "XBEES_ANDROID"),
    ("x-bees Web 2.51", "XBEES_WEB"),
)
MOBILE = frozenset({"XBEES_IOS", "XBEES_ANDROID"})

PARTICIPANT_KEYS = (
    "type", "phone", "name", "company", "email", "userId", "userExtension", "userDepartment", "groupId", "groupName",
    "userAgent", "userDevice",
)  # fmt: skip


def participant(**known: str | None) -> orjson.Fragment:
    """One party of a call, as the vendor writes it: every key there, unknown ones null, `role` and `license` if given."""
    return orjson.Fragment(orjson.dumps(dict.fromkeys(PARTICIPANT_KEYS) | known))


@dataclass(slots=True)
class Agent:
    """A person with a phone, and what he or she is doing.

    Attributes:
        ringing, talking: the participant before and after the device is known (the vendor's guide shows both).
        free_at: when the next call may ring; a wrap-up time is in it.
        talk_from, talk_until, second_until: the conversation last planned, and the second call that rings meanwhile (`rt`).
        on_from … off: today's shift and the two pauses in it, ms. At home both ends are 0.
    """

    extension: str
    name: str
    email: str
    subject_id: str
    mobile: bool
    ringing: orjson.Fragment
    talking: orjson.Fragment
    diligence: float
    early_bird: float
    free_at: int = 0
    talk_from: int = 0
    talk_until: int = 0
    second_until: int = 0
    on_from: int = 0
    on_until: int = 0
    lunch_from: int = 0
    lunch_until: int = 0
    pause_from: int = 0
    pause_until: int = 0

    def on_duty(self, at: int) -> bool:
        return (
            self.on_from <= at < self.on_until
            and not self.lunch_from <= at < self.lunch_until
            and not self.pause_from <= at < self.pause_until
        )


@dataclass(slots=True)
class Queue:
    """A queue: who is in it, how it rings, and where a call goes that has waited too long.

    Attributes:
        picks_up: music instead of ringing: the queue itself answers, so `answered_at` is not a person's.
        ring_all: every free phone rings at once; else one after the other.
        patience_ms: how long a caller stays before the call overflows or is sent away.
    """

    name: str
    queue_id: str
    number: str
    party: orjson.Fragment
    agents: list[Agent]
    picks_up: bool
    ring_all: bool
    menu: orjson.Fragment | None
    menu_tag: str
    patience_ms: int
    overflow: "Queue | None" = None
    turn: int = 0

    def next_agents(self, at: int, wanted: int) -> list[Agent]:
        """Up to `wanted` agents who are free at `at`, in turn; at most two dozen are looked at."""
        agents = self.agents
        size = len(agents)
        found: list[Agent] = []
        for step in range(min(size, 24)):
            agent = agents[(self.turn + step) % size]
            if agent.free_at <= at and agent.on_duty(at):
                found.append(agent)
                if len(found) == wanted:
                    break
        self.turn = (self.turn + (step if found else 0) + 1) % size
        return found

    def next_free_at(self, at: int) -> int | None:
        """When the first of those on duty becomes free; null when nobody is on duty."""
        times = [agent.free_at for agent in self.agents[:24] if agent.on_duty(agent.free_at if agent.free_at > at else at)]
        return max(at, min(times)) if times else None


@dataclass(slots=True)
class Office:
    """One company of the simulation."""

    company: str
    pbx: str
    integration_id: str
    agents: list[Agent]
    queues: list[Queue]
    trunks: tuple[str, ...]
    voicemail: orjson.Fragment
    call_number: int = 109
    turn: int = 0
    waiting: dict[str, int] = field(default_factory=dict)

    def any_agent(self, at: int, draw: Draw) -> Agent | None:
        """Somebody who is at work and free, or nobody."""
        size = len(self.agents)
        start = int(draw() * size)
        for step in range(min(size, 16)):
            agent = self.agents[(start + step) % size]
            if agent.free_at <= at and agent.on_duty(at):
                return agent
        return None


@dataclass(frozen=True, slots=True)
class Outsider:
    """A customer or supplier: number, the name the phone book has for it, and whether the number is dead."""

    phone: str | None
    party: orjson.Fragment
    dead: bool


def outsiders(draw: Draw) -> list[Outsider]:
    """Everybody outside, the callers without a number last."""
    phones = [f"+441632960{n:03d}" for n in range(900)] + [f"+1555{n:04d}" for n in range(100, 200)]
    # shuffled: the first are rung most often
    phones.sort(key=lambda _: draw())
    known: list[Outsider] = []
    for n, phone in enumerate(phones):
        name = f"{FIRST_NAMES[int(draw() * 32)]} {LAST_NAMES[int(draw() * 25)]}" if draw() < 0.4 else None
        firm = "Example Ltd" if draw() < 0.1 else None
        party = participant(type="REMOTE", phone=phone, name=name or phone, company=firm)
        known.append(Outsider(phone, party, n % 41 == 40))
    return [*known, Outsider(None, participant(type="REMOTE"), False)]


def office(index: int, agent_count: int, *, integration_id: str | None, draw: Draw) -> Office:
    """Company number `index` (from 0) with so many people, its queues filled."""
    company = f"it_w{100001 + index}"
    queue_count = max(3, min(len(QUEUE_NAMES), agent_count // 5))
    width = max(3, len(str(agent_count)) + 1)
    agents: list[Agent] = []
    taken: set[str] = set()
    for n in range(agent_count):
        first, last = FIRST_NAMES[int(draw() * len(FIRST_NAMES))], LAST_NAMES[int(draw() * len(LAST_NAMES))]
        extension = f"{2 * 10 ** (width - 1) + n + 1}"
        email = f"{first}.{last}@example.com".lower()
        if email in taken:
            email = f"{first}.{last}.{extension}@example.com".lower()
        taken.add(email)
        agent, device = DEVICES[int(draw() * len(DEVICES))]
        newer = {"role": "AGENT", "license": "x-bees"} if device.startswith("XBEES") else {}
        person = {
            "type": "LOCAL",
            "phone": extension,
            "name": f"{first} {last}",
            "email": email,
            "userId": f"{1000001 + index * 100_000 + n}",
            "userExtension": extension,
            "userDepartment": QUEUE_NAMES[n % queue_count] if draw() < 0.95 else None,
            "groupId": "100" if n == 0 else "101",
            "groupName": "Admin" if n == 0 else "Default",
        }
        agents.append(
            Agent(
                extension=extension,
                name=f"{first} {last}",
                email=email,
                subject_id=f"{company}_{extension}",
                mobile=device in MOBILE,
                ringing=participant(**person, **newer),
                talking=participant(**person, userAgent=agent, userDevice=device, **newer),
                diligence=0.55 + 0.4 * draw(),
                early_bird=draw(),
            )
        )
    queues = [_queue(index, n, queue_count, agents, draw) for n in range(queue_count)]
    for n, queue in enumerate(queues):
        # the first takes what the others cannot, and hands its own to the second
        queue.overflow = queues[1] if n == 0 else queues[0] if n % 3 != 2 else None
    return Office(
        company=company,
        pbx=f"{index + 1:012d}",
        integration_id=integration_id or f"abc{123 + index}",
        agents=agents,
        queues=queues,
        trunks=("voip-1", "voip-2", "gsm-gateway") if index % 2 == 0 else ("sip-main", "sip-backup"),
        voicemail=participant(type="LOCAL", phone="8000", name="Voicemail"),
    )


def _queue(index: int, n: int, queue_count: int, agents: list[Agent], draw: Draw) -> Queue:
    name, number = QUEUE_NAMES[n], f"{600 + n}"
    members = agents[n::queue_count]
    # colleagues who help out in the neighbouring queue
    members += [agent for agent in agents[(n + 1) % queue_count :: queue_count] if draw() < 0.15]
    menu: orjson.Fragment | None = None
    if n % 3 == 0:
        menu = participant(type="LOCAL", phone="5000", name="Welcome menu")
    elif n % 3 == 2:
        menu = participant(
            type="LOCAL", phone="5001", name="Voice assistant", userId="9000001", userExtension="5001", userDevice="VOICEBOT"
        )
    return Queue(
        name=name,
        queue_id=number,
        number=f"+441632960{900 + (index * 12 + n) % 100}",
        party=participant(type="LOCAL", phone=number, name=name, groupId=number, groupName=name),
        agents=members,
        picks_up=n % 4 == 2,
        ring_all=n % 4 == 1,
        menu=menu,
        menu_tag=name.lower().replace(" ", "-"),
        patience_ms=(120_000, 60_000, 240_000)[n % 3],
    )
