import { canonicalIp } from "../peer-api/address.js";
import type { PeerAddress, PeerRow } from "../peer-api/contract.js";
import { PeerError } from "../peer-api/errors.js";
import type { Clock } from "../system/clock.js";
import type { AddressPolicy } from "./address-policy.js";
import { unlessAborted } from "./unless-aborted.js";

/** What tells our own node from others. */
export interface OwnIdentity {
  /** Empty = unknown. */
  readonly publicIpAddress: string;
  /** Port of the P2PRC server beside us, whether it runs or not. */
  readonly serverPort: number;
  /** Name of this machine in tables; empty = none. */
  readonly machineName: string;
}

/**
 * Tells whether a row is our own node: by public address and port, then by name.
 *
 * Never by address alone: several nodes share one behind a proxy. The name, because behind a proxy our row carries the
 * proxy's address. Source: shared protocol notes, traps 14 and 15.
 */
export function isOwnNode(address: PeerAddress, row: PeerRow | undefined, own: OwnIdentity): boolean {
  if (address.port === own.serverPort && address.host === own.publicIpAddress) return true;
  return own.machineName !== "" && row?.machineName === own.machineName;
}

/** Outcome of the look-up: an address, or why there is none. */
export interface OwnAddress {
  readonly publicIpAddress: string;
  readonly warning: string;
}

/** How long an answer is kept, in milliseconds: the service limits how often it is asked. */
const keptMs = 10 * 60_000;

/** Asks the service; held to its own limits, and ended by the signal. Throws `PeerError`. */
export type FetchAddress = (url: string, options: { readonly signal: AbortSignal }) => Promise<string>;

/** A request to the service, and how many wait for its answer. */
interface LookUp {
  readonly found: Promise<OwnAddress>;
  readonly controller: AbortController;
  waiterCount: number;
}

/** Finds our public address: a given one, `off`, or the answer of a service, kept for ten minutes. */
export class OwnAddressSource {
  readonly #setting: string;
  readonly #fetch: FetchAddress;
  readonly #clock: Clock;
  readonly #policy: Pick<AddressPolicy, "allows">;
  #kept: { readonly address: string; readonly untilMs: number } | undefined;
  #pending: LookUp | undefined;

  /**
   * @param setting `off`, an IP address, or the URL of a service
   * @param policy what the service answers must be public by it: any other address is nobody's public one
   */
  constructor(setting: string, fetch: FetchAddress, clock: Clock, policy: Pick<AddressPolicy, "allows">) {
    this.#setting = setting;
    this.#fetch = fetch;
    this.#clock = clock;
    this.#policy = policy;
  }

  /** The address if it is known without asking anybody; undefined if somebody must be asked. */
  get known(): OwnAddress | undefined {
    if (this.#setting === "off")
      return { publicIpAddress: "", warning: "own public address not asked: switched off" };
    const fixed = canonicalIp(this.#setting);
    if (fixed !== undefined) return { publicIpAddress: fixed, warning: "" };
    if (this.#kept !== undefined && this.#clock.monotonicMs() < this.#kept.untilMs) {
      return { publicIpAddress: this.#kept.address, warning: "" };
    }
    return undefined;
  }

  /**
   * Finds the address. Never rejects: without an answer the crawl goes on. Callers at one time share one request, which
   * ends with the last of them.
   *
   * @returns undefined once the signal has aborted
   */
  async find(signal?: AbortSignal): Promise<OwnAddress | undefined> {
    const { known } = this;
    if (known !== undefined) return known;
    const lookUp = (this.#pending ??= this.#lookUp());
    lookUp.waiterCount += 1;
    try {
      return await unlessAborted(lookUp.found, signal);
    } finally {
      lookUp.waiterCount -= 1;
      if (lookUp.waiterCount === 0) this.#end(lookUp);
    }
  }

  #lookUp(): LookUp {
    const controller = new AbortController();
    return { found: this.#ask(controller.signal), controller, waiterCount: 0 };
  }

  /** Whoever asks from now on asks anew. */
  #end(lookUp: LookUp): void {
    lookUp.controller.abort();
    if (this.#pending === lookUp) this.#pending = undefined;
  }

  async #ask(signal: AbortSignal): Promise<OwnAddress> {
    try {
      const address = await this.#fetch(this.#setting, { signal });
      if (!this.#policy.allows(address)) return unknown("the answer is no public address");
      this.#kept = { address, untilMs: this.#clock.monotonicMs() + keptMs };
      return { publicIpAddress: address, warning: "" };
    } catch (error) {
      return unknown(error instanceof PeerError ? error.message : "the look-up failed");
    }
  }
}

const unknown = (why: string): OwnAddress => ({
  publicIpAddress: "",
  warning: `own public address unknown: ${why}`,
});
