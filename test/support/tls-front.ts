import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** The file that holds the certificate. */
  readonly path: string;
}

/** Makes certificates that sign themselves: whoever trusts one trusts it alone. */
export class Certificates implements AsyncDisposable {
  readonly #folder: string;
  #count = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Certificates> {
    return new Certificates(await mkdtemp(join(tmpdir(), "p2prc-tls-")));
  }

  /** @param names as `DNS:localhost,IP:127.0.0.1` @param days how long it is valid; less than 0 = it has expired */
  for(names: string, days = 2): Certificate {
    this.#count += 1;
    const [keyPath, path] = ["key", "cert"].map((kind) => join(this.#folder, `${kind}-${this.#count}.pem`));
    const run = (...words: readonly string[]): void => {
      execFileSync("openssl", words, { stdio: "ignore" });
    };
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", keyPath!];
    const subject = ["-subj", `/CN=n${this.#count}`, "-addext", `subjectAltName=${names}`];
    const request = `${path!}.request`;
    run("req", "-new", ...key, ...subject, "-out", request);
    // In two steps: only this one can make a certificate that has expired.
    const signed = ["-signkey", keyPath!, "-copy_extensions", "copy", "-days", String(days)];
    run("x509", "-req", "-in", request, ...signed, "-out", path!);
    return { key: readFileSync(keyPath!, "utf8"), cert: readFileSync(path!, "utf8"), path: path! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Ends TLS in front of a port, with the certificate that belongs to the name asked for. */
export class TlsFront implements AsyncDisposable {
  /** The names that clients asked for; empty = they named none. */
  readonly askedFor: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(
    targetPort: number,
    otherwise: Certificate,
    byName: Readonly<Record<string, Certificate>> = {},
  ): Promise<TlsFront> {
    const server = createServer({
      key: otherwise.key,
      cert: otherwise.cert,
      SNICallback: (name, give) => {
        front.askedFor.push(name);
        const found = byName[name] ?? otherwise;
        give(null, createSecureContext({ key: found.key, cert: found.cert }));
      },
    });
    const front = new TlsFront(server);
    server.on("secureConnection", (socket) => {
      const target = connect(targetPort, "127.0.0.1");
      for (const [from, to] of [
        [socket, target],
        [target, socket],
      ] as const)
        from.on("error", () => to.destroy()).on("close", () => to.destroy());
      socket.pipe(target).pipe(socket);
      front.#sockets.add(socket);
    });
    // A client that trusts nothing ends the handshake.
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return front;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it does not listen");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
