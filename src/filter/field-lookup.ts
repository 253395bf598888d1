import { FilterError, quoted } from "./errors.js";
import type { Field, FieldTable } from "./fields.js";
import { nearestNames } from "./nearest-names.js";
import { nameOf, type Path } from "./tree.js";

export interface FoundField<R> {
  readonly field: Field<R>;
  /** What the path names inside a map. Absent = the field itself. */
  readonly key?: string;
}

/** @throws {FilterError} if the path names no field; the message names those nearest to it */
export function findField<R>(path: Path, fields: FieldTable<R>): FoundField<R> {
  const name = nameOf(path);
  const field = fieldNamed(name, fields);
  if (field !== undefined) return { field };
  const map = fieldNamed(path.segments.slice(0, -1).join("."), fields);
  const key = path.segments.at(-1);
  if (map?.type === "map of text" && key !== undefined) return { field: map, key };
  throw new FilterError(path.column, `unknown field ${quoted(name)}; ${hintFor(path, fields)}`);
}

/** Only the table's own names: it is a plain object, and `constructor` is no field. */
function fieldNamed<R>(name: string, fields: FieldTable<R>): Field<R> | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function hintFor<R>(path: Path, fields: FieldTable<R>): string {
  const name = nameOf(path);
  const names = Object.keys(fields);
  const within = names.filter((known) => known.startsWith(`${name}.`));
  if (within.length > 0) return `it holds ${within.join(", ")}`;
  const map = names.find((known) => fields[known]?.type === "map of text" && name.startsWith(`${known}.`));
  if (map !== undefined) return `a key with dots needs quotes: ${map}."KEY"`;
  return `the nearest are ${nearestNames(name, names).join(", ")}`;
}
