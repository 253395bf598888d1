/** What a devnet's process and its parent say to each other. */

import type { DevnetOptions, DevnetView } from "./contract.js";

export type ToDevnet =
  /** `tempFolder` goes when the process goes: a parent that was killed cannot tidy up. */
  | { readonly kind: "open"; readonly options: DevnetOptions; readonly tempFolder?: string | undefined }
  /** Asks for the ledger's file to be complete. */
  | { readonly kind: "flush"; readonly id: number };

export type FromDevnet =
  | { readonly kind: "ready"; readonly view: DevnetView }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "flushed"; readonly id: number; readonly error?: string };
