import { findField } from "./field-lookup.js";
import type { FieldTable } from "./fields.js";
import { charactersOf, Lexer } from "./lexer.js";
import { parseTree } from "./parser.js";
import type { Tree } from "./tree.js";
import type { Test } from "./value-types.js";

/**
 * Turns a filter (docs/filters.md) into a predicate over records. Empty text passes every record.
 *
 * @throws {FilterError} if the text is no filter, or says of a field what its type does not know
 */
export function parseFilter<R>(text: string, fields: FieldTable<R>): Test<R> {
  const tree = parseTree(new Lexer(charactersOf(text)));
  return tree === undefined ? () => true : predicateOf(tree, fields);
}

/** Checks every comparison of a tree against the fields' types, and joins what they ask of a record. */
function predicateOf<R>(tree: Tree, fields: FieldTable<R>): Test<R> {
  switch (tree.kind) {
    case "and": {
      const tests = tree.parts.map((part) => predicateOf(part, fields));
      return (record) => tests.every((test) => test(record));
    }
    case "or": {
      const tests = tree.parts.map((part) => predicateOf(part, fields));
      return (record) => tests.some((test) => test(record));
    }
    case "not": {
      const test = predicateOf(tree.part, fields);
      return (record) => !test(record);
    }
    case "comparison": {
      const { field, key } = findField(tree.path, fields);
      return field.test(tree, key);
    }
  }
}
