import { quoted } from "./errors.js";
import { nameOf, type Literal, type Operator, type Path } from "./tree.js";

const keywords = ["AND", "OR", "NOT"] as const;
export type Keyword = (typeof keywords)[number];

export type Token =
  | { readonly kind: "(" | ")" | "," | "-" | "end" | Keyword; readonly column: number }
  | { readonly kind: "operator"; readonly operator: Operator; readonly column: number }
  | ({ readonly kind: "path" } & Path)
  | ({ readonly kind: "literal" } & Literal);

/** Hands out the tokens of a text, one after the other; after the last one `end`, however often it is asked. */
export interface TokenSource {
  next(): Token;
}

/** Keywords are written in capitals, as AIP-160 has it. */
export const isKeyword = (text: string): text is Keyword => keywords.some((keyword) => keyword === text);

/** Spells a token for a message. */
export function shown(token: Token): string {
  switch (token.kind) {
    case "end":
      return "the end";
    case "path":
      return quoted(nameOf(token));
    case "literal":
      return quoted(token.text);
    case "operator":
      return token.operator;
    case "(":
    case ")":
    case ",":
    case "-":
    case "AND":
    case "OR":
    case "NOT":
      return token.kind;
  }
}
