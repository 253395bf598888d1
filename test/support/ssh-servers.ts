import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.js";

/** A real sshd on loopback. Its sessions run as the user of the test. */
export interface SshServer {
  readonly port: number;
  readonly hostKeyPath: string;
  close(): Promise<void>;
}

export interface SshServerOptions {
  /** Lines of authorized_keys. */
  readonly authorizedKeys: string;
  /** Lets root in with it; needs root. @default by key only */
  readonly password?: string;
  /** A port to come back on. @default a free one */
  readonly port?: number;
}

/** sshd insists on its full path. */
const program = "/usr/sbin/sshd";

/** Servers that a test opens; `release` takes them all away again. */
export class SshBench {
  readonly #cleanups: (() => Promise<unknown>)[] = [];

  async open({ authorizedKeys, password, port: wanted }: SshServerOptions): Promise<SshServer> {
    if (!existsSync(program)) throw new Error("sshd is missing: run scripts/install-e2e.sh ansible");
    const folder = await mkdtemp(join(tmpdir(), "sshd-"));
    this.#cleanups.push(() => rm(folder, { recursive: true, force: true }));
    // Where sshd gives up its rights before it knows its user; systemd makes it elsewhere.
    if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
    const hostKeyPath = makeKey(folder, "host");
    const port = wanted ?? (await freePort());
    await writeFile(join(folder, "authorized_keys"), authorizedKeys, { mode: 0o600 });
    const config = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKeyPath}`,
      "PidFile none",
      `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
      `PermitRootLogin ${password === undefined ? "prohibit-password" : "yes"}`,
      `PasswordAuthentication ${password === undefined ? "no" : "yes"}`,
      "StrictModes no",
      "UsePAM no",
      "LogLevel ERROR",
      "MaxStartups 200:30:400",
      "UseDNS no",
    ];
    const configPath = join(folder, "sshd_config");
    await appendFile(configPath, `${config.join("\n")}\n`);
    const serve = [program, "-D", "-e", "-f", configPath];
    const command = password === undefined ? serve : await withPassword(folder, password, serve);
    const child = spawn(command[0] ?? "", command.slice(1), { stdio: "ignore" });
    const server = { port, hostKeyPath, close: () => end(child) };
    this.#cleanups.push(server.close);
    await untilAnswers(port, child);
    return server;
  }

  async release(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

/** Makes a key pair. @returns the path of the private half */
export function makeKey(folder: string, name: string): string {
  const path = join(folder, name);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]);
  return path;
}

/** A process that sees another root password than this machine: the file of passwords is its own. */
async function withPassword(folder: string, password: string, serve: string[]): Promise<string[]> {
  const hashed = execFileSync("openssl", ["passwd", "-6", "-stdin"], { input: `${password}\n` });
  const shadow = (await readFile("/etc/shadow", "utf8")).replace(
    /^root:[^:]*:/m,
    `root:${String(hashed).trim()}:`,
  );
  const path = join(folder, "shadow");
  await writeFile(path, shadow, { mode: 0o600 });
  return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/shadow && exec "$@"', path, ...serve];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function untilAnswers(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`sshd ended with code ${child.exitCode}`);
    const socket = connect({ port, host: "127.0.0.1" });
    const isOpen = await Promise.race([
      once(socket, "connect").then(
        () => true,
        () => false,
      ),
      once(socket, "close").then(() => false),
    ]);
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
