// Which protected calls servers in JavaScript see in a body. One body in Base64 a line in, one array of [reader, method, name] a line out.
"use strict";

const USES = { "tools/call": "name", "prompts/get": "name", "resources/read": "uri" };

function see(value, reader, seen) {
  if (Array.isArray(value)) return value.forEach((element) => see(element, reader, seen));
  if (value === null || typeof value !== "object") return;
  for (const method of Object.keys(USES)) {
    if (String(value.method) !== method) continue; // as when it is the key of a table of handlers
    const params = value.params;
    if (params === undefined || params === null) continue;
    const name = Array.isArray(params) ? params[0] : params[USES[method]];
    // an empty object has a text as well, and so has a string that has no such member
    if (name !== undefined && name !== null) seen.push([reader, method, String(name).toWellFormed()]);
  }
}

function attempt(seen, reader, text) {
  let value;
  try {
    value = JSON.parse(text());
  } catch {
    return;
  }
  try {
    see(value, reader, seen);
  } catch {
    // `String` of an object that has a `toString` of its own
  }
}

const bodies = require("node:fs").readFileSync(0, "latin1").split("\n");
for (const line of bodies.slice(0, -1)) {
  const body = Buffer.from(line, "base64");
  const seen = [];
  attempt(seen, "JSON.parse", () => body.toString("utf8"));
  attempt(seen, "fetch", () => new TextDecoder().decode(body)); // takes a byte order mark away
  attempt(seen, "UTF-16", () => new TextDecoder("utf-16le").decode(body));
  attempt(seen, "UTF-16, big end first", () => new TextDecoder("utf-16be").decode(body));
  attempt(seen, "trimmed", () => body.toString("utf8").replace(/^[\s\0]+|[\s\0]+$/g, ""));
  for (const one of body.length < 10_000 ? body.toString("utf8").split(/[\r\n\x1e]+/) : []) {
    attempt(seen, "lines", () => one.replace(/^data: /, ""));
  }
  process.stdout.write(JSON.stringify(seen) + "\n");
}
