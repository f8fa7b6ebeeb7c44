"""A report as one HTML file that holds all it needs: style, tables, charts and the code that draws them."""

import json
from html import escape
from typing import Any

from benchmarks.reports.content import Report
from benchmarks.reports.parts import Section, Table

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; } figure { margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.87rem; }
th, td { text-align: left; padding: 0.3rem 0.7rem 0.3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.first p { font-size: 1.05rem; }
"""

CHART_LOOKS = """
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const ink = dark ? "#e6e6e6" : "#222222", line = dark ? "#444444" : "#dddddd";
const config = { axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line },
                 text: { color: ink }, background: "transparent" };
"""

_DRAW = """
for (const figure of document.querySelectorAll("figure")) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  vegaEmbed(figure.querySelector("div"), spec, { actions: false, renderer: "svg", config });
}
"""


def html_report(report: Report) -> str:
    """The whole page. Everything that a model or a file wrote is escaped."""
    title = f"Benchmark: {', '.join(run.id for run in report.runs)}"
    sections = "\n".join(section_html(section, place) for place, section in enumerate(report.sections))
    script = vega_library(_DRAW) if any(section.chart for section in report.sections) else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'{sections}\n<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def section_html(section: Section, place: int) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>", *(f"<p>{escape(text)}</p>" for text in section.text)]
    if section.chart:
        parts.append(_figure(section.chart))
    if section.table:
        parts.append(_table(section.table))
    body = "\n".join(parts)
    return f'<section class="first">\n{body}\n</section>' if place == 0 else f"<section>\n{body}\n</section>"


def _figure(chart: dict[str, Any]) -> str:
    """The chart, and in words what it shows for who cannot see it; no `<` survives in the specification."""
    words = escape(str(chart.get("description", "")), quote=True)
    spec = json.dumps(full_width(chart), allow_nan=False).replace("<", "\\u003c")
    return (
        f'<figure class="wide" role="img" aria-label="{words}"><div style="width: 100%"></div>'
        f'<script type="application/json">{spec}</script></figure>'
    )


def full_width(chart: dict[str, Any]) -> dict[str, Any]:
    return chart if "hconcat" in chart else {**chart, "width": "container"}


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in table.head)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in table.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def vega_library(draw: str) -> str:
    """Vega, Vega-Lite and vega-embed in one script, with code that draws by `vegaEmbed`, given `config`."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(CHART_LOOKS + draw, vl_version=version)
    return bundle.replace("</script", "<\\/script")
