"""A report as Markdown, CSV and JSON."""

import json
from dataclasses import asdict

from benchmarks.analysis.comparisons import comparison_json
from benchmarks.reports.content import Report
from benchmarks.reports.parts import Section
from benchmarks.runs.write import without_nan
from data.tables import markdown


def markdown_report(report: Report) -> str:
    """Sections with sentences and tables; charts are told in words."""
    parts = [f"# Benchmark: {', '.join(run.id for run in report.runs)}", *map(_section, report.sections)]
    return "\n\n".join(parts) + "\n"


def csv_report(report: Report) -> str:
    """One line a file, with the columns of `benchmarks.analysis.points.COLUMNS`."""
    text: str = report.points.to_csv(index=False)
    return text


def json_report(report: Report) -> str:
    """The figures behind every section, in one object; null where something was not measured."""
    content = {
        "runs": [run.id for run in report.runs],
        "base": report.base,
        "points": report.points.to_dict("records"),
        "verdicts": [
            {
                "a": each.a,
                "b": each.b,
                "sentence": each.sentence,
                "quality_run": each.run.id,
                "quality": comparison_json(each.quality),
                "speed": asdict(each.speed) if each.speed else None,
                "s_per_correct_a": asdict(each.s_per_correct_a) if each.s_per_correct_a else None,
                "s_per_correct_b": asdict(each.s_per_correct_b) if each.s_per_correct_b else None,
            }
            for each in report.verdicts
        ],
        "comparisons": [comparison_json(each) for each in report.comparisons],
        "sections": [{"title": each.title, "text": list(each.text)} for each in report.sections],
    }
    return json.dumps(without_nan(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {section.title}", *section.text]
    if section.chart and not section.table and not section.text:
        parts.append(str(section.chart.get("description", "")))
    if section.table:
        rows = [[_cell(text) for text in row] for row in section.table.rows]
        parts.append(markdown(section.table.head, rows))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    """Text that cannot leave its cell."""
    return text.replace("\\", "\\\\").replace("<", "&lt;")
