import { execFile, execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { GatewayKeyError, type GatewayKey, openGatewayKey } from "../../src/containers/keys/gateway-key.js";
import { makeKeyPair, readPrivateKey } from "../../src/containers/keys/openssh-key.js";
import { isSshPublicKey } from "../../src/containers/life/spec-grammar.js";

const run = promisify(execFile);

let base = "";
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "p2prc-key-"));
});
afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

const configuredPath = (): string => join(base, "p2prc.privateKey");
const publicPath = (): string => join(base, "p2prc.publicKey");
const ownPath = (): string => join(base, ".p2prc", "id_ed25519");

const open = (): Promise<GatewayKey> =>
  openGatewayKey({
    privateKeyPath: configuredPath(),
    publicKeyPath: publicPath(),
    fallbackFolder: join(base, ".p2prc"),
  });

async function failureOf(call: Promise<unknown>): Promise<GatewayKeyError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof GatewayKeyError) return error;
  throw new Error("no error of this kind", { cause: error });
}

/** A key as the original client makes it. */
function anRsaKey(): { privateText: string; publicLine: string } {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const privateText = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
  const reading = readPrivateKey(privateText);
  return { privateText, publicLine: (reading.kind === "key" ? reading.publicLine : undefined) ?? "" };
}

async function configure(privateText: string, publicText: string | undefined, mode = 0o600): Promise<void> {
  await writeFile(configuredPath(), privateText);
  await chmod(configuredPath(), mode);
  if (publicText !== undefined) await writeFile(publicPath(), publicText);
}

it("is no pipe: nobody waits for its other end", async () => {
  execFileSync("mkfifo", ["-m", "600", configuredPath()]);
  const failure = await failureOf(open());
  expect([failure.reason, failure.path]).toEqual(["DAMAGED", configuredPath()]);
});

describe("a key of our own", () => {
  it("is made at the first use, for its owner only, and is the same at every later one", async () => {
    const first = await open();
    expect(first).toMatchObject({ privateKeyPath: ownPath(), passedOver: undefined });
    expect(first.publicKeyLine).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68} p2prc-gateway$/);
    expect(isSshPublicKey(first.publicKeyLine)).toBe(true);
    expect((await stat(ownPath())).mode & 0o777).toBe(0o600);
    expect((await stat(join(base, ".p2prc"))).mode & 0o777).toBe(0o700);
    expect(await readFile(`${ownPath()}.pub`, "utf8")).toBe(`${first.publicKeyLine}\n`);
    expect((await readdir(join(base, ".p2prc"))).sort()).toEqual(["id_ed25519", "id_ed25519.pub"]);
    expect(await open()).toEqual(first);
  });

  it("is one key however many ask for it at once", async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, open));
    expect(new Set(keys.map(({ publicKeyLine }) => publicKeyLine)).size).toBe(1);
    expect((await readdir(join(base, ".p2prc"))).sort()).toEqual(["id_ed25519", "id_ed25519.pub"]);
  });

  it("is one key if several processes begin at once", async () => {
    const room = new URL("../../src/containers/keys/gateway-key.ts", import.meta.url).href;
    const script = `import { openGatewayKey } from ${JSON.stringify(room)};
      const key = await openGatewayKey({ privateKeyPath: "/nowhere/at/all", fallbackFolder: process.argv[1] });
      console.log(key.publicKeyLine);`;
    const start = (): Promise<{ stdout: string }> =>
      run(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script, join(base, ".p2prc")], {
        env: { ...process.env, NODE_OPTIONS: "" },
      });
    const outputs = await Promise.all([start(), start(), start()]);
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
    expect(outputs.at(0)?.stdout.trim()).toBe((await open()).publicKeyLine);
  });

  it("gets its public half again if that is missing", async () => {
    const { publicKeyLine } = await open();
    await rm(`${ownPath()}.pub`);
    expect((await open()).publicKeyLine).toBe(publicKeyLine);
    expect(await readFile(`${ownPath()}.pub`, "utf8")).toBe(`${publicKeyLine}\n`);
  });

  it.each([
    ["empty", () => ""],
    ["cut short", (text: string) => text.slice(0, 200)],
    ["cut short inside", (text: string) => text.replace(/\n[^\n]+\n-----END/, "\n-----END")],
    ["something else", () => "hello\n"],
    ["another file's", () => "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI\n"],
  ])("that is %s is named and stays as it is", async (_, damage) => {
    await open();
    const damaged = damage(await readFile(ownPath(), "utf8"));
    await writeFile(ownPath(), damaged);
    const failure = await failureOf(open());
    expect(failure).toMatchObject({ reason: "DAMAGED", path: ownPath() });
    expect(failure.message).toContain(ownPath());
    expect(await readFile(ownPath(), "utf8")).toBe(damaged);
  });

  it("whose public half is another key's is named and stays as it is", async () => {
    await open();
    const { publicLine } = makeKeyPair("other");
    await writeFile(`${ownPath()}.pub`, publicLine);
    expect(await failureOf(open())).toMatchObject({ reason: "DAMAGED", path: `${ownPath()}.pub` });
    expect(await readFile(`${ownPath()}.pub`, "utf8")).toBe(publicLine);
  });

  it("that others may read is named: ssh would refuse it", async () => {
    await open();
    await chmod(ownPath(), 0o644);
    expect(await failureOf(open())).toMatchObject({ reason: "UNUSABLE", path: ownPath() });
    expect((await stat(ownPath())).mode & 0o777).toBe(0o644);
  });

  it("that cannot be made is named", async () => {
    await writeFile(join(base, ".p2prc"), "");
    expect((await failureOf(open())).message).toContain(ownPath());
  });

  it("never shows itself in an error", async () => {
    await open();
    const text = await readFile(ownPath(), "utf8");
    await writeFile(ownPath(), text.slice(0, 250));
    const failure = await failureOf(open());
    expect(JSON.stringify([failure.message, failure.stack, failure.cause])).not.toContain(text.slice(40, 80));
  });
});

