import type { NodeRecord } from "../node-record.js";
import { isOwnNode, type OwnIdentity } from "../own-address.js";

/** The nodes that a crawl begins with, in the order of their visits. */
export interface StartOrder {
  readonly atOnce: readonly NodeRecord[];
  /** Nodes with our port, while our public address is unknown: any of them may turn out to be ourselves. They come last. */
  readonly held: readonly NodeRecord[];
}

/**
 * Orders the local table and the seeds for hop 0, and leaves our own node out.
 *
 * @param isOwnKnown whether nobody is to be asked for our public address any more
 */
export function startOrder(start: readonly NodeRecord[], own: OwnIdentity, isOwnKnown: boolean): StartOrder {
  const others = start.filter(({ address, row }) => !isOwnNode(address, row, own));
  const mayBeOwn = ({ address }: NodeRecord): boolean => !isOwnKnown && address.port === own.serverPort;
  return { atOnce: others.filter((record) => !mayBeOwn(record)), held: others.filter(mayBeOwn) };
}
