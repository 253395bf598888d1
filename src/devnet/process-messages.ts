/** What a devnet's process and its parent say to each other. */

import type { DevnetOptions, DevnetView } from "./contract.js";

export type ToDevnet =
  | { readonly kind: "open"; readonly options: DevnetOptions }
  /** Asks for the ledger's file to be complete. */
  | { readonly kind: "flush"; readonly id: number };

export type FromDevnet =
  | { readonly kind: "ready"; readonly view: DevnetView }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "flushed"; readonly id: number; readonly error?: string };
