"""A survey as one HTML file for people who read no terminals.

Self-contained: no script, nothing fetched, and a policy in the file that forbids both. Every text
from outside goes through `_text`: made visible, then escaped.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

import mcpguard
from mcpguard.daemon.log import printable
from mcpguard.hosts import checks
from mcpguard.model import ItemKind, Json, Severity
from mcpguard.survey.judging import explained
from mcpguard.survey.report import Survey, counted
from mcpguard.survey.subjects import State, Subject, Told

__all__ = ["page"]

MAX_TEXT = 600
"""Characters of one quoted text; the JSON report has all of it."""

MAX_ROWS = 500
"""Findings of one section. A person reads fewer; the JSON report has all of them."""

_WORDS: Final = {
    Severity.CRITICAL: ("Critical", "act now"),
    Severity.MODERATE: ("Moderate", "should be looked at"),
    Severity.INFO: ("For information", "good to know"),
}
_HEADLINES: Final = {
    "findings": ("bad", "Action is needed"),
    "unknown": ("odd", "Not everything could be looked at"),
    "unscanned": ("odd", "Not every server was looked into"),
    "clean": ("good", "Nothing that needs action was found"),
}
_STATES: Final = {
    State.INSPECTED: "started and looked into, all that it shows to a model",
    State.LOCKED: "what its reviewed lockfile holds was judged; it can show nothing else",
    State.NEVER: "only how it is started was looked at: nobody knows what it tells a model",
    State.FAILED: "it was to be looked into, and that did not work",
}
_BARS: Final = {State.INSPECTED: "s0", State.LOCKED: "s1", State.NEVER: "s2", State.FAILED: "s3"}


def page(survey: Survey, at: str) -> str:
    """The whole file. `at`: when, for the head of the page."""
    body = "".join(
        (
            _head(survey, at),
            _tiles(survey),
            _coverage(survey),
            _servers(survey),
            _findings(survey),
            _suppressed(survey),
            _unread(survey),
            _method(survey),
        )
    )
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
        " form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>MCP servers: security report</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )


def _text(value: object, most: int = MAX_TEXT) -> str:
    """`value` for the page: the invisible as escapes, cut, every mark of HTML escaped."""
    said = printable(str(value))
    cut = said if len(said) <= most else said[: most - 3] + "..."
    return escape(cut, quote=True)


def _head(survey: Survey, at: str) -> str:
    style, headline = _HEADLINES[survey.outcome]
    return (
        f'<header class="{style}"><p class="over">MCP servers: security report</p>'
        f"<h1>{headline}</h1><p>{_summary(survey)}</p>"
        f'<p class="at">{_text(at)}, mcpguard {_text(mcpguard.__version__)}</p></header>'
    )


def _summary(survey: Survey) -> str:
    looked = len(survey.of_state(State.INSPECTED, State.LOCKED))
    never, failed = len(survey.of_state(State.NEVER)), len(survey.of_state(State.FAILED))
    parts = [f"{_many(len(survey.subjects), 'server')} found; {looked} looked into"]
    if never:
        parts.append(f"<strong>{never} never scanned</strong>")
    if failed or survey.unread:
        parts.append(f"<strong>{failed + len(survey.unread)} could not be looked at</strong>")
    return ", ".join(parts) + "."


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _tiles(survey: Survey) -> str:
    tiles = "".join(
        f'<div class="tile {severity.value}"><b>{number}</b><span>{_WORDS[severity][0]}</span>'
        f"<small>{_WORDS[severity][1]}</small></div>"
        for severity, number in counted(survey).items()
    )
    hidden = len(survey.suppressed)
    tiles += (
        f'<div class="tile"><b>{hidden}</b><span>Suppressed</span>'
        "<small>accepted by a person, with an end</small></div>"
    )
    return f'<section class="tiles">{tiles}</section>'


def _coverage(survey: Survey) -> str:
    """One bar: how much of what is there was looked into."""
    total = len(survey.subjects)
    if not total:
        return "<section><h2>Coverage</h2><p>No server is configured.</p></section>"
    numbers = Counter(each.state for each in survey.subjects)
    bars, legend, at = "", "", 0.0
    for state in State:
        share = 100 * numbers[state] / total
        bars += f'<rect class="{_BARS[state]}" x="{at:.2f}" width="{share:.2f}" height="6"/>'
        legend += (
            f'<li><i class="{_BARS[state]}"></i><b>{numbers[state]}</b> {state.value}'
            f"<small>{_STATES[state]}</small></li>"
        )
        at += share
    return (
        "<section><h2>Coverage</h2>"
        '<svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img"'
        f' aria-label="share of servers by how much was looked at">{bars}</svg>'
        f'<ul class="legend">{legend}</ul></section>'
    )


def _servers(survey: Survey) -> str:
    rows = "".join(_server(each) for each in survey.subjects[:MAX_ROWS])
    return (
        "<section><h2>Servers</h2><table><thead><tr><th>Server</th><th>Where</th><th>Looked at</th>"
        f"<th>Findings</th></tr></thead><tbody>{rows}</tbody></table>"
        f"{_more(len(survey.subjects))}</section>"
    )


def _server(subject: Subject) -> str:
    why = f"<small>{_text(subject.why)}</small>" if subject.why else ""
    place = f"<small>{_text(subject.place.file)}</small>" if subject.place else ""
    command = checks.shown(subject.server.words)
    shown = f"<small><code>{_text(command, 160)}</code></small>" if command else ""
    listed = ", ".join(
        f"{number} {kind.singular}{'s' if number != 1 else ''}"
        for kind in ItemKind
        if (number := subject.listed.get(kind, 0))
    )
    what = f"<small>{listed}</small>" if listed else ""
    return (
        f"<tr><td><b>{_text(subject.name, 80)}</b>{shown}</td>"
        f"<td>{_text(subject.host or 'named on the command line')}{place}</td>"
        f'<td><i class="{_BARS[subject.state]}"></i>{subject.state.value}{what}{why}</td>'
        f"<td>{_marks(subject)}</td></tr>"
    )


def _marks(subject: Subject) -> str:
    numbers = Counter(told.finding.severity for told in subject.told if told.suppressed is None)
    marks = "".join(
        f'<span class="mark {each.value}">{numbers[each]} {each.value}</span>'
        for each in Severity
        if numbers[each]
    )
    if marks:
        return marks
    looked = subject.state in {State.INSPECTED, State.LOCKED}
    return '<span class="mark good">none</span>' if looked else "<small>none in its entry</small>"


def _findings(survey: Survey) -> str:
    rows = survey.counting
    if not rows:
        return ""
    blocks = "".join(
        _of_severity(severity, [row for row in rows if row[1].finding.severity is severity])
        for severity in Severity
    )
    return f"<section><h2>Findings</h2>{blocks}</section>"


def _of_severity(severity: Severity, rows: Sequence[tuple[Subject, Told]]) -> str:
    if not rows:
        return ""
    word, advice = _WORDS[severity]
    cards = "".join(_card(*row) for row in rows[:MAX_ROWS])
    return f"<h3>{word}: {advice}</h3>{cards}{_more(len(rows))}"


def _card(subject: Subject, told: Told) -> str:
    finding = told.finding
    said = explained(finding.rule)
    about = f"{_text(subject.name, 80)}{': ' + _text(told.item, 120) if told.item else ''}"
    lines = [f"<p>{_text(finding.message)}</p>"]
    lines += [_evidence(finding.evidence.items())]
    if said.sentence != finding.rule:
        lines.append(f'<p class="means"><b>What it means.</b> {_text(said.sentence)}</p>')
    if said.fix:
        lines.append(f'<p class="means"><b>What to do.</b> {_text(said.fix)}</p>')
    if told.run_out is not None:
        lines.append(
            f'<p class="means"><b>It was suppressed until {told.run_out.expires.isoformat()}</b>'
            f" ({_text(told.run_out.reason)}) and counts again.</p>"
        )
    place = f", {_text(told.place.shown)}" if told.place else ""
    tail = " · ".join(map(_text, filter(None, [said.threat, finding.rule, *said.references])))
    return (
        f'<article class="{finding.severity.value}"><h4>{about}</h4>{"".join(lines)}'
        f'<p class="tail">{tail}{place}</p></article>'
    )


_SHOWN: Final = ("text", "shown", "before", "after", "other")
"""Keys of a finding's evidence that a person should see."""


