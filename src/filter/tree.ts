/** What a filter says, before anybody knows what its fields are. */
export type Tree = Both | Either | Negation | Comparison;

/** All parts hold: AND, or nothing between them. */
export interface Both {
  readonly kind: "and";
  readonly parts: readonly Tree[];
}

/** At least one part holds: OR. */
export interface Either {
  readonly kind: "or";
  readonly parts: readonly Tree[];
}

export interface Negation {
  readonly kind: "not";
  readonly part: Tree;
}

export interface Comparison {
  readonly kind: "comparison";
  readonly path: Path;
  readonly operator: Operator;
  readonly operatorColumn: number;
  readonly literal: Literal;
}

export const operators = ["=", "!=", "<", "<=", ">", ">=", ":"] as const;
export type Operator = (typeof operators)[number];

/** A field as the caller names it: `specs.gpus.model`, `labels."my.key"`. */
export interface Path {
  /** Never empty. Quoted segments without their quotes. */
  readonly segments: readonly string[];
  readonly column: number;
}

/** A value as the caller wrote it. What it means is up to the field's type. */
export interface Literal {
  /** Without quotes and escapes. */
  readonly text: string;
  /** Where in `text`, from 0 in characters, a `*` stands that was not escaped. */
  readonly wildcards: readonly number[];
  /** Quotes only matter for `*`: without them, and alone, it asks whether a field is set. */
  readonly isQuoted: boolean;
  readonly column: number;
}

/** Spells a path as messages and field tables do. */
export const nameOf = (path: Path): string => path.segments.join(".");

/** Whether a comparison asks for presence: `field:*`. */
export function asksPresence({ operator, literal }: Comparison): boolean {
  return operator === ":" && !literal.isQuoted && literal.text === "*";
}
