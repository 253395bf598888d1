import type { Socket } from "node:net";

/** Open connections, and to whom they belong. */
export interface Connections<Owner> {
  add(socket: Socket, owner: Owner): void;
  /** Cuts those of one owner, or all. Resolves once they are closed. */
  cut(owner?: Owner): Promise<void>;
}

export function createConnections<Owner>(): Connections<Owner> {
  const open = new Map<Socket, { readonly owner: Owner; readonly closed: Promise<void> }>();
  return {
    add: (socket, owner) => {
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      open.set(socket, { owner, closed });
      void closed.then(() => open.delete(socket));
    },
    cut: async (owner) => {
      const meant = [...open].filter(([, entry]) => owner === undefined || entry.owner === owner);
      for (const [socket] of meant) socket.destroy();
      await Promise.all(meant.map(([, { closed }]) => closed));
    },
  };
}
