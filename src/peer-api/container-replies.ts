/**
 * The answers of /startcontainer and /RemoveContainer. Nodes go on after they have written an error, so that text and
 * JSON come in one body under the status of the first. Source: shared protocol notes, "Route details" and trap 7.
 */
import type { NodeContainer, RemoveAnswer, StartAnswer } from "./contract.js";
import { isContainerId, parseDockerVm } from "./docker-vm.js";
import { PeerError } from "./errors.js";
import { type NodeAnswer, requireOk } from "./node-request.js";
import { cleanText, maxNodeMessageLength } from "./text.js";

/** Whole bodies of status 500 that were measured to leave no container behind. */
const failedBuild = /^error: exit status 1null$/;
const unknownImage = /^error: Container \S* does not exist in the servernull$/;

/**
 * Reads what became of a container's start.
 *
 * A description with an id counts whatever the status, and whatever text stands before or after it: the container runs,
 * and nobody else would know of it.
 *
 * @throws {PeerError} BAD_BODY: status 200 without a container's description; HTTP_STATUS: neither an answer nor an error
 */
export function parseStartAnswer({ httpStatus, body }: NodeAnswer): StartAnswer {
  const answer = readMixed(bodyText(body));
  const container = answer.documents.map(parseDockerVm).find(hasId);
  if (container !== undefined) {
    const message = nodeMessage(answer.before.trim() || answer.after.trim());
    if (httpStatus === 200 && message === "") return { kind: "created", container };
    return { kind: "createdWithError", container, httpStatus, message };
  }
  if (httpStatus === 200) {
    throw new PeerError("BAD_BODY", "the answer describes no container", { httpStatus });
  }
  requireError(httpStatus);
  const whole = bodyText(body);
  const isImageUnknown = httpStatus === 500 && unknownImage.test(whole);
  const isHarmless = httpStatus === 404 || isImageUnknown || (httpStatus === 500 && failedBuild.test(whole));
  return { kind: "refused", httpStatus, message: nodeMessage(whole), mayRun: !isHarmless, isImageUnknown };
}

/** Reads what became of a container's removal. @throws {PeerError} HTTP_STATUS: neither an answer nor an error */
export function parseRemoveAnswer({ httpStatus, body }: NodeAnswer): RemoveAnswer {
  const text = bodyText(body);
  const message = nodeMessage(text);
  if (httpStatus === 200 && !/^\s*error:/i.test(text)) return { kind: "removed", message };
  if (httpStatus !== 200) requireError(httpStatus);
  return { kind: "refused", httpStatus, message };
}

/** Documents read of one body: more than two were never seen. */
const maxDocuments = 4;

/** Braces at which a document is looked for: error texts have some of their own. */
const maxStarts = 16;

interface MixedBody {
  /** Text before the first document; the whole body if there is none. */
  readonly before: string;
  /** JSON objects. More than one came on a single day of 2023: the first carries the proxy's ports. */
  readonly documents: readonly unknown[];
  readonly after: string;
}

function readMixed(body: string): MixedBody {
  const documents: unknown[] = [];
  let before = body;
  let after = "";
  let start = body.indexOf("{");
  for (let tried = 0; start !== -1 && tried < maxStarts && documents.length < maxDocuments; tried += 1) {
    const end = endOfObject(body, start);
    const value = parsed(body.slice(start, end));
    if (value !== undefined) {
      if (documents.length === 0) before = body.slice(0, start);
      after = body.slice(end);
      documents.push(value);
    }
    start = body.indexOf("{", value === undefined ? start + 1 : end);
  }
  return { before, documents, after };
}

/** Where the object ends that begins at `start`: after its last brace, or at the end of a text that closes none. */
function endOfObject(text: string, start: number): number {
  let depth = 0;
  let isInString = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (isInString) {
      if (character === "\\") at += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === "{") depth += 1;
    else if (character === "}") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const hasId = (container: NodeContainer | undefined): container is NodeContainer =>
  container !== undefined && isContainerId(container.id);

/** Takes bytes that are no UTF-8 for U+FFFD, as Go does: a name spelled badly must not lose a container. */
const bodyText = (body: Buffer): string => new TextDecoder().decode(body);

/** A node's own words, cleaned and short, without what it appends to each error: `null`, or `success`. */
export function nodeMessage(text: string): string {
  const words = text
    .slice(0, maxNodeMessageLength * 8)
    .replace(/^\s*error:\s*/, "")
    .replace(/(?<=.)(?:null|success)\s*$/s, "")
    .replace(/\s+/g, " ");
  return cleanText(words, maxNodeMessageLength).trim();
}

/** @throws {PeerError} HTTP_STATUS: a redirect, or a success that is none of this route's */
function requireError(httpStatus: number): void {
  if (httpStatus < 400) requireOk({ httpStatus });
}
