import { FilterError, quoted } from "./errors.js";
import { asksPresence, nameOf, type Comparison, type Operator } from "./tree.js";
import {
  booleanType,
  decimalType,
  durationType,
  enumerationType,
  integerType,
  textType,
  timestampType,
  type Comparator,
  type Test,
  type ValueKind,
  type ValueType,
} from "./value-types.js";

export type FieldType = ValueKind | `repeated ${ValueKind}` | "map of text";

/** A field that callers may name. Made by the functions below, which hide the type of its values. */
export interface Field<R> {
  readonly type: FieldType;
  /**
   * Says what a comparison asks of a record. A field that is unset passes none.
   *
   * @param key what the path names inside a map
   * @throws {FilterError} if the field's type does not know the operator or the value
   */
  readonly test: (comparison: Comparison, key?: string) => Test<R>;
  /** Unset comes last, in either direction. Absent = the field has more than one value, and so no order. */
  readonly order?: (isDescending: boolean) => Comparator<R>;
}

/** The fields of a record by the names that callers use: paths of the proto, in snake_case. */
export type FieldTable<R> = Readonly<Record<string, Field<R>>>;

/** Reads a field. Undefined = unset. */
type Getter<R, V> = (record: R) => V | undefined;
type ManyGetter<R, V> = (record: R) => readonly (V | undefined)[] | undefined;

export interface NumberOptions {
  /** Value that means unset: 0, where the proto says that 0 is "not told". @default none */
  readonly unsetAt?: number;
}

/** Text; unset when empty. */
export const text = <R>(get: Getter<R, string>): Field<R> => single(textType, get, "");

/** A whole number. */
export const integer = <R>(get: Getter<R, number>, options: NumberOptions = {}): Field<R> =>
  single(integerType, get, options.unsetAt);

export const decimal = <R>(get: Getter<R, number>, options: NumberOptions = {}): Field<R> =>
  single(decimalType, get, options.unsetAt);

/** A length of time, in nanoseconds. */
export const duration = <R>(get: Getter<R, number>): Field<R> => single(durationType, get);

/** A point in time, in milliseconds since 1970. */
export const timestamp = <R>(get: Getter<R, number>): Field<R> => single(timestampType, get);

export const boolean = <R>(get: Getter<R, boolean>): Field<R> => single(booleanType, get);

/** One of `values`, which the proto spells with `prefix` before them. They are ordered as listed. */
export const enumeration = <R, V extends string>(
  prefix: string,
  values: readonly V[],
  get: Getter<R, V>,
): Field<R> => single(enumerationType(prefix, values), get);

/** Several texts; empty ones are unset. */
export const repeatedText = <R>(get: ManyGetter<R, string>): Field<R> => repeated(textType, get, "");

export const repeatedInteger = <R>(get: ManyGetter<R, number>): Field<R> => repeated(integerType, get);

export const repeatedBoolean = <R>(get: ManyGetter<R, boolean>): Field<R> => repeated(booleanType, get);

/** Texts by key, each a field of its own: `labels.KEY`. A key with an empty text is set. */
export function mapOfText<R>(get: Getter<R, ReadonlyMap<string, string>>): Field<R> {
  return {
    type: "map of text",
    test(comparison, key) {
      if (key !== undefined) return single(textType, (record: R) => get(record)?.get(key)).test(comparison);
      if (asksPresence(comparison)) return (record) => (get(record)?.size ?? 0) > 0;
      const { path, operator, operatorColumn, literal } = comparison;
      if (operator === ":" && literal.wildcards.length === 0)
        return (record) => get(record)?.has(literal.text) === true;
      const name = nameOf(path);
      throw new FilterError(
        operatorColumn,
        `${quoted(name)} is a map; write ${name}.KEY ${operator} value, or ${name}:KEY to ask whether it has a key`,
      );
    },
  };
}

function single<R, V>(type: ValueType<V>, get: Getter<R, V>, unsetAt?: V): Field<R> {
  const value = (record: R): V | undefined => known(get(record), unsetAt);
  return {
    type: type.kind,
    test(comparison) {
      if (asksPresence(comparison)) return (record) => value(record) !== undefined;
      refuseOperator(comparison, type.operators);
      const test = testOf(type, comparison, unsetAt);
      return (record) => {
        const met = value(record);
        return met !== undefined && test(met);
      };
    },
    order: (isDescending) => (a, b) => {
      const first = value(a);
      const second = value(b);
      if (first === undefined) return second === undefined ? 0 : 1;
      if (second === undefined) return -1;
      return isDescending ? type.order(second, first) : type.order(first, second);
    },
  };
}

/** Every operator asks whether some element passes; `!=` would be read as "no element is", so it is refused. */
function repeated<R, V>(type: ValueType<V>, get: ManyGetter<R, V>, unsetAt?: V): Field<R> {
  const accepted: readonly Operator[] = [
    ...type.operators.filter((operator) => operator !== "!=" && operator !== ":"),
    ":",
  ];
  return {
    type: `repeated ${type.kind}`,
    test(comparison) {
      const { path, operator, operatorColumn } = comparison;
      if (operator === "!=") {
        throw new FilterError(
          operatorColumn,
          `${quoted(nameOf(path))} has several values; write NOT ${nameOf(path)} = value`,
        );
      }
      refuseOperator(comparison, accepted);
      const test = asksPresence(comparison) ? () => true : testOf(type, comparison, unsetAt);
      return (record) =>
        get(record)?.some((element) => {
          const met = known(element, unsetAt);
          return met !== undefined && test(met);
        }) === true;
    },
  };
}

/** NaN has no place in an order, so it counts as unset. */
function known<V>(value: V | undefined, unsetAt: V | undefined): V | undefined {
  return value === unsetAt || Number.isNaN(value) ? undefined : value;
}

function refuseOperator({ path, operator, operatorColumn }: Comparison, accepted: readonly Operator[]): void {
  if (accepted.includes(operator)) return;
  const others = accepted.includes(":") ? "" : " :*";
  throw new FilterError(
    operatorColumn,
    `${quoted(nameOf(path))} does not take ${operator}; it takes ${accepted.join(" ")}${others}`,
  );
}

/** A comparison with the value that means unset would never pass, which nobody wants who writes it. */
function testOf<V>(type: ValueType<V>, comparison: Comparison, unsetAt: V | undefined): Test<V> {
  const { path, operator, literal } = comparison;
  const asksEquality = operator === "=" || operator === "!=" || operator === ":";
  if (unsetAt !== undefined && asksEquality && type.read(literal) === unsetAt) {
    const name = nameOf(path);
    throw new FilterError(
      literal.column,
      `${quoted(name)} is unset when it is ${JSON.stringify(unsetAt)}; write ${name}:* or NOT ${name}:*`,
    );
  }
  return type.test(comparison);
}
