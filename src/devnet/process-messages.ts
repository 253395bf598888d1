/** What a devnet's process and its parent say to each other. */

import type { DevnetOptions, DevnetView, StopOptions } from "./contract.js";
import type { FaultName } from "./faults.js";

export type Request =
  /** For the ledger's file to be complete. */
  | { readonly kind: "flush" }
  | { readonly kind: "stop"; readonly node: number | string; readonly options: StopOptions | undefined }
  | { readonly kind: "start"; readonly node: number | string }
  | { readonly kind: "setFault"; readonly node: number | string; readonly fault: FaultName | undefined };

export type ToDevnet =
  /** `tempFolder` goes when the process goes: a parent that was killed cannot tidy up. */
  | { readonly kind: "open"; readonly options: DevnetOptions; readonly tempFolder?: string | undefined }
  | { readonly kind: "ask"; readonly id: number; readonly request: Request };

export type FromDevnet =
  | { readonly kind: "ready"; readonly view: DevnetView }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "done"; readonly id: number; readonly error?: string };
