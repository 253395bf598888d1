/** Why a filter or an order is refused. */
export class FilterError extends Error {
  override readonly name = "FilterError";
  /** Where in the text, from 1, in characters (Unicode code points); one past the end if something is missing there. */
  readonly column: number;

  /** @param problem what was met and what is accepted; the message puts the column before it */
  constructor(column: number, problem: string) {
    super(`column ${column}: ${problem}`);
    this.column = column;
  }
}

/** How much of the caller's text an error repeats, in characters. */
const maxQuoted = 40;

/** Spells a piece of the caller's text for a message: in quotes, control characters escaped, cut when it is long. */
export function quoted(text: string): string {
  const characters = Array.from(text);
  const isLong = characters.length > maxQuoted;
  return JSON.stringify(isLong ? `${characters.slice(0, maxQuoted).join("")}…` : text);
}

/** Why a page token is refused: it is no token, or one of another list. */
export class PageTokenError extends Error {
  override readonly name = "PageTokenError";
}
