import { FilterError, quoted } from "./errors.js";
import { findField } from "./field-lookup.js";
import type { FieldTable } from "./fields.js";
import { charactersOf, Lexer } from "./lexer.js";
import { filterLimits } from "./limits.js";
import { shown, type Token, type TokenSource } from "./tokens.js";
import { nameOf } from "./tree.js";
import type { Comparator } from "./value-types.js";

/**
 * Turns an order (AIP-132: `measurement.latency, specs.memory_mib desc`) into a comparator of records.
 *
 * Records in which a field is unset come last, in either direction. Empty text calls all records equal; so does the
 * comparator where the fields do not tell two records apart, and a stable sort leaves those as they were.
 *
 * @throws {FilterError} if the text is no order, or names a field that has none
 */
export function parseOrder<R>(text: string, fields: FieldTable<R>): Comparator<R> {
  const tokens = new Lexer(charactersOf(text));
  const comparators = new Map<string, Comparator<R>>();
  let token = tokens.next();
  if (token.kind === "end") return () => 0;
  for (;;) {
    const { name, column, comparator } = sortedField(token, fields);
    if (comparators.has(name)) throw new FilterError(column, `${quoted(name)} stands in the order twice`);
    if (comparators.size === filterLimits.maxOrderFields) {
      throw new FilterError(column, `more than ${filterLimits.maxOrderFields} fields`);
    }
    const { isDescending, next } = directionFrom(tokens);
    comparators.set(name, comparator(isDescending));
    if (next.kind === "end") break;
    if (next.kind !== ",")
      throw new FilterError(next.column, `met ${shown(next)} where a comma, desc or the end is expected`);
    token = tokens.next();
  }
  return inTurn([...comparators.values()]);
}

function sortedField<R>(
  token: Token,
  fields: FieldTable<R>,
): { name: string; column: number; comparator: (isDescending: boolean) => Comparator<R> } {
  if (token.kind !== "path")
    throw new FilterError(token.column, `met ${shown(token)} where a field is expected`);
  const name = nameOf(token);
  const { field, key } = findField(token, fields);
  if (field.order === undefined) {
    const what = key === undefined ? `is a ${field.type}` : "is a key of a map";
    throw new FilterError(token.column, `${quoted(name)} ${what}, which has no order`);
  }
  return { name, column: token.column, comparator: field.order };
}

/** Reads `desc` or `asc`, if one of them comes next, and what stands behind it. */
function directionFrom(tokens: TokenSource): { isDescending: boolean; next: Token } {
  const token = tokens.next();
  const word = token.kind === "path" ? nameOf(token) : "";
  if (word === "desc" || word === "asc") return { isDescending: word === "desc", next: tokens.next() };
  return { isDescending: false, next: token };
}

/** The first comparator that tells two records apart decides. */
function inTurn<R>(comparators: readonly Comparator<R>[]): Comparator<R> {
  return (a, b) => {
    for (const comparator of comparators) {
      const order = comparator(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
}
