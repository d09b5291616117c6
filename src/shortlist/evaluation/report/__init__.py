"""An evaluation as one HTML page, or as Markdown."""

from shortlist.evaluation.report.html import html_report
from shortlist.evaluation.report.markdown import markdown_report

__all__ = ["html_report", "markdown_report"]
