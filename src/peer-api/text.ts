/** Longest texts taken from nodes, in characters. */
export const maxNameLength = 128;
const maxTextLength = 256;
export const maxNodeMessageLength = 200;
export const maxDescriptionLength = 2_048;
export const maxPublicKeyLength = 8_192;

// C0 and C1 controls, DEL, soft hyphen, zero-width and bidirectional marks, line and paragraph separators, BOM, and
// lone surrogates: a name must not move a terminal's cursor, nor read differently from what it is.
const unprintable =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Takes a stranger's text: without control, bidirectional and zero-width characters, cut to `maxLength`. */
export function cleanText(value: unknown, maxLength: number = maxTextLength): string {
  if (typeof value !== "string") return "";
  // Cut first, so that a text of megabytes costs nothing; cut again, on a whole character, after the clean-up.
  return value
    .slice(0, maxLength * 2)
    .replace(unprintable, "")
    .slice(0, maxLength)
    .replace(/[\ud800-\udbff]$/, "");
}
