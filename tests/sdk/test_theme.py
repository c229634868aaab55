"""A theme is data: it cannot carry CSS of its own, and what stands on it can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from marshmallow import RAISE, ValidationError

from app.core.loading import load
from app.core.sources import discover
from app.sdk.manifest import ManifestError, read_manifest
from app.sdk.theme import COLOURS, Theme, ThemeSchema, to_theme

STYLESHEET = Path(__file__).resolve().parents[2] / "app" / "static" / "stallholder.css"
SHIPPED = {found.name: found.manifest.theme for found in load(discover()) if found.manifest}


def loaded(table: Any) -> Theme:
    return to_theme(ThemeSchema(unknown=RAISE).load(table))


@pytest.mark.parametrize(
    "table",
    [
        {"light": {"accent": "red"}},
        {"light": {"accent": "#fff"}},
        {"light": {"accent": "#12345g"}},
        {"light": {"accent": "#123456;}body{display:none"}},
        {"light": {"accent": "#123456\n"}},
        {"light": {"accent": "url(//evil.example)"}},
        {"dark": {"font": "#123456"}},
        {"light": {"accent: red; --ink": "#123456"}},
        {"radius": "6px"},
        {"radius": 25},
        {"radius": -1},
        {"radius": True},
        {"font": []},
        {"font": ["Open Sans', url(//evil.example)"]},
        {"font": ["Open Sans;"]},
        {"font": ["</style><script>alert(1)</script>"]},
        {"font": ["Open  Sans"]},
        {"font": ["Inter\n"]},
        {"css": "body{}"},
    ],
    ids=repr,
)
def test_a_theme_cannot_carry_css(table: Any) -> None:
    with pytest.raises(ValidationError):
        loaded(table)


def test_the_check_is_what_keeps_it_out() -> None:
    """The control: an unchecked table would reach the page as it is."""
    assert "display:none" in Theme({"accent": "#123456;}body{display:none"}).css()


def test_a_theme_becomes_declarations() -> None:
    theme = loaded({"radius": 6, "font": ["Open Sans", "sans-serif"], "light": {"on_accent": "#FFFFFF"}, "dark": {}})
    assert theme.css().startswith(":root {--radius: 6px; --font: Open Sans, sans-serif; --on-accent: #FFFFFF}")
    assert not set(theme.css()) & set("<>&\"'")


def test_a_broken_theme_puts_its_connector_in_quarantine(tmp_path: Path) -> None:
    text = 'spec = 1\ntitle = "X"\n[actions.open]\nmethods = ["GET"]\n[theme.light]\naccent = "red"\n'
    (tmp_path / "connector.toml").write_text(text)
    with pytest.raises(ManifestError, match="accent"):
        read_manifest("x", tmp_path)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(one: str, share: float, other: str) -> str:
    """``color-mix(in srgb, one share, other)``."""
    parts = [(int(one[at : at + 2], 16) * share + int(other[at : at + 2], 16) * (1 - share)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(part):02x}" for part in parts)


def own(scheme: int) -> dict[str, str]:
    """The stylesheet's own colours, light (0) or dark (1)."""
    block = re.findall(r":root \{(.*?)\}", STYLESHEET.read_text("utf-8"), re.S)[scheme]
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    return {name.replace("-", "_"): value for name, value in found.items()}


def unreadable(colours: dict[str, str]) -> list[str]:
    """Pairs that stand on each other with less contrast than 4.5."""
    ink, sheet, accent = colours["ink"], colours["sheet"], colours["accent"]
    wash, warn_wash = mixed(accent, 0.10, sheet), mixed(colours["warn"], 0.09, sheet)
    pairs = {
        "ink on sheet": (ink, sheet),
        "ink on ground": (ink, colours["ground"]),
        "faint on ground": (mixed(ink, 0.70, sheet), colours["ground"]),
        "faint on raised": (mixed(ink, 0.70, sheet), mixed(ink, 0.04, sheet)),
        "link on ground": (accent, colours["ground"]),
        "link on sheet": (accent, sheet),
        "button": (colours["on_accent"], accent),
        "pressed button": (colours["on_accent"], mixed(accent, 0.84, ink)),
        "mark on wash": (mixed(accent, 0.84, ink), wash),
        "alarm": (ink, warn_wash),
        "badge": (sheet, colours["warn"]),
        "danger": (colours["bad"], warn_wash),
    }
    return [name for name, pair in pairs.items() if contrast(*pair) < 4.5]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", [*SHIPPED, "none"])
def test_what_stands_on_a_shipped_theme_can_be_read(name: str, scheme: int) -> None:
    theme = SHIPPED.get(name, Theme())
    chosen = theme.dark if scheme else theme.light
    assert unreadable({**own(scheme), **chosen}) == []


def test_a_theme_that_cannot_be_read_is_noticed() -> None:
    assert "link on sheet" in unreadable({**own(0), "accent": "#9ad0cb"})


def test_every_marketplace_but_the_template_has_its_looks() -> None:
    assert {name for name, theme in SHIPPED.items() if set(theme.light) == set(theme.dark) == set(COLOURS)} >= {
        name for name in SHIPPED if name != "example"
    }
