/** Cuts a stream into lines without ever holding more than one of limited length: a longer one is left out. */
export class EventLines {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #byteCount = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next piece. @returns the lines that it completes, without their ends */
  *push(piece: Buffer): Generator<string, void, undefined> {
    let position = 0;
    for (;;) {
      const end = piece.indexOf(0x0a, position);
      if (end < 0) break;
      const line = this.#take(piece.subarray(position, end));
      if (line !== undefined) yield line;
      position = end + 1;
    }
    this.#hold(piece.subarray(position));
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#byteCount += piece.length;
    if (this.#byteCount > this.#maxBytes) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  #take(piece: Buffer): string | undefined {
    this.#hold(piece);
    const isWhole = this.#byteCount <= this.#maxBytes;
    const line = isWhole ? Buffer.concat(this.#pieces).toString("utf8") : undefined;
    this.#pieces = [];
    this.#byteCount = 0;
    return line;
  }
}