def _evidence(pairs: Iterable[tuple[str, Json]]) -> str:
    shown = [
        f"<blockquote>{_text(value)}</blockquote>"
        for key, value in pairs
        if key in _SHOWN and value
    ]
    return "".join(shown)


def _suppressed(survey: Survey) -> str:
    rows = survey.suppressed
    if not rows and not survey.idle:
        return ""
    lines = "".join(_suppressed_row(subject, told) for subject, told in rows[:MAX_ROWS])
    table = (
        "<table><thead><tr><th>Server</th><th>Finding</th><th>Reason</th><th>Until</th></tr></thead>"
        f"<tbody>{lines}</tbody></table>{_more(len(rows))}"
        if rows
        else ""
    )
    idle = "".join(
        f"<li>{_text(each.rule)} for {_text(each.server)} ({_text(each.reason)})</li>"
        for each in survey.idle
    )
    note = f"<p>Suppressions that are about nothing any more:</p><ul>{idle}</ul>" if idle else ""
    return f"<section><h2>Suppressed</h2>{table}{note}</section>"


def _suppressed_row(subject: Subject, told: Told) -> str:
    suppression = told.suppressed
    reason, until = (
        (suppression.reason, suppression.expires.isoformat()) if suppression else ("", "")
    )
    return (
        f"<tr><td>{_text(subject.name, 80)}<small>{_text(told.item, 120)}</small></td>"
        f"<td>{_text(told.finding.message)}</td><td>{_text(reason)}</td><td>{until}</td></tr>"
    )


