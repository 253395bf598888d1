/**
 * What a caller's order may say. Nodes put these texts into shell commands unquoted, so each has a grammar that leaves
 * no room, and is held to it before anything leaves the gateway.
 *
 * Source: shared reliability notes: "remote command injection on nodes".
 */
import type { ContainerSpec } from "../contract.js";
import { ContainerError } from "../errors.js";
import { containerLimits } from "../limits.js";

/** Name of a folder on the node. */
const imagePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** A name between dots of a host; upper case is what tells `Host/app` from a path. */
const hostPart = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const pathPart = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";

/** `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, as Docker has it. Source: reference/regexp.go of github.com/distribution. */
const baseImagePattern = new RegExp(
  [
    `^(?:${hostPart}(?:\\.${hostPart})*(?::[0-9]{1,5})?/)?${pathPart}(?:/${pathPart})*`,
    "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?",
    "(?:@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128}))?$",
  ].join(""),
);

/** Comments are names here: mail addresses, `user@host`, `cardno:...`. */
const sshKeyPattern =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,8000}={0,2})(?: [A-Za-z0-9_.@+:-]{1,128})?$/;

const labelKeyPattern = /^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/;

/** Control characters, invisible ones and those that turn the writing direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const hiddenCharacters = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Checks what is asked for. @throws {ContainerError} INVALID_SPEC naming the field */
export function checkSpec(spec: ContainerSpec): void {
  const { portCount, image, baseImage, sshPublicKey, labels } = spec;
  if (!Number.isInteger(portCount) || portCount < 0 || portCount > containerLimits.maxPortCount) {
    throw invalid("spec.port_count", `is not 0..${String(containerLimits.maxPortCount)}`);
  }
  if (image !== "" && (!imagePattern.test(image) || image.includes("..")))
    throw invalid("spec.image", "is no name of an image: letters, digits, `_`, `.` and `-`");
  if (baseImage !== "" && (baseImage.length > 255 || !baseImagePattern.test(baseImage)))
    throw invalid("spec.base_image", "is no image reference such as ubuntu:22.04");
  if (sshPublicKey !== "" && !isSshPublicKey(sshPublicKey)) {
    throw invalid(
      "spec.ssh_public_key",
      "is no public key in one line: ssh-ed25519, ssh-rsa or ecdsa-sha2-nistp256/384/521, then base64",
    );
  }
  checkLabels(labels);
}

/** Whether a text is one line of authorized_keys, without options, whose key is whole and of the kind it says. */
export function isSshPublicKey(line: string): boolean {
  const [, kind = "", base64 = ""] = sshKeyPattern.exec(line) ?? [];
  const blob = Buffer.from(base64, "base64");
  if (kind === "" || blob.toString("base64") !== base64) return false;
  // A key cut short would be taken by every node, and nobody could log in.
  const fields = fieldsOf(blob);
  const [name, second] = fields.map((field) => field.toString("latin1"));
  if (name !== kind) return false;
  if (kind === "ssh-ed25519") return fields.length === 2 && second?.length === 32;
  return fields.length === 3 && (kind === "ssh-rsa" || kind.endsWith(`-${second ?? ""}`));
}

/** Fields with their length before them. @returns none if the last one is not whole */
function fieldsOf(blob: Buffer): readonly Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    const end = at + 4 <= blob.length ? at + 4 + blob.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > blob.length) return [];
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function checkLabels(labels: ReadonlyMap<string, string>): void {
  let bytes = 0;
  for (const [key, value] of labels) {
    if (!labelKeyPattern.test(key) || key.includes("..")) {
      throw invalid("spec.labels", "has a key that is not 1..63 letters, digits, `_`, `.`, `/` and `-`");
    }
    if (hiddenCharacters.test(value))
      throw invalid(`spec.labels["${key}"]`, "has characters that cannot be seen");
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (labels.size > containerLimits.maxLabels || bytes > containerLimits.maxLabelBytes) {
    throw invalid(
      "spec.labels",
      `are more than ${String(containerLimits.maxLabels)}, or ${String(containerLimits.maxLabelBytes)} bytes`,
    );
  }
}

const invalid = (field: string, why: string): ContainerError =>
  new ContainerError("INVALID_SPEC", `${field} ${why}`, { field });
