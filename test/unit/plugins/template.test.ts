import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { renderPlaybook } from "../../../src/plugins/template.js";

describe("a playbook as a Go template", () => {
  it.each([
    ["port: {{index . 0}}", "port: 8080"],
    ["{{ index . 1 }}{{index  .  0}}", "90908080"],
    ['{{"{{"}} word {{"}}"}}', "{{ word }}"],
    ["{{`{{ word }}`}}", "{{ word }}"],
    ['{{ "a\\tb\\n" }}', "a\tb\n"],
    ["a{{/* nobody reads {{ this }} */}}b", "ab"],
    ["{ not } one }} of them", "{ not } one }} of them"],
    ["", ""],
  ])("renders %j", (text, rendered) => {
    expect(renderPlaybook(text, [8080, 9090])).toBe(rendered);
  });

  it.each([
    ["a\n{{ word }}", "line 2: only {{index . N}}"],
    ["{{.}}", "line 1: only"],
    ["{{index . 0 1}}", "line 1: only"],
    ["{{index $ 0}}", "line 1: only"],
    ["{{range .}}x{{end}}", "line 1: only"],
    ["{{- index . 0 -}}", "line 1: only"],
    ['{{ printf "x" }}', "line 1: only"],
    ["{{index . -1}}", "line 1: only"],
    ["\n\n{{index . 2}}", "line 3: port 2 of 2"],
    ["x\n{{ index . 0 ", "line 2: {{ without }}"],
    ['{{ "a\nb" }}', "line 1: only"],
    ["{{`unended }}", "line 1: only"],
    ["{{/* unended }}", "line 1: only"],
  ])("refuses %j, naming the line", (text, message) => {
    expect(() => renderPlaybook(text, [8080, 9090])).toThrow(message);
  });

  it("leaves alone whatever holds no braces", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes("{{"));
        expect(renderPlaybook(text, [])).toBe(text);
      }),
    );
  });

  it("gives each place its port, and never anything else", () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const plain = fc.string().filter((text) => !/[{}]/.test(text));
    const pieces = fc.array(fc.oneof(plain, fc.nat({ max: 3 })));
    fc.assert(
      fc.property(fc.array(port, { minLength: 4, maxLength: 4 }), pieces, (ports, parts) => {
        const text = parts.map((part) => (typeof part === "number" ? `{{index . ${part}}}` : part)).join("");
        const rendered = parts
          .map((part) => (typeof part === "number" ? String(ports[part]) : part))
          .join("");
        expect(renderPlaybook(text, ports)).toBe(rendered);
      }),
    );
  });

  it("takes a megabyte of places in one go", () => {
    const text = "{{index . 0}}".repeat(80_000);
    expect(renderPlaybook(text, [1])).toBe("1".repeat(80_000));
  });
});
