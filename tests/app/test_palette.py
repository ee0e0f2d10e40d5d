"""Colours that the colour-blind can tell apart, on white and on dark."""

import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from app.charts import DAY, OUTCOMES, PHASES, QUIET, SERIES

# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
SIGHTS = {
    "everyone": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def seen(colour, sight):
    rgb = linear(colour)
    return [min(1, max(0, sum(weight * part for weight, part in zip(row, rgb, strict=True)))) for row in SIGHTS[sight]]


def lab(rgb):
    matrix = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    xyz = [sum(weight * part for weight, part in zip(row, rgb, strict=True)) for row in matrix]
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (part / white for part, white in zip(xyz, (0.95047, 1.0, 1.08883), strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one, other, sight):
    return sum((a - b) ** 2 for a, b in zip(lab(seen(one, sight)), lab(seen(other, sight)), strict=True)) ** 0.5


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def theme():
    return tomllib.loads((Path(__file__).parents[2] / "app/.streamlit/config.toml").read_text())["theme"]


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("palette", [PHASES, OUTCOMES], ids=["phases", "outcomes"])
def test_any_two_colours_of_one_chart_can_be_told_apart(palette, sight):
    near = {pair: round(distance(*(palette[name] for name in pair), sight), 1) for pair in combinations(palette, 2)}
    assert {pair: far for pair, far in near.items() if far < 9} == {}


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_every_colour_stands_out_from_its_ground(ground):
    background = theme()[ground]["backgroundColor"]
    weak = {
        colour: round(contrast(colour, background), 2) for colour in {*OUTCOMES.values(), *PHASES.values(), *DAY.values(), *SERIES, QUIET}
    }
    assert {colour: ratio for colour, ratio in weak.items() if ratio < 3} == {}


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_text_can_be_read_on_its_ground(ground):
    colours = theme()[ground]
    for background in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(colours["textColor"], colours[background]) >= 7
        assert contrast(colours["linkColor"], colours[background]) >= 4.5


def test_streamlit_s_own_charts_use_the_same_colours():
    assert theme()["chartCategoricalColors"] == list(SERIES)
