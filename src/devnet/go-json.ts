/**
 * Writes JSON as Go's encoding/json does: compact, no final newline, and text safe for HTML.
 *
 * Source: shared protocol notes, "Server routes".
 */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${hex4(character)}`);
}

const hex4 = (character: string): string => character.charCodeAt(0).toString(16).padStart(4, "0");
