"""The page about the rules, docs/connectors/kit.md, written from their data: ``python -m app.sdk.testing.handbook``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ..promises import LEVELS, SCHEMES
from .case import Rule
from .rules import RULES

HEAD = """\
# The conformance kit

The kit is a suite of hostile tests that writes itself: from a connector's manifest and its simulator it makes the
requests that a forger, a replayer, another customer or a broken platform would send, and sends them to a real host with
a database of its own. A connector that passes is right about its platform and safe for its host.

## Run it

In your own repository, with `pip install -e . 'stallholder[test]'` and one class:

```python
from app.sdk.testing import ConnectorContract


class TestMyShop(ConnectorContract):
    connector = "myshop"
```

`pytest` then runs a test for every rule and every field, under names such as `test_silver[tampered-open-token]`. Or ask
the command line, which needs no pytest, about a connector that is installed or about a folder:

```sh
stallholder connectors check myshop
stallholder connectors check ./myshop --level silver
stallholder connectors check myshop --json
```

It ends with 0 when the level is reached that the manifest claims (or that `--level` names), else with 1, and prints
what was sent, what came, which rule it is and how to mend it.

## What the manifest says

`connector.toml` claims a `level`, and says for every action what proves its requests. The kit sees that it is true, and
`stallholder connectors show` prints it as a data sheet.

```toml
level = "gold"
hosts = ["https://api.myshop.example"]   # what is called

[secrets]                                # what is stored sealed for each installation
api_token = "the token of the shop's API"

[actions.open.proof]
scheme = "hmac-sha256"
fields = ["header.x-signature"]          # where the proof stands
signed = ["body"]                        # what it covers
unsigned = ["header.x-language"]         # what else a request brings
time = "sent_at"                         # the signed field that tells the time
past = 300                               # seconds after it that a request still counts
future = 60                              # seconds before it
```

A field is named by its place: `token` in the query or the body, `order.id` inside an object (also one that a form's
field holds as JSON), `header.authorization`, `path.key` for the key in the address; `query` and `body` mean the whole.
A JSON Web Token, which `check_jwt` checks, stands in `fields` and in `signed`, and `time` is a claim: `token.iat`.

| scheme | is |
| --- | --- |
"""
SIMULATOR = """
## What the simulator brings

One method for every action that returns the genuine signed request, made of `keys` and of `clock` each time anew. Three
lists tell the kit whose keys are whose: `customer` (they belong to one customer), `signing` (requests are signed with
them) and `renewed` (the platform makes them anew for each connection). Customers of a platform that share a state,
say one API for all, are made by `beside`. Link secrets that no install reserves, an address's `key` and what a
`[subscription]` reserves, come in through `connected`, by their names: the kit hands them out, as `subscribe` would.
What a request leads to is the action in its address; a platform's own names, such as `auth` or `load`, are as good as
ours once `hook` says what they are.

## Where a platform is weaker

Some rules cannot be kept because the platform does not let anybody. Say so, with the reason; a weakness that turns out
not to be there fails, too, so the list stays true. It is printed on the data sheet and costs no level.

```toml
[[weakness]]
rule = "expires"
actions = ["open"]                       # without it: wherever it is
reason = "The platform signs no time."
```

| rule | may be declared where |
| --- | --- |
"""


def page() -> str:
    """The whole page."""
    schemes = "".join(f"| `{name}` | {sentence} |\n" for name, sentence in SCHEMES.items())
    weak = "".join(f"| `{rule.id}` | {rule.weak} |\n" for rule in RULES if rule.weak)
    return HEAD + schemes + SIMULATOR + weak + "".join(chapters())


def chapters() -> Iterator[str]:
    """A chapter for each level."""
    for level in LEVELS:
        rules = [rule for rule in RULES if rule.level == level]
        yield f"\n## {level.capitalize()}: {len(rules)} rules\n"
        yield from map(entry, rules)


def entry(rule: Rule) -> str:
    """One rule."""
    return f"\n**`{rule.id}`** {rule.sentence}\n\n- checked: {rule.how}\n- mend: {rule.mend}\n- source: {rule.source}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
