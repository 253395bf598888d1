import type { Logger } from "../../observability/logger.js";
import type { JsonValue } from "../../store/contract.js";
import {
  formatElement,
  formatListText,
  type KnownElements,
  type Layout,
} from "../../store/mirror/list-text.js";
import type { MirrorTimes } from "../../store/mirror/limits.js";
import { MirroredFile, type MirroredFileOptions } from "../../store/mirror/mirrored-file.js";
import { Slices } from "../../store/mirror/slices.js";
import { FileError, FileFault } from "../../system/errors.js";
import type { FileMark } from "../../system/file-marks.js";
import type { TrackingFileName } from "./contract.js";
import type { Foreign } from "./foreign-changes.js";
import type { Last, Reading, Surroundings } from "./tracked-document.js";

/** What is to be known of a kind of file. */
export interface FileKind<Document> {
  readonly name: TrackingFileName;
  readonly nothing: Document;
  readonly read: (bytes: Buffer, slices: Slices, last: Last<Document>) => Promise<Reading<Document>>;
  readonly surroundingsOf: (document: Document) => Surroundings;
  readonly valuesOf: (document: Document) => Iterable<JsonValue>;
}

/** What a look at a file found. */
export type Sight<Document> =
  | { readonly kind: "same" }
  /** It is being written, or it is damaged, and may be whole in a moment. */
  | { readonly kind: "pending" }
  | { readonly kind: "damaged"; readonly why: string; readonly mark: FileMark }
  /** It cannot be read. */
  | { readonly kind: "failed"; readonly why: string }
  | ({ readonly kind: "foreign"; readonly mark: FileMark } & Foreign<Document>);

export interface TrackingFileOptions extends MirroredFileOptions {
  readonly logger: Logger;
  readonly times: MirrorTimes;
}

/** One of the two files: what it says, whether it is damaged, whether it can be written. */
export class TrackingFile<Document> {
  readonly #kind: FileKind<Document>;
  readonly #file: MirroredFile;
  readonly #options: TrackingFileOptions;
  readonly #texts = new WeakMap<object, { readonly layout: Layout; readonly text: string }>();
  #disk: Document;
  #damage: { readonly mark: FileMark; readonly sinceMs: number } | undefined;
  #failure: string | undefined;

  constructor(path: string, kind: FileKind<Document>, options: TrackingFileOptions) {
    this.#kind = kind;
    this.#options = options;
    this.#file = new MirroredFile(path, options);
    this.#disk = kind.nothing;
  }

  get name(): TrackingFileName {
    return this.#kind.name;
  }

  get path(): string {
    return this.#file.path;
  }

  /** What the file says, as read or written last. */
  get disk(): Document {
    return this.#disk;
  }

