import { PeerError } from "./errors.js";

/** A JSON object of a stranger: read named fields out of it, never spread or merge it. */
export type JsonObject = Readonly<Record<string, unknown>>;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads a whole body as JSON. @throws {PeerError} BAD_BODY: not UTF-8, or not JSON */
export function parseJsonBody(body: Buffer): unknown {
  try {
    return JSON.parse(strictUtf8.decode(body));
  } catch {
    // Without the cause: JSON's own error quotes the body, and causes end up in logs.
    throw new PeerError("BAD_BODY", "the answer is not JSON");
  }
}

/** Whether a value is a JSON object, not a list and not null. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads the fields of one object by name, whatever the case of its keys. */
export type FieldReader = (name: string) => unknown;

/**
 * Reads fields as Go decodes them: the key in its exact spelling first, else in any case.
 * Source: shared protocol notes, trap 1.
 */
export function fieldsOf(object: JsonObject): FieldReader {
  let folded: Map<string, unknown> | undefined;
  return (name) => {
    if (Object.hasOwn(object, name)) return object[name];
    if (folded === undefined) {
      folded = new Map();
      for (const key of Object.keys(object)) {
        const lower = key.toLowerCase();
        if (!folded.has(lower)) folded.set(lower, object[key]);
      }
    }
    return folded.get(name.toLowerCase());
  };
}