describe("a key that the configuration names", () => {
  it("is used if it can be, whatever made it", async () => {
    const rsa = anRsaKey();
    await configure(rsa.privateText, `${rsa.publicLine} user@host\n`);
    expect(await open()).toEqual({
      publicKeyLine: `${rsa.publicLine} user@host`,
      privateKeyPath: configuredPath(),
      passedOver: undefined,
    });
    expect(await readdir(base)).not.toContain(".p2prc");
  });

  it("goes to nodes without a comment that is more than a name", async () => {
    const rsa = anRsaKey();
    await configure(rsa.privateText, `${rsa.publicLine} $(reboot) now\n`);
    expect((await open()).publicKeyLine).toBe(rsa.publicLine);
  });

  it("needs no public file where the private one tells", async () => {
    const own = makeKeyPair("x");
    await configure(own.privateText, undefined);
    expect((await open()).publicKeyLine).toBe(own.publicLine.replace(/ x$/, ""));
  });

  it.each([
    [0o130, process.getuid?.() === 0 ? "TOO_OPEN" : "UNREADABLE"],
    [0o655, "TOO_OPEN"],
    [0o640, "TOO_OPEN"],
  ])("is passed over if its mode is %o, and stays as it is", async (mode, why) => {
    const rsa = anRsaKey();
    await configure(rsa.privateText, rsa.publicLine, mode);
    const key = await open();
    expect(key).toMatchObject({ privateKeyPath: ownPath(), passedOver: why });
    expect(key.publicKeyLine).not.toContain(rsa.publicLine);
    expect((await stat(configuredPath())).mode & 0o777).toBe(mode);
  });

  it("is passed over if it has a passphrase", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    const secret = { cipher: "aes-256-cbc", passphrase: "x", format: "pem" } as const;
    for (const type of ["pkcs1", "pkcs8"] as const) {
      await configure(privateKey.export({ type, ...secret }).toString(), undefined);
      expect(await open()).toMatchObject({ privateKeyPath: ownPath(), passedOver: "ENCRYPTED" });
    }
  });

  it("is named if it is damaged, or its halves do not belong together", async () => {
    const [one, other] = [anRsaKey(), anRsaKey()];
    await configure("nothing", one.publicLine);
    expect(await failureOf(open())).toMatchObject({ reason: "DAMAGED", path: configuredPath() });
    await configure(one.privateText, other.publicLine);
    expect(await failureOf(open())).toMatchObject({ reason: "DAMAGED", path: publicPath() });
    await configure(one.privateText, "nothing");
    expect(await failureOf(open())).toMatchObject({ reason: "DAMAGED", path: publicPath() });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await rm(publicPath());
    await configure(privateKey.export({ type: "sec1", format: "pem" }).toString(), undefined);
    expect(await failureOf(open())).toMatchObject({ reason: "DAMAGED", path: publicPath() });
  });
});

const hasSshKeygen = ((): boolean => {
  try {
    execFileSync("ssh-keygen", ["-?"], { stdio: "ignore" });
    return true;
  } catch (error) {
    // It knows no such option, but it is there.
    return (
      (error as { status?: unknown }).status !== undefined && (error as { status?: unknown }).status !== null
    );
  }
})();

/** OpenSSH is the judge of its own format. Skipped where it is not installed. */
(hasSshKeygen ? describe : describe.skip)("OpenSSH itself", () => {
  it("reads 50 keys of ours, finds the same public half, and signs with them", async () => {
    for (let count = 0; count < 50; count += 1) {
      const pair = makeKeyPair("p2prc-gateway");
      const path = join(base, `key${count}`);
      await writeFile(path, pair.privateText, { mode: 0o600 });
      const { stdout } = await run("ssh-keygen", ["-y", "-P", "", "-f", path]);
      expect(stdout.trim()).toBe(pair.publicLine);
      if (count > 0) continue;
      await writeFile(join(base, "text"), "text");
      await run("ssh-keygen", ["-Y", "sign", "-f", path, "-n", "file", join(base, "text")]);
      expect(await readFile(join(base, "text.sig"), "utf8")).toContain("BEGIN SSH SIGNATURE");
    }
  });

  it.each([
    ["ed25519", []],
    ["rsa", ["-b", "2048"]],
    ["ecdsa", []],
  ])("makes %s keys that we read", async (type, options) => {
    const path = join(base, "theirs");
    await run("ssh-keygen", ["-q", "-t", type, ...options, "-N", "", "-C", "me@there", "-f", path]);
    const publicLine = (await readFile(`${path}.pub`, "utf8")).trim();
    expect(isSshPublicKey(publicLine)).toBe(true);
    const key = await openGatewayKey({ privateKeyPath: path, fallbackFolder: join(base, ".p2prc") });
    expect(key).toEqual({ publicKeyLine: publicLine, privateKeyPath: path, passedOver: undefined });
    const pem = join(base, "pem");
    await writeFile(pem, await readFile(path), { mode: 0o600 });
    await run("ssh-keygen", ["-q", "-p", "-m", "PEM", "-N", "", "-f", pem]);
    const reading = readPrivateKey(await readFile(pem, "utf8"));
    const known = type === "ecdsa" ? undefined : publicLine.replace(/ me@there$/, "");
    expect(reading).toEqual({ kind: "key", publicLine: known });
  });

  it("makes keys with a passphrase that we pass over", async () => {
    const path = join(base, "theirs");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", path]);
    expect(readPrivateKey(await readFile(path, "utf8"))).toEqual({ kind: "encrypted" });
  });
});
