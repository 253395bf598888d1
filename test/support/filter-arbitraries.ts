/** Random machines, and random filters that come with what they mean: an evaluator that shares no code with ours. */
import fc from "fast-check";
import type { Machine } from "./filter-records.js";

const words = ["a", "B", "ab", "Ab c", "*", "\\", '"', "x'y", "é", "AND"] as const;
const aWord = fc.constantFrom(...words);
const aNumber = fc.integer({ min: -3, max: 3 });
const labelKeys = ["k", "k.l", "toString"] as const;

const unsetOr = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });

export const aMachine: fc.Arbitrary<Machine> = fc.record({
  name: unsetOr(aWord),
  cores: unsetOr(fc.integer({ min: 1, max: 4 })),
  load: unsetOr(aNumber.map((n) => n / 2)),
  latencyNs: unsetOr(aNumber.map((n) => n * 50_000_000)),
  seenMs: unsetOr(aNumber.map((n) => n * 500)),
  nat: unsetOr(fc.boolean()),
  state: unsetOr(fc.constantFrom("ACTIVE", "LOST")),
  tags: unsetOr(fc.array(aWord, { maxLength: 3 })),
  sizes: unsetOr(fc.array(unsetOr(aNumber), { maxLength: 3 })),
  labels: unsetOr(fc.array(fc.tuple(fc.constantFrom(...labelKeys), aWord)).map((pairs) => new Map(pairs))),
});

/** A filter as text, and what it says of a machine. */
export interface Meaning {
  readonly text: string;
  readonly holds: (machine: Machine) => boolean;
}

const inQuotes = (word: string, quote: string): string => {
  const escaped = word.replaceAll("\\", "\\\\").replaceAll("*", "\\*").replaceAll(quote, `\\${quote}`);
  return quote + escaped + quote;
};
const aQuote = fc.constantFrom('"', "'");
const aGap = fc.constantFrom("", " ", "\n\t ");

const relations: Readonly<Record<string, (a: number | string, b: number | string) => boolean>> = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};
const aRelation = fc.constantFrom(...Object.keys(relations));

type Value = number | string;

/** A comparison by `=`, `<` and so on of a field with one value, or with some of several. */
function related(
  field: string,
  relation: string,
  wanted: Value,
  spelt: string,
  values: (machine: Machine) => readonly (Value | undefined)[],
): Meaning {
  return {
    text: `${field} ${relation} ${spelt}`,
    holds: (machine) =>
      values(machine).some((met) => met !== undefined && relations[relation]?.(met, wanted) === true),
  };
}

const singles = fc.oneof(
  fc
    .tuple(aRelation, aWord, aQuote)
    .map(([relation, word, quote]) =>
      related("name", relation, word, inQuotes(word, quote), ({ name }) => [name]),
    ),
  fc
    .tuple(aRelation, fc.integer({ min: 1, max: 4 }))
    .map(([relation, n]) => related("specs.cores", relation, n, String(n), ({ cores }) => [cores])),
  fc
    .tuple(aRelation, aNumber)
    .map(([relation, n]) => related("load", relation, n / 2, String(n / 2), ({ load }) => [load])),
  fc
    .tuple(aRelation, aNumber)
    .map(([relation, n]) =>
      related("latency", relation, n * 50_000_000, `${n / 20}s`, ({ latencyNs }) => [latencyNs]),
    ),
  fc
    .tuple(aRelation, aNumber)
    .map(([relation, n]) =>
      related("seen", relation, n * 500, new Date(n * 500).toISOString(), ({ seenMs }) => [seenMs]),
    ),
  fc
    .tuple(aRelation, aWord, aQuote, fc.constantFrom(...labelKeys))
    .map(([relation, word, quote, key]) =>
      related(`labels.${inQuotes(key, quote)}`, relation, word, inQuotes(word, quote), ({ labels }) => [
        labels?.get(key),
      ]),
    ),
);

const equalities = fc.oneof(
  fc
    .tuple(fc.constantFrom("=", "!="), fc.boolean())
    .map(([relation, wanted]) =>
      related("nat", relation, String(wanted), String(wanted), ({ nat }) => [
        nat === undefined ? nat : String(nat),
      ]),
    ),
  fc
    .tuple(fc.constantFrom("=", "!="), fc.constantFrom("", "STATE_"), fc.constantFrom("ACTIVE", "LOST"))
    .map(([relation, prefix, wanted]) =>
      related("state", relation, wanted, prefix + wanted, ({ state }) => [state]),
    ),
);

