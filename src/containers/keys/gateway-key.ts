import { randomBytes } from "node:crypto";
import { link, mkdir, open, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf, FileFault } from "../../system/errors.js";
import { readFileWithin } from "../../system/read-file.js";
import { syncFolder } from "../../system/sync-folder.js";
import { makeKeyPair, readPrivateKey } from "./openssh-key.js";
import { isSshPublicKey } from "../life/spec-grammar.js";

export interface GatewayKeyOptions {
  /** The key that a configuration names; it need not exist. */
  readonly privateKeyPath: string;
  /** @default `privateKeyPath` with `.pub` */
  readonly publicKeyPath?: string;
  /** Where a key of our own is, or is made. */
  readonly fallbackFolder: string;
}

export interface GatewayKey {
  /** One line of authorized_keys. */
  readonly publicKeyLine: string;
  /** For `ssh -i`. */
  readonly privateKeyPath: string;
  /** Why the configured key is passed over; undefined = it is used, or there is none. */
  readonly passedOver: PassedOver | undefined;
}

/** UNREADABLE: its mode forbids it; TOO_OPEN: others may read it, so ssh refuses it; ENCRYPTED: nobody could type the passphrase. */
export type PassedOver = "UNREADABLE" | "TOO_OPEN" | "ENCRYPTED";

/** UNUSABLE: the gateway may not read it, or others may; DAMAGED: it holds no key, or not the other half of its pair. */
export type GatewayKeyReason = "UNUSABLE" | "DAMAGED" | "UNWRITABLE";

/** A key file that must be looked after by a person. Every file stays as it is. */
export class GatewayKeyError extends Error {
  override readonly name = "GatewayKeyError";
  readonly reason: GatewayKeyReason;
  readonly path: string;

  constructor(reason: GatewayKeyReason, path: string, message: string, cause?: unknown) {
    super(`${path}: ${message}`, { cause });
    this.reason = reason;
    this.path = path;
  }
}

const ownName = "id_ed25519";
const comment = "p2prc-gateway";
const maxKeyFileBytes = 64 * 1024;

/**
 * Finds the SSH key that the gateway logs in to containers with: the one that the configuration names, else one of its
 * own, made at the first use. No file is ever overwritten, nor its mode changed.
 *
 * A configured key that ssh could not use is passed over: the original client writes its key with mode 0130, which its
 * owner cannot read. Source: shared protocol notes, trap 20.
 *
 * @throws {GatewayKeyError}
 */
export async function openGatewayKey(options: GatewayKeyOptions): Promise<GatewayKey> {
  const { privateKeyPath, publicKeyPath = `${privateKeyPath}.pub`, fallbackFolder } = options;
  const configured = await readPrivate(privateKeyPath);
  if (typeof configured === "object") {
    const publicKeyLine = await readPublic(publicKeyPath, configured.publicLine);
    if (publicKeyLine !== undefined) return { publicKeyLine, privateKeyPath, passedOver: undefined };
    if (configured.publicLine === undefined) {
      throw new GatewayKeyError("DAMAGED", publicKeyPath, "the public half of the configured key is missing");
    }
    return { publicKeyLine: configured.publicLine, privateKeyPath, passedOver: undefined };
  }
  const own = await openOwnKey(fallbackFolder);
  return { ...own, passedOver: configured };
}

async function openOwnKey(folder: string): Promise<Omit<GatewayKey, "passedOver">> {
  const privateKeyPath = join(folder, ownName);
  const publicKeyPath = `${privateKeyPath}.pub`;
  let own = await readPrivate(privateKeyPath);
  if (own === undefined) {
    // Of two gateways that begin at once one wins; both read what it wrote.
    await createOnce(privateKeyPath, makeKeyPair(comment).privateText, 0o600);
    own = await readPrivate(privateKeyPath);
  }
  if (typeof own !== "object" || own.publicLine === undefined) {
    throw new GatewayKeyError(
      "UNUSABLE",
      privateKeyPath,
      "ssh could not use it: it must be readable to its owner only (mode 0600), and have no passphrase",
    );
  }
  const existing = await readPublic(publicKeyPath, own.publicLine);
  if (existing === undefined) await createOnce(publicKeyPath, `${own.publicLine} ${comment}\n`, 0o644);
  return { publicKeyLine: existing ?? `${own.publicLine} ${comment}`, privateKeyPath };
}

/** @returns undefined if there is no such file; why ssh could not use it @throws {GatewayKeyError} DAMAGED */
async function readPrivate(
  path: string,
): Promise<{ publicLine: string | undefined } | PassedOver | undefined> {
  const text = await readText(path);
  if (typeof text !== "object") return text;
  // As ssh has it: modes of files that belong to others, as on a mounted volume, do not count.
  const isOwn = text.uid === process.getuid?.();
  if (isOwn && (text.mode & 0o077) !== 0) return "TOO_OPEN";
  const reading = readPrivateKey(text.text);
  if (reading.kind === "encrypted") return "ENCRYPTED";
  if (reading.kind === "none")
    throw new GatewayKeyError("DAMAGED", path, "is no private key; move it away to have one made");
  return reading;
}

/** @returns undefined if there is no such file @throws {GatewayKeyError} it is no key, or another's */
async function readPublic(path: string, expected: string | undefined): Promise<string | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  if (text === "UNREADABLE") throw new GatewayKeyError("UNUSABLE", path, "cannot be read");
  const line = text.text.trim();
  const [bare = ""] = /^\S+ \S+/.exec(line) ?? [];
  if (!isSshPublicKey(bare)) throw new GatewayKeyError("DAMAGED", path, "is no public key in one line");
  if (expected !== undefined && bare !== expected) {
    throw new GatewayKeyError("DAMAGED", path, "is not the public half of the private key beside it");
  }
  // It goes to nodes: a comment that is more than a name stays here.
  return isSshPublicKey(line) ? line : bare;
}

interface KeyFile {
  readonly text: string;
  readonly mode: number;
  readonly uid: number;
}

async function readText(path: string): Promise<KeyFile | "UNREADABLE" | undefined> {
  try {
    const { mode, uid } = await stat(path);
    const bytes = await readFileWithin(path, maxKeyFileBytes, undefined);
    return { text: bytes.toString("latin1"), mode, uid };
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    if (code === "EACCES" || code === "EPERM") return "UNREADABLE";
    if (error instanceof FileFault) throw new GatewayKeyError("DAMAGED", path, error.message);
    throw new GatewayKeyError("UNUSABLE", path, "cannot be read", error);
  }
}

/** Makes a file with its whole text, or leaves the one that is there: also of two processes at once. */
async function createOnce(path: string, text: string, mode: number): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a link replaces nothing.
    await link(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    throw new GatewayKeyError("UNWRITABLE", path, "cannot be made", error);
  } finally {
    await rm(temporary, { force: true });
  }
}
