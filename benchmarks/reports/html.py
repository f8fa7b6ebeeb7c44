"""A report as one HTML file that holds all it needs: style, tables, charts and the code that draws them."""

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.reports.content import Report

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")

CHART_LOOKS = """
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const ink = dark ? "#e6e6e6" : "#222222", line = dark ? "#444444" : "#dddddd";
const config = { axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line },
                 legend: { labelColor: ink, titleColor: ink }, text: { color: ink }, background: "transparent" };
"""

_DRAW = """
for (const figure of document.querySelectorAll("figure")) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  vegaEmbed(figure.querySelector("div"), spec, { actions: false, renderer: "svg", config });
}
"""


def html_report(report: Report) -> str:
    """The whole page. Everything that a model or a file wrote is escaped."""
    script = vega_library(_DRAW) if any(section.chart for section in report.sections) else ""
    title = f"Benchmark: {', '.join(run.id for run in report.runs)}"
    return page("report.html", title=title, sections=report.sections, script=script)


def page(template: str, **values: Any) -> str:
    """A page from one of `TEMPLATES`."""
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _environment() -> "jinja2.Environment":
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["chart_json"] = lambda chart: _script(
        json.dumps(full_width(chart), allow_nan=False).replace("<", "\\u003c")
    )
    return environment


def _script(text: str) -> Any:
    """Code of ours, in which nothing is escaped."""
    import markupsafe

    return markupsafe.Markup(text)


def full_width(chart: dict[str, Any]) -> dict[str, Any]:
    return chart if "hconcat" in chart else {**chart, "width": "container"}


@lru_cache(maxsize=8)
def vega_library(draw: str) -> Any:
    """Vega, Vega-Lite and vega-embed in one script, with code that draws by `vegaEmbed`, given `config`."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(CHART_LOOKS + draw, vl_version=version)
    return _script(bundle.replace("</script", "<\\/script"))
