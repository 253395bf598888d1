/** A devnet that cannot be: its options contradict each other, or the system refuses an address. The message names what. */
export class DevnetError extends Error {
  override readonly name = "DevnetError";
}
