"""Rows of a spreadsheet: .xlsx by the standard library (ECMA-376), or .csv."""

from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from edge.errors import DataInvalid

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LINKS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MOST = 64 * 2**20  # bytes of one part, unpacked
Rows = list[list[str]]


def read(path: Path) -> dict[str, Rows]:
    """Every sheet by its name, in the file's order; cells as text, "" where empty. A .csv has one, "csv".

    Raises DataInvalid.
    """
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return {"csv": [[cell.strip() for cell in row] for row in csv.reader(file)]}
        with zipfile.ZipFile(path) as archive:
            return _sheets(archive)
    except (OSError, KeyError, ValueError, csv.Error, zipfile.BadZipFile, ElementTree.ParseError) as error:
        raise DataInvalid(f"'{path}' is no .xlsx or .csv that can be read: {error}") from error


def _sheets(archive: zipfile.ZipFile) -> dict[str, Rows]:
    links = {
        link.attrib["Id"]: link.attrib["Target"] for link in _part(archive, "xl/_rels/workbook.xml.rels")
    }
    shared: list[str] = []
    if "xl/sharedStrings.xml" in archive.namelist():
        shared = [_text(item) for item in _part(archive, "xl/sharedStrings.xml")]
    found = {}
    for sheet in _part(archive, "xl/workbook.xml").iter(f"{MAIN}sheet"):
        target = links[sheet.attrib[f"{LINKS}id"]]
        name = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        found[sheet.attrib["name"]] = _rows(_part(archive, name), shared)
    return found


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > MOST:
        raise ValueError(f"its {name} is larger than {MOST >> 20} MB")
    content = archive.read(name)
    # Spreadsheets have no use for entities, and entities can be made to fill a memory.
    if b"<!DOCTYPE" in content:
        raise ValueError(f"its {name} declares a document type")
    return ElementTree.fromstring(content)


def _rows(sheet: ElementTree.Element, shared: list[str]) -> Rows:
    rows = []
    for row in sheet.iter(f"{MAIN}row"):
        cells: list[str] = []
        for cell in row.iter(f"{MAIN}c"):
            place = re.match(r"[A-Z]+", cell.attrib.get("r", ""))
            column = _number(place[0]) if place else len(cells)
            cells += [""] * (column - len(cells))
            cells.append(_value(cell, shared).strip())
        rows.append(cells)
    return rows


def _value(cell: ElementTree.Element, shared: list[str]) -> str:
    kind, value = cell.attrib.get("t", "n"), cell.find(f"{MAIN}v")
    if kind == "inlineStr":
        return _text(cell)
    if value is None or value.text is None:
        return ""
    if kind == "s":
        return shared[int(value.text)]
    # 200 may be written as 200.0.
    return re.sub(r"\.0+$", "", value.text) if kind == "n" else value.text


def _text(item: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in item.iter(f"{MAIN}t"))


def _number(letters: str) -> int:
    """A column's number from 0: A, B, ... Z, AA."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1
