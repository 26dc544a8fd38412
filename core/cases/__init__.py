"""Requests as files: what happened to one, with all that is needed to play it once more."""

from penstock.core.cases.case import SUFFIX, Case, CaseManifest
from penstock.core.cases.exporter import CaseExporter
from penstock.core.cases.reader import read_case
from penstock.core.cases.writer import write_case

__all__ = ["SUFFIX", "Case", "CaseExporter", "CaseManifest", "read_case", "write_case"]
