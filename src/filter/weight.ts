/**
 * Roughly what a plain record takes in memory and on the wire, in bytes: what it is in JSON. Binary messages are smaller,
 * and a name of a field in the contract is about as long as here.
 */
export function weightOf(record: unknown): number {
  const text = JSON.stringify(record, (_, value: unknown) => (value instanceof Map ? [...value] : value));
  return Buffer.byteLength(text);
}
