/** The command line makes no sense as typed. The message names the word, flag or value. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The program did what was asked, and something was not as it should be. Exit code 1. */
export class OutcomeError extends Error {
  override readonly name = "OutcomeError";
}
