import type { Logger } from "../../observability/logger.js";
import { change, type ChangeDeps } from "../change.js";
import { isSshPublicKey } from "../life/spec-grammar.js";
import { containerLimits } from "../limits.js";

export interface FleetKeysDeps extends ChangeDeps {
  /** This gateway's own, one line of authorized_keys. */
  readonly ownPublicKey: () => Promise<string>;
  /** Whether other gateways use the state too. */
  readonly isShared: boolean;
  readonly logger: Logger;
}

const subject = "all";

/**
 * The public keys of the gateways that share a state. A new container lets all of them in: a plugin can be run on it by
 * any gateway, and not only by the one that made it. The private keys stay where they are.
 */
export class FleetKeys {
  readonly #deps: FleetKeysDeps;
  #introducing: Promise<unknown> | undefined;

  constructor(deps: FleetKeysDeps) {
    this.#deps = deps;
  }

  /** Begins to make this gateway known, so that containers which others make let it in. Else its first creation does. */
  introduce(): void {
    this.#introducing = this.lines().catch((error: unknown) =>
      this.#deps.logger.debug({ err: error }, "the gateway's SSH key is not made known yet"),
    );
  }

  /** Resolves when no commit of its own is left. */
  async close(): Promise<void> {
    await this.#introducing;
  }

  /**
   * Tells whom a new container lets in: this gateway first, then those that made themselves known last. What is not known
   * of this one is made known first.
   *
   * @returns lines of authorized_keys
   * @throws what `ownPublicKey` throws; {StoreError}
   */
  async lines(): Promise<readonly string[]> {
    const { ownPublicKey, isShared, state } = this.#deps;
    const own = await ownPublicKey();
    if (!isShared) return [own];
    const known = (): readonly string[] => state.get("gatewayKeys", subject)?.lines ?? [];
    if (!known().includes(own)) await this.#makeKnown(own);
    return [own, ...known().filter((line) => line !== own && isSshPublicKey(line))];
  }

  async #makeKnown(own: string): Promise<void> {
    await change(this.#deps, (draft) => {
      const known = draft.get("gatewayKeys", subject)?.lines ?? [];
      const lines = [own, ...known.filter((line) => line !== own)];
      draft.put("gatewayKeys", subject, { lines: lines.slice(0, containerLimits.maxGatewayKeys) });
    });
  }
}
