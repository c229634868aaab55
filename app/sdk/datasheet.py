"""The data sheet of a connector: what is signed and what is not, for how long, what is stored, called and shown where.

Made from the manifest alone, so it can be read before any of the connector's code runs; the conformance kit sees that
it is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .manifest import Action, Manifest
from .promises import SCHEMES, Proof

HOUR, MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a sheet: rows under a heading, each a name with facts about it."""

    title: str
    rows: Sequence[tuple[str, Mapping[str, str]]]


def data_of(manifest: Manifest) -> dict[str, Any]:
    """The whole sheet as JSON values."""
    return {
        "level": manifest.level,
        "languages": list(manifest.languages),
        "actions": {action.name: action_of(action) for action in manifest.actions.values() if action.methods},
        "secrets": dict(manifest.secrets),
        "link_secrets": sorted({purpose for action in manifest.actions.values() for purpose in action.reserve}),
        "hosts": list(manifest.hosts),
        "frame_ancestors": list(manifest.frame_ancestors),
        "frame_ancestors_setting": manifest.frame_ancestors_setting,
        "limits": asdict(manifest.limits),
        "weaknesses": [
            {"rule": one.rule, "actions": list(one.actions), "reason": one.reason} for one in manifest.weaknesses
        ],
    }


def action_of(action: Action) -> dict[str, Any]:
    """One action as JSON values."""
    told: dict[str, Any] = {"methods": list(action.methods), "hook": action.hook, "deadline": action.deadline}
    return told | {"proof": asdict(action.proof) if action.proof else None, "largest": action.largest}


def sections(manifest: Manifest) -> list[Section]:
    """The sheet for a reader."""
    served = [action for action in manifest.actions.values() if action.methods]
    found = [
        Section("Requests", [(f"{' '.join(one.methods)} {one.name}", request_facts(one)) for one in served]),
        Section("Secrets stored for an installation", [(name, {"": what}) for name, what in manifest.secrets.items()]),
        Section("Addresses called", [(host, {}) for host in manifest.hosts] or [("none", {})]),
        Section("May show our pages in a frame", framing(manifest)),
        Section("Languages", [(", ".join(manifest.languages), {})]),
        Section("Limits of the platform, for one installation", [(limits(manifest), {})]),
        Section("Where the platform is weaker", weaknesses(manifest)),
    ]
    return [section for section in found if section.rows]


def request_facts(action: Action) -> dict[str, str]:
    """What proves a request, and what it may take."""
    proof = action.proof
    if proof is None:
        public = "nothing: a public answer, the same for everybody"
        facts = {"proven by": public if action.hook == "describe" else "not declared"}
    else:
        facts = {
            "proven by": f"{SCHEMES[proof.scheme]}, in {listed(proof.fields)}",
            "signed": listed(proof.signed) or "nothing",
            "not signed": listed(proof.unsigned) or "nothing",
            "counts": window(proof),
        }
    return facts | {"takes": f"at most {action.largest // 1024} KB, answered within {action.deadline:g} s"}


def window(proof: Proof) -> str:
    """When a request counts, in words."""
    if not proof.time:
        return "for ever: no time is signed"
    return f"from {span(proof.future)} before {proof.time} to {span(proof.past)} after it"


def span(seconds: int) -> str:
    """A length of time in the largest unit that fits."""
    if seconds and seconds % HOUR == 0:
        return f"{seconds // HOUR} h"
    return f"{seconds // MINUTE} min" if seconds and seconds % MINUTE == 0 else f"{seconds} s"


def framing(manifest: Manifest) -> list[tuple[str, Mapping[str, str]]]:
    """The origins, and the setting that replaces them."""
    setting = manifest.frame_ancestors_setting
    replaced: Mapping[str, str] = {"": f"unless the setting {setting} says otherwise"} if setting else {}
    return [(origin, replaced) for origin in manifest.frame_ancestors] or [("nobody", replaced)]


def limits(manifest: Manifest) -> str:
    """The pace at which the platform is called."""
    one = manifest.limits
    return f"{one.rate} calls in {one.per:g} s, {one.together} at once, {one.batch} records in one"


def weaknesses(manifest: Manifest) -> list[tuple[str, Mapping[str, str]]]:
    """What is declared, with its reason."""
    return [
        (f"{one.rule}: {', '.join(one.actions) or 'every action'}", {"": one.reason}) for one in manifest.weaknesses
    ]


def listed(names: Sequence[str]) -> str:
    """Names in a row."""
    return ", ".join(map(place, names))


def place(name: str) -> str:
    """Where a field stands, in words."""
    if name.startswith("header."):
        return f"the header {name.removeprefix('header.')}"
    return {"path.key": "the key in the path", "query": "the whole query", "body": "the whole body"}.get(name, name)


def as_text(parts: Iterable[Section]) -> str:
    """Sections for a terminal."""
    lines: list[str] = []
    for section in parts:
        lines += ["", section.title]
        for name, facts in section.rows:
            lines += [f"  {name}", *(f"    {f'{key}: ' if key else ''}{value}" for key, value in facts.items())]
    return "\n".join(lines[1:])


def as_markdown(parts: Iterable[Section]) -> str:
    """Sections for a document."""
    lines: list[str] = []
    for section in parts:
        lines += ["", f"## {section.title}", ""]
        for name, facts in section.rows:
            plain = "" if set(facts) != {""} else f": {facts['']}"
            lines += [f"- `{name}`{plain}", *(f"  - {key}: {value}" for key, value in facts.items() if key)]
    return "\n".join(lines[1:])
