import { canonicalIp } from "../peer-api/address.js";
import type { PeerAddress, PeerRow } from "../peer-api/contract.js";
import { PeerError } from "../peer-api/errors.js";
import type { Clock } from "../system/clock.js";

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

/** Finds our public address: a given one, `off`, or the answer of a service, kept for ten minutes. */
export class OwnAddressSource {
  readonly #setting: string;
  readonly #fetch: (url: string) => Promise<string>;
  readonly #clock: Clock;
  #kept: { readonly address: string; readonly untilMs: number } | undefined;
  #pending: Promise<OwnAddress> | undefined;

  /**
   * @param setting `off`, an IP address, or the URL of a service
   * @param fetch asks the service; held to its own limits; throws `PeerError`
   */
  constructor(setting: string, fetch: (url: string) => Promise<string>, clock: Clock) {
    this.#setting = setting;
    this.#fetch = fetch;
    this.#clock = clock;
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

  /** Finds the address. Never rejects: without an answer the crawl goes on. Callers at one time share one request. */
  async find(): Promise<OwnAddress> {
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined;
    });
    return this.known ?? (await this.#pending);
  }

  async #ask(): Promise<OwnAddress> {
    if (this.known !== undefined) return this.known;
    try {
      const address = await this.#fetch(this.#setting);
      this.#kept = { address, untilMs: this.#clock.monotonicMs() + keptMs };
      return { publicIpAddress: address, warning: "" };
    } catch (error) {
      const why = error instanceof PeerError ? error.message : "the look-up failed";
      return { publicIpAddress: "", warning: `own public address unknown: ${why}` };
    }
  }
}
