"""Values as words."""

from datetime import UTC, datetime

import polars as pl
import pytest

from app.charts import (
    against_goal,
    age,
    count,
    duration,
    goals_of,
    instant,
    lines,
    long_duration,
    percent,
    plain,
    short,
    words,
)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "–"), (float("nan"), "–"), (0, "0s"), (499, "0s"), (500, "1s"), (12_000, "12s"), (59_499, "59s"), (59_500, "1m 00s"),
        (245_000, "4m 05s"), (3_599_499, "59m 59s"), (3_600_000, "1h 00m 00s"), (93_784_000, "26h 03m 04s"), (-65_000, "−1m 05s"),
    ],
)  # fmt: skip
def test_durations_read_as_minutes_and_seconds(ms, text):
    assert duration(ms) == text


def test_an_age_of_days_is_told_in_days():
    assert [long_duration(ms) for ms in (None, 245_000, 172_799_000, 172_800_000, 601_200_000)] == [
        "–",
        "4m 05s",
        "47h 59m 59s",
        "2d 00h",
        "6d 23h",
    ]


def test_a_rate_without_a_denominator_is_a_dash_and_never_zero_or_hundred():
    assert (percent(None), percent(0.0), percent(1.0), percent(0.87512)) == ("–", "0.0 %", "100.0 %", "87.5 %")
    assert (count(None), count(1234567)) == ("–", "1,234,567")


def test_the_age_of_the_data_is_told_in_the_unit_a_person_would_use():
    assert [age(seconds) for seconds in (5, 300, 7200, 200_000)] == ["just now", "5 min ago", "2 h ago", "2 days ago"]
    assert "ahead" in age(-3600)


def test_an_instant_is_told_on_the_wall_clock_of_the_zone():
    at = datetime(2026, 3, 29, 1, 30, 5, tzinfo=UTC)
    assert instant(at, "Europe/Rome") == "Sun 29 Mar 2026, 03:30:05"
    assert instant(at, "America/New_York", seconds=False) == "Sat 28 Mar 2026, 21:30"


def test_markup_in_a_name_is_escaped_sign_by_sign():
    assert plain("**Anna** <b>[x](http://y)</b>") == "\\*\\*Anna\\*\\* \\<b\\>\\[x\\]\\(http\\:\u2060//y\\)\\</b\\>"
    assert plain(":red[danger] $x$ ~~y~~ `z`") == r"\:red\[danger\] \$x\$ \~\~y\~\~ \`z\`"
    assert plain("two\n\n# lines\t!") == r"two \# lines \!"


def test_an_address_in_a_name_becomes_no_link():
    for address in ("https://example.com", "www.example.com", "anna@example.com"):
        assert "\u2060" in plain(address)
        assert plain(address).replace("\\", "").replace("\u2060", "") == address


def test_long_names_are_cut_and_say_so():
    assert short("a" * 10_000, limit=10) == "aaaaaaaaa…"
    assert short("Anna") == "Anna"


def test_codes_read_as_words():
    assert (words("no_answer"), words(None), words("")) == ("No answer", "–", "Not told")


def rules(*queues):
    return pl.DataFrame(queues, schema=["queue_name", "formula", "within_ms", "short_ms", "goal"], orient="row")


def test_a_goal_that_all_queues_share_names_none_and_others_name_their_queues():
    shared = rules(("Sales", "default", 20_000, 5_000, 0.8), ("Billing", "default", 20_000, 5_000, 0.8))
    assert goals_of(shared) == [(0.8, "goal 80 %")]
    assert goals_of(rules(*shared.rows(), ("Support", "default", 20_000, 5_000, 0.6))) == [
        (0.6, "goal 60 %, Support"),
        (0.8, "goal 80 %, Billing, Sales"),
    ]
    many = [(f"Queue {place}", "default", 20_000, 5_000, place / 10) for place in range(1, 5)]
    assert goals_of(rules(*many)) == []


def test_lines_draw_each_goal_with_its_name():
    drawn = lines(pl.DataFrame({"x": ["a"], "y": [0.5]}), x="x", y="y", goals=[(0.6, "goal 60 %, Support"), (0.8, "goal 80 %, Sales")])
    spec = drawn.to_dict()
    ruled = [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert ruled == [[{"goal": 0.6, "text": "goal 60 %, Support"}], [{"goal": 0.8, "text": "goal 80 %, Sales"}]]


def test_a_share_against_its_goal_says_in_words_whether_it_is_met():
    assert against_goal(0.62, 0.8) == "62.0 %, goal 80 %, missed"
    assert against_goal(0.8, 0.8) == "80.0 %, goal 80 %, met"
    assert (against_goal(None, 0.8), against_goal(0.5, None)) == ("–, goal 80 %", "50.0 %")
