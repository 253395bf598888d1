import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";

/**
 * Whether a byte of a request can have left. Nothing leaves before its socket is connected and judged: what http writes
 * until then waits in this process. Told by the connection and not by the failure, because most codes of failures can
 * come before and after.
 */
export class Departure {
  #hasLeft = false;

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Follows a request that has just been made, or made anew. */
  follow(request: ClientRequest): void {
    onceConnected(request, () => {
      this.#hasLeft = true;
    });
  }
}

/** Acts once a request has a socket that is connected, and that the address policy let live. */
export function onceConnected(request: ClientRequest, action: () => void): void {
  const look = (socket: Socket): void => {
    if (!socket.pending) action();
    else socket.once("connect", () => !socket.destroyed && action());
  };
  if (request.socket === null) request.once("socket", look);
  else look(request.socket);
}
