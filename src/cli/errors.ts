/** The command line makes no sense as typed. The message names the word, flag or value. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Nobody was there to do what was asked: nothing was done. Exit code 1. */
export class NoGatewayError extends Error {
  override readonly name = "NoGatewayError";

  constructor(target: string, cause: unknown) {
    super(`no gateway answers at ${target}`, { cause });
  }
}

/** The program did what was asked, and something was not as it should be. Exit code 1. */
export class OutcomeError extends Error {
  override readonly name = "OutcomeError";
}
