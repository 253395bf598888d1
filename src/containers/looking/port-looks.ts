import { addressKey } from "../../peer-api/address.js";
import type { LookAtPort, PeerAddress, PortSign } from "../../peer-api/contract.js";
import { PeerError } from "../../peer-api/errors.js";
import type { Clock } from "../../system/clock.js";
import type { NodeDirectory } from "../contract.js";
import { containerLimits } from "../limits.js";
import { pause } from "../../system/pause.js";
import { Places } from "./places.js";

export interface PortLooksDeps {
  readonly lookAtPort: LookAtPort;
  readonly directory: Pick<NodeDirectory, "allowsConnected">;
  readonly clock: Clock;
}

export interface LookTarget {
  /** The port itself, not the node's. */
  readonly address: PeerAddress;
  readonly sign: PortSign;
  /** Whether it is contacted whatever the address policy says. */
  readonly isAsTyped: boolean;
}

/** Ends one caller's waiting; without an error the sign was seen. */
type Settle = (error?: Error) => void;

interface SharedLook {
  readonly waiting: Set<Settle>;
  /** Aborted when nobody waits any more. */
  readonly left: AbortController;
}

/** Looks at ports again and again while somebody waits: all who wait for the same sign share one look at a time. */
export class PortLooks {
  readonly #deps: PortLooksDeps;
  readonly #shared = new Map<string, SharedLook>();
  readonly #places = new Places(containerLimits.maxLooks);

  constructor(deps: PortLooksDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when a port shows a sign, however long it takes.
   *
   * @throws the signal's reason, at once; {PeerError} ADDRESS_BLOCKED: waiting longer changes nothing
   */
  async untilSeen(target: LookTarget, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const key = `${target.sign} ${addressKey(target.address)} ${target.isAsTyped}`;
    const shared = this.#shared.get(key) ?? this.#begin(key, target);
    await new Promise<void>((resolve, reject) => {
      const settle: Settle = (error) => {
        signal.removeEventListener("abort", leave);
        if (error === undefined) resolve();
        else reject(error);
      };
      const leave = (): void => {
        shared.waiting.delete(settle);
        if (shared.waiting.size === 0) this.#end(key, shared);
        reject(signal.reason as Error);
      };
      shared.waiting.add(settle);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #begin(key: string, target: LookTarget): SharedLook {
    const shared: SharedLook = { waiting: new Set(), left: new AbortController() };
    this.#shared.set(key, shared);
    void this.#lookUntilSeen(target, shared.left.signal).then((error) => {
      this.#end(key, shared);
      for (const settle of shared.waiting) settle(error);
    });
    return shared;
  }

  #end(key: string, shared: SharedLook): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
    shared.left.abort();
  }

  /** @returns why looking on is of no use; undefined = it was seen, or nobody waits any more */
  async #lookUntilSeen(
    { address, sign, isAsTyped }: LookTarget,
    signal: AbortSignal,
  ): Promise<Error | undefined> {
    const { lookAtPort, directory, clock } = this.#deps;
    const isAllowed = isAsTyped ? undefined : (remote: string): boolean => directory.allowsConnected(remote);
    const options = { timeoutMs: containerLimits.lookTimeoutMs, isAllowed, signal };
    while (!signal.aborted) {
      try {
        await this.#places.use(signal, () => lookAtPort(address, sign, options));
        return undefined;
      } catch (error) {
        if (!(error instanceof PeerError) || error.failure === "ADDRESS_BLOCKED") return error as Error;
      }
      await pause(clock, containerLimits.waitIntervalMs, signal);
    }
    return undefined;
  }
}