  /** Why it cannot be written or read now. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * @param mayBeEmpty - whether no bytes, `{}`, a null list or no file are an empty list, and no damage
   * @param mayBeMissing - whether no file is
   */
  async look(mayBeEmpty: boolean, mayBeMissing = mayBeEmpty): Promise<Sight<Document>> {
    try {
      const look = await this.#file.look();
      if (this.#failure?.startsWith(unreadableText) === true) this.#failure = undefined;
      if (look.kind === "unsettled") return { kind: "pending" };
      if (look.kind === "same") {
        this.#damage = undefined;
        return look;
      }
      const { bytes, mark, writtenMs: appearedMs } = look;
      const reading = await this.#read(bytes);
      if ("why" in reading) return { kind: "damaged", why: reading.why, mark };
      const { document, emptiness } = reading;
      const isAllowed = mayBeEmpty || (emptiness === "NO_FILE" && mayBeMissing);
      if (emptiness === undefined || isAllowed) return { kind: "foreign", mark, document, appearedMs };
      return { kind: "damaged", why: emptinessTexts[emptiness], mark };
    } catch (error) {
      return { kind: "failed", why: this.#fail(error, unreadableText) };
    }
  }

  async #read(bytes: Buffer | undefined): Promise<FileReading<Document>> {
    if (bytes === undefined) return { document: this.#kind.nothing, emptiness: "NO_FILE" };
    try {
      const slices = new Slices(this.#options.clock, this.#options.times.sliceMs);
      const last = { document: this.#disk, known: await this.#knownElements(slices) };
      return await this.#kind.read(bytes, slices, last);
    } catch (error) {
      // Whatever is in there: what cannot be read is damage.
      return { why: error instanceof SyntaxError ? error.message : "it cannot be understood" };
    }
  }

  async #knownElements(slices: Slices): Promise<KnownElements> {
    const { layout } = this.#kind.surroundingsOf(this.#disk);
    const known = new Map<string, JsonValue>();
    for (const value of this.#kind.valuesOf(this.#disk)) {
      known.set(this.#elementText(value, layout), value);
      if (slices.isOver) await slices.rest();
    }
    return known;
  }

  /** What stands there has been brought into the state. */
  adopt(document: Document, mark: FileMark): void {
    this.#file.adopt(mark);
    this.#disk = document;
    this.#damage = undefined;
    this.#failure = undefined;
  }

  /** Whether a damaged file has been so for long enough; a writer who is still at it starts the time anew. */
  isDamagedFor(mark: FileMark, timeMs: number): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#damage?.mark !== mark) this.#damage = { mark, sinceMs: nowMs };
    return nowMs - this.#damage.sinceMs >= timeMs;
  }

  /** Gives the file another name. @returns it; undefined if it cannot be done now */
  async moveAside(suffix: "corrupt" | "merged"): Promise<string | undefined> {
    try {
      const name = await this.#file.moveAside(suffix);
      this.#disk = this.#kind.nothing;
      this.#damage = undefined;
      return name;
    } catch (error) {
      this.#fail(error, "cannot be moved aside");
      return undefined;
    }
  }

  /**
   * Writes what the file should say.
   *
   * @returns when it was written, by the clock of its disk; or why it stays as it is
   */
  async write(document: Document): Promise<number | "FAILED" | "OVERTAKEN"> {
    try {
      const writtenMs = await this.#file.replace(() => this.#textOf(document));
      if (writtenMs === undefined) return "OVERTAKEN";
      this.#disk = document;
      this.#failure = undefined;
      return writtenMs;
    } catch (error) {
      this.#fail(error, "cannot be written");
      return "FAILED";
    }
  }

  async *#textOf(document: Document): AsyncGenerator<string> {
    const { clock, times } = this.#options;
    const surroundings = this.#kind.surroundingsOf(document);
    const texts = this.#elements(document, surroundings.layout);
    let length = 0;
    for await (const piece of formatListText(surroundings, texts, new Slices(clock, times.sliceMs))) {
      length += piece.length;
      // We write nothing that we would refuse to read.
      if (length > times.maxFileBytes)
        throw new FileFault(`it would be larger than ${times.maxFileBytes} bytes`);
      yield piece;
    }
  }

  *#elements(document: Document, layout: Layout): Generator<string> {
    for (const value of this.#kind.valuesOf(document)) yield this.#elementText(value, layout);
  }

  /** Remembered by the entry: most of them have not changed since the last write. */
  #elementText(value: JsonValue, layout: Layout): string {
    if (typeof value !== "object" || value === null) return formatElement(value, layout);
    const known = this.#texts.get(value);
    if (known?.layout.indent === layout.indent && known.layout.lineEnd === layout.lineEnd) return known.text;
    const text = formatElement(value, layout);
    this.#texts.set(value, { layout, text });
    return text;
  }

  /** Warns once, until it works again. */
  #fail(error: unknown, what: string): string {
    const why = error instanceof FileError ? error.why : "unknown error";
    const failure = `${what} (${why})`;
    if (failure !== this.#failure) {
      const { path } = this;
      this.#options.logger.warn({ err: error, path }, `tracking file ${failure}; it is tried again`);
    }
    this.#failure = failure;
    return failure;
  }
}

const unreadableText = "cannot be read";

type Emptiness = NonNullable<Reading<unknown>["emptiness"]> | "NO_FILE";

type FileReading<Document> =
  | { readonly document: Document; readonly emptiness?: Emptiness }
  | { readonly why: string };

const emptinessTexts: Readonly<Record<Emptiness, string>> = {
  NO_FILE: "it is gone",
  NO_BYTES: "it has no bytes",
  MISSING: "its list is missing",
  NULL: "its list is null",
};
