// Links in what people write.

import assert from "node:assert/strict";
import { test } from "node:test";

const { linked } = await import(`${process.env.PAGE}/links.js`);

const links = (text) => linked(text).filter(({ href }) => href).map(({ href }) => href);

test("addresses are links, and the sentence around them is not", () => {
  for (const [text, expected] of [
    ["see https://example.org/a?b=c#d.", ["https://example.org/a?b=c#d"]],
    ["(as at http://example.org/x_(y)), or https://example.org!", ["http://example.org/x_(y)", "https://example.org"]],
    ["https://example.org/ü and\nhttps://example.org:8080/", ["https://example.org/ü", "https://example.org:8080/"]],
    ["<https://example.org>", ["https://example.org"]],
  ]) assert.deepEqual(links(text), expected);
});

test("nothing else is a link", () => {
  for (const text of ["", "example.org", "javascript:alert(1)", "data:text/html,x", "xhttp://", "https://", "http://[", "ftp://example.org"])
    assert.deepEqual(links(text), [], text);
});

test("nothing of a text is lost", () => {
  for (const text of ["", "a", "https://example.org", " https://example.org. \n(https://example.org/)x", "https://[ http://a"])
    assert.equal(linked(text).map((part) => part.text).join(""), text);
});
