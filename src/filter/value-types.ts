import { FilterError, quoted } from "./errors.js";
import { readBoolean, readDecimal, readDuration, readInteger, readTimestamp } from "./literals.js";
import { nameOf, operators, type Comparison, type Literal, type Operator } from "./tree.js";

/** Whether something holds for a value or a record. */
export type Test<T> = (tested: T) => boolean;

/** Negative = the first comes first. */
export type Comparator<T> = (a: T, b: T) => number;

export type ValueKind = "text" | "integer" | "decimal" | "duration" | "timestamp" | "boolean" | "enumeration";

/** What one value can be asked, how it is spelt, and what comes before what. */
export interface ValueType<V> {
  readonly kind: ValueKind;
  readonly operators: readonly Operator[];
  /** @returns undefined if the literal is no such value */
  read(literal: Literal): V | undefined;
  /** @throws {FilterError} if the literal is no such value. The operator is one of `operators`. */
  test(comparison: Comparison): Test<V>;
  readonly order: Comparator<V>;
}

const equality = ["=", "!="] as const;
const ordering = ["=", "!=", "<", "<=", ">", ">="] as const;

const ascending = <V extends number | boolean | string>(a: V, b: V): number => (a < b ? -1 : a > b ? 1 : 0);

/** Text: compared by UTF-16 code units, whatever the language; `:` looks inside, without regard to case. */
export const textType: ValueType<string> = {
  kind: "text",
  operators,
  read: (literal) => literal.text,
  test(comparison) {
    const { operator, literal } = comparison;
    switch (operator) {
      case ":": {
        refuseWildcards(comparison, "`:` finds a text wherever it stands");
        const wanted = literal.text.toLowerCase();
        return (value) => value.toLowerCase().includes(wanted);
      }
      case "=":
        return matches(literal);
      case "!=": {
        const isEqual = matches(literal);
        return (value) => !isEqual(value);
      }
      case "<":
      case "<=":
      case ">":
      case ">=":
        refuseWildcards(comparison, `${operator} compares letter by letter`);
        return compared(operator, ascending, literal.text);
    }
  },
  order: ascending,
};

export const integerType = plainType("integer", "a whole number such as 8", ordering, readInteger);
export const decimalType = plainType("decimal", "a number such as 8 or 0.5", ordering, readDecimal);
export const durationType = plainType(
  "duration",
  "a duration in seconds such as 0.05s",
  ordering,
  readDuration,
);
export const timestampType = plainType(
  "timestamp",
  "a time such as 2026-01-31T12:00:00Z",
  ordering,
  readTimestamp,
);
export const booleanType = plainType("boolean", "true or false", equality, readBoolean);

/** Names out of a list, with or without the prefix that the proto gives them; ordered as listed. */
export function enumerationType<V extends string>(prefix: string, values: readonly V[]): ValueType<V> {
  const read = (text: string): V | undefined =>
    values.find((value) => value === text || `${prefix}${value}` === text);
  const byPosition: Comparator<V> = (a, b) => values.indexOf(a) - values.indexOf(b);
  return plainType("enumeration", `one of ${values.join(", ")}`, equality, read, byPosition);
}

function plainType<V extends number | boolean | string>(
  kind: ValueKind,
  expected: string,
  accepted: readonly Operator[],
  readText: (text: string) => V | undefined,
  order: Comparator<V> = ascending,
): ValueType<V> {
  return {
    kind,
    operators: accepted,
    read: (literal) => readText(literal.text),
    test(comparison) {
      const { path, operator, literal } = comparison;
      const wanted = readText(literal.text);
      if (wanted === undefined) {
        const hint = literal.text === "*" ? `; ${nameOf(path)}:* asks whether it is set` : "";
        throw new FilterError(
          literal.column,
          `${quoted(nameOf(path))} takes ${expected}, not ${quoted(literal.text)}${hint}`,
        );
      }
      return compared(operator, order, wanted);
    },
    order,
  };
}

/** `:` asks whether some element of a repeated field is this value. */
function compared<V>(operator: Operator, order: Comparator<V>, wanted: V): Test<V> {
  switch (operator) {
    case "=":
    case ":":
      return (value) => order(value, wanted) === 0;
    case "!=":
      return (value) => order(value, wanted) !== 0;
    case "<":
      return (value) => order(value, wanted) < 0;
    case "<=":
      return (value) => order(value, wanted) <= 0;
    case ">":
      return (value) => order(value, wanted) > 0;
    case ">=":
      return (value) => order(value, wanted) >= 0;
  }
}

/** A `*` first or last in the literal stands for any text, an empty one included. */
function matches({ text, wildcards, column }: Literal): Test<string> {
  const characters = Array.from(text);
  const last = characters.length - 1;
  if (wildcards.some((index) => index !== 0 && index !== last)) {
    throw new FilterError(column, "a * stands first or last in a value; \\* in quotes is the character");
  }
  const opens = wildcards.includes(0);
  const closes = wildcards.includes(last);
  const core = characters.slice(opens ? 1 : 0, closes ? last : undefined).join("");
  if (opens && closes) return (value) => value.includes(core);
  if (opens) return (value) => value.endsWith(core);
  if (closes) return (value) => value.startsWith(core);
  return (value) => value === core;
}

function refuseWildcards({ literal }: Comparison, reason: string): void {
  if (literal.wildcards.length === 0) return;
  throw new FilterError(
    literal.column,
    `${reason}; leave the * out, or write \\* in quotes for the character`,
  );
}
