/** What an operation of the original is given to work with. */
import { flagOfSpelling, optionNameOf } from "./original-flags.js";
import type { GatewayClient } from "./session.js";
import type { Surroundings } from "./surroundings.js";

export type Options = Readonly<Record<string, unknown>>;

export interface Stage {
  /** Of the flag itself; empty for a switch. */
  readonly value: string;
  readonly options: Options;
  readonly surroundings: Surroundings;
  /** Opens the session when the first operation needs it. */
  readonly client: () => Promise<GatewayClient>;
}

/** The value of one of the original's flags, by its first spelling. */
export function textOption(options: Options, spelling: string): string | undefined {
  const value = options[optionNameOf(flagOfSpelling(spelling))];
  return typeof value === "string" ? value : undefined;
}

/** Whether one of the original's flags was given, a switch or not. */
export const isGiven = (options: Options, spelling: string): boolean =>
  options[optionNameOf(flagOfSpelling(spelling))] !== undefined;