def _unread(survey: Survey) -> str:
    if not survey.unread:
        return ""
    lines = "".join(
        f"<li><b>{_text(each.host)}</b>: {_text(each.file)}: {_text(each.why)}</li>"
        for each in survey.unread
    )
    return f"<section><h2>Files that could not be read</h2><ul>{lines}</ul></section>"


def _method(survey: Survey) -> str:
    lost = f"<li>{_text(survey.names_lost)}</li>" if survey.names_lost else ""
    return (
        "<section><h2>How to read this</h2><ul>"
        "<li>An MCP server gives a program's language model tools and texts. A server that lies in"
        " these texts can make the model act against its user.</li>"
        f"<li>The report says no when a finding is {survey.fail_on.value} or worse.</li>"
        "<li>“Never scanned” is not clean. What a server tells a model is only known once somebody"
        " has looked: mcpguard scan --start, or mcpguard lock.</li>"
        "<li>A judgement of texts is a score over signals: it misses some attacks, and some honest"
        " texts look odd. What a server does once it is called is not in any text.</li>"
        f"{lost}</ul></section>"
    )


def _more(number: int) -> str:
    left = number - MAX_ROWS
    return f"<p>{left} more are in the JSON report.</p>" if left > 0 else ""


def _styles() -> Iterator[str]:
    colours = {
        "critical": "#b3261e",
        "moderate": "#8a5a00",
        "info": "#2f5d8a",
        "good": "#1d6b3f",
    }
    for name, colour in colours.items():
        yield f".{name}{{--c:{colour}}}"


_STYLE: Final = (
    ":root{color-scheme:light;--c:#555}*{box-sizing:border-box}"
    "body{margin:0;background:#f4f4f2;color:#1c1c1a;font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:68rem;margin:0 auto;padding:1.5rem}"
    "header{border-radius:.6rem;padding:1.5rem 2rem;color:#fff;background:#444}"
    "header.bad{background:#8c1d18}header.odd{background:#6b4700}header.good{background:#17553a}"
    "header h1{margin:.2rem 0;font-size:2rem}header p{margin:.2rem 0}.over,.at{opacity:.85}"
    "section{background:#fff;border-radius:.6rem;padding:1rem 2rem;margin-top:1rem}"
    "h2{font-size:1.25rem;margin:.3rem 0 .8rem}h3{margin:1.2rem 0 .5rem;font-size:1rem}"
    "small{display:block;color:#555;overflow-wrap:anywhere}code{font-size:.85em}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:1rem;"
    "background:none;padding:0}"
    ".tile{background:#fff;border-radius:.6rem;padding:1rem 1.2rem;border-top:.3rem solid var(--c)}"
    ".tile b{display:block;font-size:2rem;line-height:1.1;color:var(--c)}"
    "svg{width:100%;height:1.2rem;border-radius:.3rem;display:block}"
    ".s0{fill:#1d6b3f;background:#1d6b3f}.s1{fill:#4a9d72;background:#4a9d72}"
    ".s2{fill:#c9c6bd;background:#c9c6bd}.s3{fill:#b3261e;background:#b3261e}"
    ".legend{list-style:none;padding:0;display:grid;gap:.4rem 1.5rem;"
    "grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))}"
    "i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.4rem}"
    "table{border-collapse:collapse;width:100%;table-layout:fixed}"
    "th,td{text-align:left;vertical-align:top;padding:.5rem .6rem;border-top:1px solid #e2e0da;"
    "overflow-wrap:anywhere}th{border:0;color:#555;font-weight:600}"
    ".mark{display:inline-block;border-radius:1rem;padding:0 .6rem;margin:.1rem .2rem .1rem 0;"
    "color:#fff;background:var(--c);font-size:.85rem}"
    "article{border-left:.3rem solid var(--c);background:#faf9f7;border-radius:.3rem;"
    "padding:.6rem 1rem;margin:.6rem 0;overflow-wrap:anywhere}"
    "article h4{margin:0;font-size:1rem}article p{margin:.3rem 0}.means{color:#333}"
    ".tail{color:#666;font-size:.85rem}"
    "blockquote{margin:.3rem 0;padding:.3rem .8rem;background:#efede8;white-space:pre-wrap}"
    "@media print{body{background:#fff}section,article{break-inside:avoid}}" + "".join(_styles())
)
