/**
 * Keys as OpenSSH files them. Source: PROTOCOL.key of OpenSSH; RFC 4253, 6.6; RFC 8709, 4.
 *
 * Not by a library: sshpk brings nine more packages for what is one record without encryption here. Held against
 * `ssh-keygen` by test.
 */
import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";

const magic = Buffer.from("openssh-key-v1\0");
const kind = "ssh-ed25519";
const pemHead = "-----BEGIN OPENSSH PRIVATE KEY-----";
const pemTail = "-----END OPENSSH PRIVATE KEY-----";

export interface KeyPair {
  /** What `ssh -i` takes. */
  readonly privateText: string;
  /** One line of authorized_keys, without its end. */
  readonly publicLine: string;
}

/** Makes an ed25519 key. */
export function makeKeyPair(comment: string): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const point = bytesOf(publicKey.export({ format: "jwk" }).x);
  const seed = bytesOf(privateKey.export({ format: "jwk" }).d);
  const publicBlob = Buffer.concat([field(kind), field(point)]);
  // Twice the same number: whoever decrypts sees by it whether the passphrase was right. There is none here.
  const check = randomBytes(4);
  const secret = Buffer.concat([
    check,
    check,
    publicBlob,
    field(Buffer.concat([seed, point])),
    field(comment),
  ]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, (8 - (secret.length % 8)) % 8);
  const none = [field("none"), field("none"), field("")];
  const keyCount = Buffer.from([0, 0, 0, 1]);
  const whole = Buffer.concat([
    magic,
    ...none,
    keyCount,
    field(publicBlob),
    field(Buffer.concat([secret, padding])),
  ]);
  const lines = whole.toString("base64").match(/.{1,70}/g) ?? [];
  return {
    privateText: `${[pemHead, ...lines, pemTail].join("\n")}\n`,
    publicLine: `${lineOf(publicBlob)} ${comment}`,
  };
}

/** What a text of a private key is, as far as it can be told without a passphrase. */
export type PrivateKeyReading =
  /** `publicLine` has no comment; undefined = of a kind that we do not spell, as ECDSA in PEM. */
  | { readonly kind: "key"; readonly publicLine: string | undefined }
  | { readonly kind: "encrypted" }
  | { readonly kind: "none" };

/** Reads a private key: OpenSSH's own format, or PEM as the original client writes it. */
export function readPrivateKey(text: string): PrivateKeyReading {
  try {
    return text.trimStart().startsWith(pemHead) ? readOpenSsh(text) : readPem(text);
  } catch {
    return { kind: "none" };
  }
}

function readOpenSsh(text: string): PrivateKeyReading {
  const [, base64 = ""] = new RegExp(`${pemHead}([A-Za-z0-9+/=\\s]+)${pemTail}\\s*$`).exec(text) ?? [];
  const whole = Buffer.from(base64, "base64");
  if (!whole.subarray(0, magic.length).equals(magic)) return { kind: "none" };
  const [cipher, rest] = takeField(whole.subarray(magic.length));
  const [, afterKdf] = takeField(rest);
  const [, afterOptions] = takeField(afterKdf);
  const [publicBlob, afterPublic] = takeField(afterOptions.subarray(4));
  const [secret, after] = takeField(afterPublic);
  if (cipher.toString() !== "none") return { kind: "encrypted" };
  const isWhole =
    after.length === 0 && secret.length % 8 === 0 && secret.readUInt32BE(0) === secret.readUInt32BE(4);
  // What it says of itself, and what it is made of: the secret part begins with the public one.
  const holdsBoth = secret.subarray(8, 8 + publicBlob.length).equals(publicBlob);
  const isSound = isWhole && (holdsBoth || !publicBlob.includes(kind));
  return isSound ? { kind: "key", publicLine: lineOf(publicBlob) } : { kind: "none" };
}

function readPem(text: string): PrivateKeyReading {
  if (/^Proc-Type: 4,ENCRYPTED$|^-----BEGIN ENCRYPTED PRIVATE KEY-----$/m.test(text))
    return { kind: "encrypted" };
  if (!/^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----$/m.test(text)) return { kind: "none" };
  const { kty, crv, e, n, x } = createPublicKey(text).export({ format: "jwk" });
  if (kty === "RSA") {
    const blob = [field("ssh-rsa"), field(unsigned(bytesOf(e))), field(unsigned(bytesOf(n)))];
    return { kind: "key", publicLine: lineOf(Buffer.concat(blob)) };
  }
  const isEd25519 = crv === "Ed25519";
  return {
    kind: "key",
    publicLine: isEd25519 ? lineOf(Buffer.concat([field(kind), field(bytesOf(x))])) : undefined,
  };
}

/** A key's own first field says of which kind it is. */
const lineOf = (publicBlob: Buffer): string =>
  `${takeField(publicBlob)[0].toString("latin1")} ${publicBlob.toString("base64")}`;

function field(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** @throws {RangeError} it ends before its length says */
function takeField(bytes: Buffer): readonly [Buffer, Buffer] {
  const end = 4 + bytes.readUInt32BE(0);
  if (end > bytes.length) throw new RangeError("cut short");
  return [bytes.subarray(4, end), bytes.subarray(end)];
}

const bytesOf = (base64url: string | undefined): Buffer => Buffer.from(base64url ?? "", "base64url");

/** A number whose highest bit is set would be read as negative. */
const unsigned = (bytes: Buffer): Buffer =>
  (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
