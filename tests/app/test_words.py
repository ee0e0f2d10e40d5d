"""Values as words."""

from datetime import UTC, datetime

import pytest

from app.charts import age, count, duration, instant, long_duration, percent, plain, short, words


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
    assert (words("no_answer"), words(None), words("")) == ("No answer", "–", "–")
