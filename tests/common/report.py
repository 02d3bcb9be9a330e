"""What was checked and how it went."""


class Report:
    """Collects checks; one that fails is told at once with what was found, and by name again at the end."""

    def __init__(self) -> None:
        self.passed = 0
        self.failures: list[str] = []

    def check(self, what: str, ok: bool, detail: object = "") -> bool:
        if ok:
            self.passed += 1
        else:
            self.failures.append(what)
            print(f"  FAILED {what}: {detail}")
        return ok

    def equal(self, what: str, found: object, expected: object) -> bool:
        return self.check(what, found == expected, f"{found!r} instead of {expected!r}")


def table(rows: list[list[object]]) -> None:
    """Prints rows with aligned columns; the first row is the heading."""
    words = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in words) for column in range(len(words[0]))]
    for row in words:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
