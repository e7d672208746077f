"""Marked and spotted movements: how they are counted, and what is read of three data sets' sheets."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edge.errors import DataInvalid
from faces.spotting import annotations, sheets
from faces.spotting.annotations import Annotation
from faces.spotting.score import Counts, Interval, counted, matched

Cells = list[list[str]]


def xlsx(path: Path, tables: dict[str, Cells]) -> Path:
    """A workbook as spreadsheet programs write it: texts shared, numbers as such, empty cells left out."""
    texts: list[str] = []
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    names = list(tables)
    with zipfile.ZipFile(path, "w") as archive:
        for number, rows in enumerate(tables.values(), 1):
            lines = []
            for down, row in enumerate(rows, 1):
                cells = []
                for across, value in enumerate(row):
                    place = f"{chr(65 + across)}{down}"
                    if value == "":
                        continue
                    if value.isdigit() and not value.startswith("0"):
                        cells.append(f'<c r="{place}"><v>{value}</v></c>')
                    else:
                        texts.append(value)
                        cells.append(f'<c r="{place}" t="s"><v>{len(texts) - 1}</v></c>')
                lines.append(f'<row r="{down}">{"".join(cells)}</row>')
            data = f"<sheetData>{''.join(lines)}</sheetData>"
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml", f"{head}<worksheet {main}>{data}</worksheet>"
            )
        shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
        archive.writestr("xl/sharedStrings.xml", f"{head}<sst {main}>{shared}</sst>")
        listed = "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'{head}<workbook {main} xmlns:r="{links}"><sheets>{listed}</sheets></workbook>',
        )
        related = "".join(
            f'<Relationship Id="r{n}" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(names) + 1)
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"{head}<Relationships>{related}</Relationships>")
    return path


CASME2 = [
    [
        "Subject",
        "Filename",
        "",
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        "",
        "Action Units",
        "Estimated Emotion",
    ],
    ["1", "EP02_01f", "", "46", "59", "86", "", "12", "happiness"],
    ["12", "EP19_06f", "", "116", "/", "190", "", "L2", "others"],
]
SAMM = [
    ["SAMM: A Spontaneous Micro-Facial Movement Dataset"],
    ["Frames at 200 a second"],
    [],
    ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration",
     "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"],
    ["011", "011_1_1", "1", "1283", "1311", "1368", "86", "Micro - 1/2", "4", "Anger", "3", ""],
]  # fmt: skip
SAMM_LONG = [
    ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type", "Action Units"],
    ["006", "006_1_1", "1", "219", "287", "457", "239", "Macro", "AU12"],
    ["006", "006_1_2", "1", "5562", "5580", "5629", "68", "Micro - 1/2", "AU13"],
]
CAS_ME_2 = {
    "CASFEcode_final": [
        ["1", "anger1_1", "557", "572", "608", "4", "negative", "macro-expression", "anger"],
        ["1", "anger1_2", "2854", "2862", "2868", "4+7", "negative", "micro-expression", "anger"],
        ["2", "happy2_1", "40", "60", "0", "12", "positive", "micro-expression", "happy"],
    ],
    "naming rule1": [["1", "s15", "1"], ["2", "s16", "2"]],
    "naming rule2": [["0401", "anger1"], ["0508", "happy2"]],
}


def test_an_interval_is_right_from_half_and_each_true_one_counts_once() -> None:
    true = [Interval(1.0, 1.4), Interval(3.0, 3.3)]
    spotted = [Interval(1.0, 1.2), Interval(1.05, 1.4), Interval(5, 5.2), Interval(3.25, 3.6)]
    assert matched(spotted, true) == {1: 0}
    counts = counted(spotted, true) + counted([], [Interval(0, 1)]) + counted([], [])
    assert counts == Counts(1, 3, 2)
    assert counts.f1 == pytest.approx(2 / 7) and counts.precision == 0.25
    assert counts.recall == pytest.approx(1 / 3)
    assert Counts().f1 == 0.0 and Interval(1, 1).overlap(Interval(1, 1)) == 0.0


def test_casme_2_is_read_from_its_columns_and_an_apex_nobody_knows_is_none(tmp_path: Path) -> None:
    found = annotations.read(xlsx(tmp_path / "c.xlsx", {"Sheet1": CASME2}), "casme2")
    assert found[0] == Annotation("sub01", ("sub01", "EP02_01f"), 46, 59, 86, "micro", "happiness", "12")
    assert found[1].subject == "sub12" and found[1].apex is None and len(found) == 2
    lines = "\n".join(",".join(row) for row in CASME2)
    (tmp_path / "c.csv").write_text("\ufeff" + lines, encoding="utf-8")
    assert annotations.read(tmp_path / "c.csv", "casme2") == found


def test_samm_is_read_below_its_introduction_and_its_long_videos_hold_several(tmp_path: Path) -> None:
    (short,) = annotations.read(xlsx(tmp_path / "s.xlsx", {"MICRO ONLY": SAMM}), "samm")
    assert (short.folder, short.onset, short.offset) == (("011", "011_1_1"), 1283, 1368)
    assert short.kind == "micro" and short.emotion == "Anger"
    found = annotations.read(xlsx(tmp_path / "l.xlsx", {"FACS Movement": SAMM_LONG}), "samm")
    assert annotations.films(found) == {("006", "006_1"): found}
    assert [each.kind for each in found] == ["macro", "micro"]


def test_cas_me_2_is_read_with_its_names_and_an_offset_of_0_is_the_apex(tmp_path: Path) -> None:
    found = annotations.read(xlsx(tmp_path / "q.xlsx", CAS_ME_2), "cas_me_2")
    assert [each.folder for each in found] == [("s15", "0401"), ("s15", "0401"), ("s16", "0508")]
    assert [each.kind for each in found] == ["macro", "micro", "micro"]
    assert found[2].offset == 60 and found[1].units == "4+7"
    for name in ("img002.jpg", "img001.jpg", "img010.jpg", "notes.txt"):
        place = tmp_path / "rawpic" / "s15" / "15_0401girlcrashing" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    numbers = [number for number, _ in annotations.frames(tmp_path / "rawpic", found[0].folder)]
    assert numbers == [1, 2, 10]
    assert annotations.frames(tmp_path / "rawpic", ("s99", "0401")) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no sheet", b"a,b\n1,2\n"])
def test_what_is_no_sheet_is_refused(content: bytes, tmp_path: Path) -> None:
    for name in ("a.xlsx", "a.csv"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataInvalid, match=name):
            annotations.read(tmp_path / name, "casme2")


def test_the_sheet_of_another_data_set_is_refused(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "c.xlsx", {"Sheet1": CASME2})
    with pytest.raises(DataInvalid, match="not laid out as SAMM's"):
        annotations.read(path, "samm")
    with pytest.raises(DataInvalid, match="choose casme2"):
        annotations.read(path, "casme9")


def test_a_sheet_that_declares_entities_is_refused(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "c.xlsx", {"Sheet1": CASME2})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/workbook.xml"] = b'<!DOCTYPE a [<!ENTITY b "c">]>' + parts["xl/workbook.xml"].split(b"?>")[1]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(DataInvalid, match="document type"):
        sheets.read(path)
