"""The documents tell the truth: every test named in docs/contract-status.md exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def named_tests():
    for line in (ROOT / "docs" / "contract-status.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and re.fullmatch(r"[SFG][\d-]+", cells[0]) and cells[2] != "open":
            for name in cells[2].split(", "):
                yield cells[0], name


def exists(name: str) -> bool:
    if match := re.fullmatch(r"unit\.(\w+): (\w+)\.(\w+)", name):
        room, suite, test = match.groups()
        pattern = re.compile(rf"TEST(_F|_P)?\(\s*{suite},\s*{test}\s*\)")
        return any(pattern.search(file.read_text()) for file in (ROOT / "tests" / "unit" / room).glob("*_test.cpp"))
    if match := re.fullmatch(r"e2e: (\w+\.py)::(\w+)", name):
        file = ROOT / "tests" / "e2e" / match.group(1)
        return file.exists() and f"def {match.group(2)}(" in file.read_text()
    if match := re.fullmatch(r"bench: (\w+\.py)", name):
        return (ROOT / "bench" / match.group(1)).exists()
    return False


def test_every_test_named_in_the_contract_status_exists():
    missing = [f"{row}: {name}" for row, name in named_tests() if not exists(name)]
    assert not missing


def test_the_count_of_shown_rows_is_right():
    text = (ROOT / "docs" / "contract-status.md").read_text()
    shown = len({row for row, _ in named_tests()})
    assert f"{shown} of 528 rows are shown." in text
