import { FilterError, quoted } from "./errors.js";
import { filterLimits } from "./limits.js";
import { isKeyword, type Token, type TokenSource } from "./tokens.js";
import { operators, type Literal } from "./tree.js";

const space = /\s/u;
const nameCharacter = /[A-Za-z0-9_/-]/;
/** What a value may hold without quotes: enough for `203.0.113.7`, `nodes/[2001:db8::7]:8088` and RFC 3339. */
const bareCharacter = /[\p{L}\p{M}\p{N}_.\-/:+*@%#[\]]/u;
const escapable = new Set(['"', "'", "\\", "*"]);
const isQuote = (character: string): boolean => character === '"' || character === "'";

/** Cuts a text into characters, as columns count them. */
export function charactersOf(text: string): readonly string[] {
  const characters: string[] = [];
  for (const character of text) {
    // Stops at the limit: a text may be as long as a whole request.
    if (characters.length === filterLimits.maxCharacters) {
      throw new FilterError(
        characters.length + 1,
        `the text is longer than ${filterLimits.maxCharacters} characters`,
      );
    }
    characters.push(character);
  }
  return characters;
}

/**
 * Reads tokens from left to right, each character once.
 *
 * What stands right after an operator is a value and may hold `.`, `:` or `-`; the same characters elsewhere belong to
 * the grammar. So the lexer remembers whether its last token was an operator.
 */
export class Lexer implements TokenSource {
  readonly #characters: readonly string[];
  #at = 0;
  #expectsValue = false;

  constructor(characters: readonly string[]) {
    this.#characters = characters;
  }

  next(): Token {
    while (space.test(this.#peek())) this.#at += 1;
    const expectsValue = this.#expectsValue;
    this.#expectsValue = false;
    const column = this.#at + 1;
    const character = this.#peek();
    if (character === "") return { kind: "end", column };
    if (isQuote(character)) return { kind: "literal", ...this.#quoted() };
    if (character === "(" || character === ")" || character === ",") return this.#single(character);
    if (expectsValue) return this.#bareValue();
    if (character === "-") return this.#single("-");
    if (nameCharacter.test(character)) return this.#path();
    return this.#operator();
  }

  /** @returns the character at the cursor or after it; empty past the end */
  #peek(ahead = 0): string {
    return this.#characters[this.#at + ahead] ?? "";
  }

  #single(kind: "(" | ")" | "," | "-"): Token {
    this.#at += 1;
    return { kind, column: this.#at };
  }

  #operator(): Token {
    const column = this.#at + 1;
    const two = this.#peek() + this.#peek(1);
    const operator =
      operators.find((known) => known === two) ?? operators.find((known) => known === this.#peek());
    if (operator === undefined) throw unexpectedCharacter(column, this.#peek());
    this.#at += operator.length;
    this.#expectsValue = true;
    return { kind: "operator", operator, column };
  }

  #bareValue(): Token {
    const column = this.#at + 1;
    const characters = this.#run(bareCharacter);
    if (characters.length === 0) {
      throw new FilterError(
        column,
        `met ${quoted(this.#peek())} where a value begins; put such a value in quotes`,
      );
    }
    const text = characters.join("");
    // `a = AND b = 1` is a value forgotten, and not the text AND.
    if (isKeyword(text)) return { kind: text, column };
    const wildcards = characters.flatMap((character, index) => (character === "*" ? [index] : []));
    return { kind: "literal", text, wildcards, isQuoted: false, column };
  }

  #path(): Token {
    const column = this.#at + 1;
    const segments = [this.#run(nameCharacter).join("")];
    while (this.#peek() === ".") {
      this.#at += 1;
      const segment = isQuote(this.#peek()) ? this.#quoted().text : this.#run(nameCharacter).join("");
      if (segment === "") throw new FilterError(this.#at + 1, "a name is missing after the dot");
      segments.push(segment);
    }
    const [first = ""] = segments;
    return segments.length === 1 && isKeyword(first)
      ? { kind: first, column }
      : { kind: "path", segments, column };
  }

  #quoted(): Literal {
    const column = this.#at + 1;
    const quote = this.#peek();
    const characters: string[] = [];
    const wildcards: number[] = [];
    for (this.#at += 1; this.#peek() !== quote; this.#at += 1) {
      if (this.#peek() === "") {
        throw new FilterError(
          this.#at + 1,
          `the text that begins at column ${column} lacks its closing ${quote}`,
        );
      }
      if (this.#peek() === "\\") this.#escape();
      else if (this.#peek() === "*") wildcards.push(characters.length);
      characters.push(this.#peek());
    }
    this.#at += 1;
    return { text: characters.join(""), wildcards, isQuoted: true, column };
  }

  /** Steps over a backslash, on to the character that it makes literal. */
  #escape(): void {
    if (!escapable.has(this.#peek(1))) {
      throw new FilterError(this.#at + 1, `a backslash stands only before " ' * or another backslash`);
    }
    this.#at += 1;
  }

  #run(alphabet: RegExp): readonly string[] {
    const start = this.#at;
    while (alphabet.test(this.#peek())) this.#at += 1;
    return this.#characters.slice(start, this.#at);
  }
}

const insteadOf: Readonly<Record<string, string>> = { "!": "NOT or !=", "&": "AND", "|": "OR" };

function unexpectedCharacter(column: number, character: string): FilterError {
  const instead = Object.hasOwn(insteadOf, character) ? insteadOf[character] : undefined;
  const hint = instead === undefined ? "a text with such a character needs quotes" : `write ${instead}`;
  return new FilterError(column, `unexpected ${quoted(character)}; ${hint}`);
}
