"""Which protected calls servers see in a body: in Python, and in other languages as far as keys are found in other ways there.

One body in Base64 a line in, one array of [reader, method, name] a line out.
"""

import base64
import json
import sys

USES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class Pairs(list):
    """An object as it stands, with its duplicates."""


def exact(key, wanted):
    return key == wanted


def go(key, wanted):
    """encoding/json takes a field whose name is equal under Unicode's simple folding: U+017F is an s and U+212A a k."""
    return key.casefold() == wanted.casefold()


def lenient(key, wanted):
    """Mappers that take any case, with or without lines between the words."""
    def plain(text):
        return text.casefold().replace("_", "").replace("-", "")

    return plain(key) == plain(wanted)


def c(key, wanted):
    """Keys end at a NUL, and any case will do (cJSON)."""
    return key.split("\0")[0].lower() == wanted.lower()


def members(value, wanted, same):
    """The values of all members that this reader takes for the wanted one."""
    return [member for key, member in value if same(key, wanted)] if isinstance(value, Pairs) else []


def last(values):
    return values[-1] if values else None


def first(values):
    return values[0] if values else None


def last_not_null(values):
    """Go leaves a field as it is where null comes."""
    return last([value for value in values if value is not None])


def merged(values):
    """Go fills a struct that is there already."""
    return Pairs(pair for value in values if isinstance(value, Pairs) for pair in value) or None


READERS = {
    "last": (exact, last, last),
    "first": (exact, first, first),
    "Go": (go, last_not_null, last_not_null),
    "Go, into one struct": (go, last_not_null, merged),
    "lenient, last": (lenient, last, last),
    "lenient, first": (lenient, first, first),
    "C": (c, first, first),
}


def text_of(value, reader):
    """Names are text; one that does not type its values takes others as they are written."""
    if isinstance(value, str):
        return value.split("\0")[0] if reader == "C" else value
    if isinstance(value, list) and not isinstance(value, Pairs) and len(value) == 1:
        return text_of(value[0], reader)
    return None


def see(value, reader, seen):
    if isinstance(value, list) and not isinstance(value, Pairs):
        for element in value:
            see(element, reader, seen)
        return
    same, one, struct = READERS[reader]
    method = text_of(one(members(value, "method", same)), reader)
    if method not in USES:
        return
    params = struct(members(value, "params", same))
    if isinstance(params, list) and not isinstance(params, Pairs):
        name = params[0] if params else None
    else:
        name = one(members(params, USES[method], same))
    name = text_of(name, reader)
    if name is not None:
        whole = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        seen.append([reader, method, whole])


def attempt(parse, seen, prefix=""):
    try:
        value = parse()
    except (ValueError, RecursionError):
        return
    for reader in READERS:
        found = []
        see(value, reader, found)
        seen.extend([prefix + reader, method, name] for reader, method, name in found)


def no_constant(word):
    raise ValueError(word)


def main():
    strict = json.JSONDecoder(object_pairs_hook=Pairs, parse_constant=no_constant)
    loose = json.JSONDecoder(object_pairs_hook=Pairs, strict=False)  # control characters, NaN
    for line in sys.stdin.buffer:
        body = base64.b64decode(line)
        text = body.decode("utf-8", "replace")
        seen = []
        attempt(lambda: json.loads(body, object_pairs_hook=Pairs), seen)  # finds out by itself about UTF-16 and UTF-32
        attempt(lambda: strict.decode(text), seen, "text: ")
        attempt(lambda: loose.decode(text.removeprefix("\ufeff").strip("\0 \r\n\t")), seen, "loose: ")
        attempt(lambda: strict.raw_decode(text.lstrip())[0], seen, "first value: ")  # as a decoder of streams does
        for encoding in "utf-7", "cp500":
            try:
                other = body.decode(encoding)
            except UnicodeError:
                continue
            attempt(lambda: strict.decode(other), seen, encoding + ": ")
        if len(body) < 10_000:
            for one in text.splitlines():
                attempt(lambda: strict.raw_decode(one.lstrip("\x1e "))[0], seen, "lines: ")
        unique = {tuple(call) for call in seen}
        print(json.dumps(sorted(unique)))


main()