const repeated = fc.oneof(
  fc
    .tuple(aRelation, aWord, aQuote)
    .map(([relation, word, quote]) =>
      related(
        "tags",
        relation === "!=" ? "=" : relation,
        word,
        inQuotes(word, quote),
        ({ tags = [] }) => tags,
      ),
    ),
  fc
    .tuple(aRelation, aNumber)
    .map(([relation, n]) =>
      related("sizes", relation === "!=" ? "=" : relation, n, String(n), ({ sizes = [] }) => sizes),
    ),
);

const asksPresence = fc.constantFrom<Meaning>(
  { text: "name:*", holds: ({ name }) => name !== undefined },
  { text: "load : *", holds: ({ load }) => load !== undefined },
  { text: "tags:*", holds: ({ tags = [] }) => tags.length > 0 },
  { text: "sizes:*", holds: ({ sizes = [] }) => sizes.some((size) => size !== undefined) },
  { text: "labels:*", holds: ({ labels }) => (labels?.size ?? 0) > 0 },
  { text: "labels:k", holds: ({ labels }) => labels?.has("k") === true },
);

const contains = fc.tuple(aWord, aQuote).chain(([word, quote]) => {
  const inside = (text: string | undefined): boolean =>
    text?.toUpperCase().includes(word.toUpperCase()) === true;
  return fc.constantFrom<Meaning>(
    { text: `name:${inQuotes(word, quote)}`, holds: ({ name }) => inside(name) },
    { text: `tags:${inQuotes(word, quote)}`, holds: ({ tags = [] }) => tags.some(inside) },
    { text: `labels.k:${inQuotes(word, quote)}`, holds: ({ labels }) => inside(labels?.get("k")) },
  );
});

const wildcards = fc
  .constantFrom("a", "b", "c")
  .chain((letter) =>
    fc.constantFrom<Meaning>(
      { text: `name = ${letter}*`, holds: ({ name }) => name?.startsWith(letter) === true },
      { text: `name = "*${letter}"`, holds: ({ name }) => name?.endsWith(letter) === true },
      { text: `name != *${letter}*`, holds: ({ name }) => name !== undefined && !name.includes(letter) },
    ),
  );

const aComparison: fc.Arbitrary<Meaning> = fc.oneof(
  singles,
  equalities,
  repeated,
  asksPresence,
  contains,
  wildcards,
);

/**
 * A filter whose parentheses are nested up to `depth`, printed as the grammar binds: OR within AND, NOT within OR.
 * Up to 6 * 4 ^ depth comparisons, so depth 2 stays below the limit of 128.
 */
export function aFilter(depth: number): fc.Arbitrary<Meaning> {
  const simple = depth === 0 ? aComparison : fc.oneof(aComparison, inParentheses(aFilter(depth - 1)));
  const factor = joined(fc.oneof(simple, negated(simple)), [" OR "], (parts, holds) => parts.some(holds), 2);
  return joined(factor, [" AND ", " ", "\n"], (parts, holds) => parts.every(holds), depth === 0 ? 3 : 2);
}

function joined(
  part: fc.Arbitrary<Meaning>,
  joints: readonly string[],
  holdsOf: (parts: readonly Meaning[], holds: (part: Meaning) => boolean) => boolean,
  maxLength: number,
): fc.Arbitrary<Meaning> {
  return fc
    .tuple(fc.array(part, { minLength: 1, maxLength }), fc.constantFrom(...joints))
    .map(([parts, joint]) => ({
      text: parts.map(({ text }) => text).join(joint),
      holds: (machine) => holdsOf(parts, ({ holds }) => holds(machine)),
    }));
}

const negated = (part: fc.Arbitrary<Meaning>): fc.Arbitrary<Meaning> =>
  fc.tuple(fc.constantFrom("NOT ", "-"), part).map(([not, { text, holds }]) => ({
    text: not + text,
    holds: (machine) => !holds(machine),
  }));

const inParentheses = (part: fc.Arbitrary<Meaning>): fc.Arbitrary<Meaning> =>
  fc.tuple(aGap, part).map(([gap, { text, holds }]) => ({ text: `(${gap}${text}${gap})`, holds }));
