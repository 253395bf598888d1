/** What the parser says where a text breaks the grammar. */
import { FilterError, quoted } from "./errors.js";
import { shown, type Token } from "./tokens.js";
import { operators } from "./tree.js";

/** A comparison begins with something else than a field. */
export function noField(token: Token): FilterError {
  if (token.kind === "literal") return standsAlone(token.text, token.column);
  return new FilterError(token.column, `met ${shown(token)} where a field or ( is expected`);
}

/** A field is followed by something else than an operator. */
export function noOperator(name: string, column: number, met: Token): FilterError {
  if (met.kind === "(") {
    return new FilterError(column, `functions such as ${quoted(name)} are not known here`);
  }
  if (/^(and|or|not)$/i.test(name)) return new FilterError(column, `write ${name.toUpperCase()} in capitals`);
  // A name alone is a search in all fields elsewhere; here it would be a field name misspelt more often than not.
  if (met.kind !== "literal") return standsAlone(name, column);
  return new FilterError(met.column, `after ${quoted(name)} comes one of ${operators.join(" ")}`);
}

function standsAlone(text: string, column: number): FilterError {
  return new FilterError(
    column,
    `${quoted(text)} stands alone; name a field and an operator, such as field:value; a text with spaces needs quotes`,
  );
}

/** An operator is followed by something else than a value. */
export function noValue(operator: string, met: Token): FilterError {
  if (met.kind === "(") {
    return new FilterError(met.column, `one value comes after ${operator}; write a = 1 OR a = 2 for several`);
  }
  return new FilterError(met.column, `met ${shown(met)} where the value of ${operator} is expected`);
}

/** A comparison or a parenthesis is complete, and what follows continues nothing. */
export function leftOver(token: Token): FilterError {
  if (token.kind === ")") return new FilterError(token.column, "no parenthesis is open here");
  if (token.kind === "operator") {
    return new FilterError(
      token.column,
      `met ${token.operator} after a value; a value that holds it needs quotes`,
    );
  }
  return new FilterError(
    token.column,
    `met ${shown(token)} where AND, OR, a comparison or the end is expected`,
  );
}
