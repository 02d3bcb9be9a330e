"""Kept inputs as text, one a line, with `%XX` for bytes that are not printable ASCII: `corpus.py pack|unpack FILE FOLDER`."""

import pathlib
import re
import sys


def main():
    deed, file, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if deed == "pack":
        inputs = [path.read_bytes() for path in folder.iterdir()]
        inputs.sort(key=lambda one: (len(one), one))
        escaped = ["".join(chr(b) if 0x20 <= b <= 0x7E and b != 0x25 else f"%{b:02X}" for b in one) for one in inputs]
        file.write_text("".join(line + "\n" for line in escaped))
        return
    for number, line in enumerate(file.read_text().splitlines() if file.exists() else []):
        one = re.sub(rb"%(..)", lambda escape: bytes([int(escape[1], 16)]), line.encode())
        (folder / f"kept{number}").write_bytes(one)


main()
