import type { NodeImage } from "./contract.js";
import { PeerError } from "./errors.js";
import { fieldsOf, isJsonObject, parseJsonBody } from "./json-body.js";
import { maxImages } from "./limits.js";
import { cleanText, maxDescriptionLength } from "./text.js";

/** Reads the answer of /ShowImages; a null list means none. @throws {PeerError} BAD_BODY */
export function parseImages(body: Buffer): readonly NodeImage[] {
  const value = parseJsonBody(body);
  const list = isJsonObject(value) ? fieldsOf(value)("DockerContainer") : undefined;
  if (list === null) return [];
  if (!Array.isArray(list)) throw new PeerError("BAD_BODY", "the answer holds no list of images");
  return list
    .slice(0, maxImages)
    .filter(isJsonObject)
    .map((entry) => {
      const read = fieldsOf(entry);
      return {
        name: cleanText(read("DockerContainerName")),
        description: cleanText(trimmed(read("ContainerDescription")), maxDescriptionLength),
      };
    });
}

const trimmed = (value: unknown): string => (typeof value === "string" ? value.trim() : "");
