// C0 and C1 controls, DEL, soft hyphen, zero-width and bidirectional marks, line and paragraph separators, BOM, and
// lone surrogates. The gateway cleans what it takes from nodes; a terminal does not rely on which gateway it talks to.
const unprintable =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Takes out what could move a cursor or read differently from what it is, line breaks included. */
export function plainText(text: string): string {
  return text.replace(unprintable, "");
}

/**
 * Spells a value as JSON that any terminal shows as it is: unprintable characters are escaped, and `<`, `>`, `&` as
 * the original's encoder does it. Any JSON reader gets the same value.
 *
 * @param indent as for JSON.stringify
 */
export function plainJson(value: unknown, indent?: string): string {
  // White space between the values is all that JSON.stringify leaves unescaped below U+0020.
  return JSON.stringify(value, null, indent)
    .replace(/[<>&]/g, escapedUnit)
    .replace(unprintable, (unit) => (unit === "\n" || unit === "\t" ? unit : escapedUnit(unit)));
}

const escapedUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
