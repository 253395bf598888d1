import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { addressKey, isIpLiteral } from "./address.js";
import type { CallOptions, LookAtPort, PeerAddress, PortSign } from "./contract.js";
import { PeerError } from "./errors.js";
import { toPeerError } from "./failures.js";
import { maxBannerLineBytes, maxHeaderBytes, routeLimits } from "./limits.js";
import { outOfTime } from "./node-request.js";
import { blocked, canceled } from "./sockets.js";

/**
 * Looks at a port of another machine once.
 *
 * Not over `NodeSockets`: these are ports of containers, where no connection is worth keeping. Nothing is sent to an SSH
 * server: since OpenSSH 9.8 it remembers clients that come and do not log in, and forgives about one such visit a second.
 */
export const lookAtPort: LookAtPort = async (address, sign, options = {}) => {
  const { isAllowed, signal } = options;
  if (signal?.aborted === true) throw canceled({ wasSent: false });
  // A literal can be judged without a socket; a name is judged by the socket, once connected.
  if (isIpLiteral(address) && isAllowed?.(address.host) === false) throw blocked();
  await look(address, sign, options);
};

/** Settles when the socket is closed, whatever closed it. */
function look(address: PeerAddress, sign: PortSign, options: CallOptions): Promise<void> {
  const { isAllowed, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    let isSeen = false;
    let wasSent = false;
    let failure: PeerError | undefined;
    const end: End = (error) => {
      if (isSeen || failure !== undefined) return;
      if (error === undefined) isSeen = true;
      else failure = toPeerError(error, { wasSent });
      socket.destroy();
    };
    const leave = (): void => end(canceled());
    const timer = setTimeout(() => end(outOfTime()), options.timeoutMs ?? routeLimits.portLook.timeoutMs);
    signal?.addEventListener("abort", leave, { once: true });
    socket.on("error", end);
    socket.once("close", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
      if (isSeen) resolve();
      else reject(failure ?? toPeerError(cut(), { wasSent }));
    });
    socket.once("connect", () => {
      const remote = socket.remoteAddress;
      const isForbidden = isAllowed !== undefined && (remote === undefined || !isAllowed(remote));
      if (isForbidden) end(blocked());
      if (isForbidden || failure !== undefined) return;
      wasSent = sign === "HTTP";
      searches[sign](socket, address, end, options.onActivity);
    });
  });
}

/** Says what came of a look; without an error it was successful. Only the first word counts. */
type End = (error?: Error) => void;

type Search = (socket: Socket, address: PeerAddress, end: End, onActivity: CallOptions["onActivity"]) => void;

/** What happens on a connection that may be used. */
const searches: Readonly<Record<PortSign, Search>> = {
  TCP: (_socket, _address, end) => end(),
  SSH_BANNER: awaitBanner,
  HTTP: askHttp,
};

/** Servers may send other lines first. Source: RFC 4253, 4.2. */
function awaitBanner(
  socket: Socket,
  _address: PeerAddress,
  end: End,
  onActivity: CallOptions["onActivity"],
): void {
  let line = "";
  let byteCount = 0;
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    onActivity?.();
    byteCount += text.length;
    const lines = (line + text).split("\n");
    line = lines.pop() ?? "";
    for (const whole of lines) {
      if (whole.length + 1 > maxBannerLineBytes) end(tooLong());
      else if (/^SSH-(?:2\.0|1\.99)-[\x20-\x7e]+\r?$/.test(whole)) end();
      else if (whole.startsWith("SSH-")) end(notSsh());
    }
    if (line.length >= maxBannerLineBytes || byteCount > routeLimits.portLook.maxBodyBytes) end(tooLong());
  });
  socket.once("end", () => end(byteCount === 0 ? cut() : notSsh()));
}

/** Plain node:http on the socket that was judged: no agent, no redirect, no body. */
function askHttp(
  socket: Socket,
  address: PeerAddress,
  end: End,
  onActivity: CallOptions["onActivity"],
): void {
  const request = httpRequest({
    createConnection: () => socket,
    path: "/",
    headers: {
      host: addressKey(address),
      "user-agent": "p2prc-gateway",
      "accept-encoding": "identity",
      connection: "close",
    },
    maxHeaderSize: maxHeaderBytes,
  });
  request.on("error", end);
  request.once("response", ({ statusCode = 0 }) => {
    onActivity?.();
    const isFine = statusCode < 500;
    end(
      isFine ? undefined : new PeerError("HTTP_STATUS", `status ${statusCode}`, { httpStatus: statusCode }),
    );
  });
  // Nobody asked for another protocol, and HTTP has let go of the socket.
  request.once("upgrade", () => end(cut()));
  request.end();
}

const cut = (): PeerError => new PeerError("CONNECTION_RESET", "the connection ended without an answer");
const notSsh = (): PeerError => new PeerError("BAD_BODY", "what answers is no SSH server");
const tooLong = (): PeerError => new PeerError("TOO_LARGE", "what answers sends too much for an SSH server");
