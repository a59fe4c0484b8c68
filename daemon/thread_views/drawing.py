"""What pictures are made of: SVG that is escaped, legible in the light and in the dark.

Everything that others wrote goes through ``escaped``. Widths of texts are estimated:
which font is there, nobody here knows.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

Tone = Literal["plain", "soft", "good", "bad", "warn", "link"]
Line = Literal["thick", "thin", "dashed", "dotted"]

SIZE: Final = 13
SMALL: Final = 11
BOLD: Final = 15
"""Of the usual size, but as wide as this."""

_STYLE: Final = """
svg{color-scheme:light dark;font-family:system-ui,-apple-system,"Segoe UI",Roboto,\
"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
.ground{fill:#fff}.box{fill:#f6f8fa;stroke:#6e7781}.plain{fill:#1f2328}
.soft{fill:#57606a}.good{fill:#116329}.bad{fill:#a40e26}.warn{fill:#7d4e00}
.link{fill:#0550ae}.line{stroke:#57606a;fill:none}.head{fill:#57606a}
.s-plain,.s-soft,.s-link{stroke:#6e7781}.s-good{stroke:#116329}.s-bad{stroke:#a40e26}
.s-warn{stroke:#7d4e00}.heat{fill:#0550ae}
@media (prefers-color-scheme:dark){.ground{fill:#0d1117}
.box{fill:#161b22;stroke:#8b949e}.plain{fill:#e6edf3}.soft{fill:#9da7b3}
.good{fill:#56d364}.bad{fill:#ff7b72}.warn{fill:#e3b341}.link{fill:#79c0ff}
.line{stroke:#9da7b3}.head{fill:#9da7b3}.s-plain,.s-soft,.s-link{stroke:#8b949e}
.s-good{stroke:#56d364}.s-bad{stroke:#ff7b72}.s-warn{stroke:#e3b341}
.heat{fill:#79c0ff}}"""

_DASHES: Final[dict[Line, str]] = {
    "thick": ' stroke-width="2.5"',
    "thin": ' stroke-width="1.5"',
    "dashed": ' stroke-width="1.5" stroke-dasharray="6 4"',
    "dotted": ' stroke-width="1.5" stroke-dasharray="2 4"',
}
_NARROW: Final = frozenset("iljtfI.,:;'|!()[]{}/\\ `")
_WIDE: Final = frozenset("mwMW@%")


def escaped(text: str) -> str:
    """As text or attribute of XML; what XML cannot hold is a replacement mark."""
    kept = "".join(each if _is_xml(each) else "\ufffd" for each in text)
    for mark, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")):
        kept = kept.replace(mark, f"&{entity};")
    return kept


def _is_xml(each: str) -> bool:
    code = ord(each)
    if code < 0x20:
        return each in "\t\n"
    surrogate = 0xD800 <= code <= 0xDFFF
    # Marks that turn the direction of text would move what stands beside it.
    turning = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return not (surrogate or turning or 0x7F <= code < 0xA0 or code in {0xFFFE, 0xFFFF})


def width_of(text: str, size: float = SIZE) -> float:
    """About how wide a text is, in pixels; rather too much than too little."""
    return size * sum(map(_em, text))


def _em(each: str) -> float:
    if each in _NARROW:
        return 0.36
    if each in _WIDE:
        return 0.95
    if unicodedata.combining(each):
        return 0.0
    if unicodedata.east_asian_width(each) in {"W", "F"} or ord(each) > 0xFFFF:
        return 1.3
    return 0.7 if each.isupper() else 0.58


def fitted(text: str, width: float, size: float = SIZE) -> str:
    """The text in one line, cut so that it is not wider than that."""
    line = " ".join(text.split())
    if width_of(line, size) <= width:
        return line
    room, end = width - width_of("…", size), 0
    for each in line:
        room -= size * _em(each)
        if room < 0:
            break
        end += 1
    return line[:end].rstrip() + "…"


def wrapped(text: str, width: float, lines: int, size: float = SIZE) -> list[str]:
    """The beginning of the text in so many lines at most."""
    words = text[:2000].split()
    found: list[str] = []
    while words and len(found) < lines:
        line = words.pop(0)
        while words and width_of(f"{line} {words[0]}", size) <= width:
            line += f" {words.pop(0)}"
        if words and len(found) == lines - 1:
            line = f"{line} {' '.join(words[:20])}"
        found.append(fitted(line, width, size))
    return found


class Drawing:
    """A picture that is drawn from the top down. Times and sizes are in pixels."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        tone: Tone = "plain",
        size: float = SIZE,
        bold: bool = False,
        middle: bool = False,
    ) -> None:
        """One line, on the baseline ``y``."""
        weight = ' font-weight="600"' if bold else ""
        anchor = ' text-anchor="middle"' if middle else ""
        self._parts.append(
            f'<text class="{tone}" x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"'
            f"{weight}{anchor}>{escaped(text)}</text>"
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        tone: Tone = "plain",
        line: Line = "thin",
    ) -> None:
        """A rounded frame."""
        self._parts.append(
            f'<rect class="box s-{tone}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}"'
            f' height="{_n(height)}" rx="6"{_DASHES[line]}/>'
        )

    def cell(
        self, x: float, y: float, width: float, height: float, share: float
    ) -> None:
        """A field whose shade is a share of 1; texts in it stay legible."""
        self._parts.append(
            f'<rect class="heat" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}"'
            f' height="{_n(height)}" fill-opacity="{0.06 + 0.3 * share:.2f}"/>'
        )

    def arrow(
        self, x1: float, y1: float, x2: float, y2: float, line: Line = "thin"
    ) -> None:
        """From left to right, with a head."""
        bend = (x2 - x1) / 2
        end = x2 - 7
        path = (
            f"M{_n(x1)} {_n(y1)}C{_n(x1 + bend)} {_n(y1)} {_n(x2 - bend)} {_n(y2)}"
            f" {_n(end)} {_n(y2)}"
        )
        head = f"M{_n(x2)} {_n(y2)}l-8 -4v8z"
        self._parts.append(f'<path class="line" d="{path}"{_DASHES[line]}/>')
        self._parts.append(f'<path class="head" d="{head}"/>')

    def down(self, x: float, y1: float, y2: float) -> None:
        """From above to below, with a head."""
        self._parts.append(
            f'<path class="line" d="M{_n(x)} {_n(y1)}V{_n(y2 - 7)}"{_DASHES["thin"]}/>'
        )
        self._parts.append(f'<path class="head" d="M{_n(x)} {_n(y2)}l-4 -8h8z"/>')

    def document(self, height: float, title: str, description: str) -> str:
        """The whole picture, with what it says in words for who does not see it."""
        size = f'width="{_n(self.width)}" height="{_n(height)}"'
        view = f"0 0 {_n(self.width)} {_n(height)}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="{view}"'
            ' role="img" aria-labelledby="title desc">'
            f'<title id="title">{escaped(title)}</title>'
            f'<desc id="desc">{escaped(description)}</desc>'
            f"<style>{_STYLE}</style>"
            f'<rect class="ground" {size}/>' + "".join(self._parts) + "</svg>\n"
        )


def sentences(parts: Sequence[str]) -> str:
    """Each with a full stop."""
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
