/** Where text goes. Tests read it back. */
export interface Output {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** The terminal behind stderr, which bars are drawn on; absent = it is a file or a pipe. */
  readonly terminal?: NodeJS.WritableStream | undefined;
}

export interface TextSink {
  write(text: string): unknown;
}

/** What the program takes from the process it runs in. Only `main.ts` reads it there. */
export interface Surroundings {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Working directory, as an absolute path. */
  readonly cwd: string;
  /** Aborted by the first SIGINT or SIGTERM; its reason is an `Interruption`. */
  readonly signal: AbortSignal;
  /** Told that a disk does not answer, and holds a thread of the process. */
  readonly onSilentDisk?: () => void;
}

export type SignalName = "SIGINT" | "SIGTERM";

/** What a shell expects of a program that a signal ended: 128 + the signal's number. */
export const exitCodeOfSignal = { SIGINT: 130, SIGTERM: 143 } as const satisfies Record<SignalName, number>;

/** Somebody asked the program to end. */
export class Interruption extends Error {
  override readonly name = "Interruption";
  readonly signalName: SignalName;

  constructor(signalName: SignalName) {
    super(`ended by ${signalName}`);
    this.signalName = signalName;
  }
}

/** Resolves when the signal comes. What keeps the process alive until then is the caller's business. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
