import { FilterError } from "./errors.js";
import { filterLimits } from "./limits.js";
import { leftOver, noField, noOperator, noValue } from "./syntax-errors.js";
import type { Token, TokenSource } from "./tokens.js";
import { nameOf, type Comparison, type Tree } from "./tree.js";

/**
 * Reads a filter by the grammar of AIP-160, top down:
 *
 *     expression = factor { ["AND"] factor }
 *     factor     = term { "OR" term }
 *     term       = [ "NOT" | "-" ] ( "(" expression ")" | comparison )
 *     comparison = path operator value
 *
 * OR binds tighter than AND, as AIP-160 has it and hardly any other language: `a AND b OR c` is `a AND (b OR c)`.
 *
 * @returns undefined if the text is empty
 * @throws {FilterError}
 */
export function parseTree(tokens: TokenSource): Tree | undefined {
  return new Parser(tokens).whole();
}

class Parser {
  readonly #tokens: TokenSource;
  #token: Token;
  #depth = 0;
  #comparisonCount = 0;

  constructor(tokens: TokenSource) {
    this.#tokens = tokens;
    this.#token = tokens.next();
  }

  whole(): Tree | undefined {
    if (this.#take("end")) return undefined;
    const tree = this.#expression();
    if (this.#token.kind !== "end") throw leftOver(this.#token);
    return tree;
  }

  #expression(): Tree {
    const parts = [this.#factor()];
    while (this.#take("AND") || beginsTerm(this.#token)) parts.push(this.#factor());
    return joined("and", parts);
  }

  #factor(): Tree {
    const parts = [this.#term()];
    while (this.#take("OR")) parts.push(this.#term());
    return joined("or", parts);
  }

  #term(): Tree {
    if (this.#take("NOT") || this.#take("-")) return { kind: "not", part: this.#simple() };
    return this.#simple();
  }

  #simple(): Tree {
    const { column } = this.#token;
    if (!this.#take("(")) return this.#comparison();
    this.#depth += 1;
    if (this.#depth > filterLimits.maxDepth) {
      throw new FilterError(column, `more than ${filterLimits.maxDepth} parentheses are open`);
    }
    const tree = this.#expression();
    const close = this.#token;
    if (close.kind === "end") {
      throw new FilterError(close.column, `the parenthesis of column ${column} is not closed`);
    }
    if (!this.#take(")")) throw leftOver(close);
    this.#depth -= 1;
    return tree;
  }

  #comparison(): Comparison {
    const path = this.#advance();
    if (path.kind !== "path") throw noField(path);
    this.#comparisonCount += 1;
    if (this.#comparisonCount > filterLimits.maxComparisons) {
      throw new FilterError(path.column, `more than ${filterLimits.maxComparisons} comparisons`);
    }
    const operator = this.#token;
    if (operator.kind !== "operator") throw noOperator(nameOf(path), path.column, operator);
    this.#advance();
    const literal = this.#advance();
    if (literal.kind !== "literal") throw noValue(operator.operator, literal);
    return {
      kind: "comparison",
      path,
      operator: operator.operator,
      operatorColumn: operator.column,
      literal,
    };
  }

  #advance(): Token {
    const token = this.#token;
    this.#token = this.#tokens.next();
    return token;
  }

  #take(kind: Token["kind"]): boolean {
    if (this.#token.kind !== kind) return false;
    this.#advance();
    return true;
  }
}

function joined(kind: "and" | "or", parts: readonly Tree[]): Tree {
  const [first] = parts;
  return first !== undefined && parts.length === 1 ? first : { kind, parts };
}

const beginsTerm = ({ kind }: Token): boolean =>
  kind === "path" || kind === "literal" || kind === "NOT" || kind === "-" || kind === "(";
