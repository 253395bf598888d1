/** What is said of a failure: one line that names the reason, never a stack. */
import { Code, ConnectError } from "@connectrpc/connect";
import { CommanderError } from "commander";
import { ConfigError } from "../config/errors.js";
import { BadRequestSchema, type ErrorInfo, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { UsageError } from "./errors.js";
import { plainText } from "./plain-text.js";

export interface Failure {
  /** Without line breaks. */
  readonly text: string;
  /** 2: what was typed or configured is wrong; 1: it was right and did not work. */
  readonly exitCode: 1 | 2;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ConnectError) {
    return { text: plainText(textOfCall(error)), exitCode: error.code === Code.InvalidArgument ? 2 : 1 };
  }
  const isUsage = [UsageError, ConfigError, CommanderError].some((kind) => error instanceof kind);
  return { text: plainText(oneLine(textOf(error))), exitCode: isUsage ? 2 : 1 };
}

/** The gateway's words, then the reason that docs/errors.md lists. */
function textOfCall(error: ConnectError): string {
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info === undefined) return textOfConnection(error);
  const violations = error
    .findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations)
    .filter(({ description }) => !error.rawMessage.includes(description))
    .map(({ field, description }) => `; ${field}: ${description}`);
  return oneLine(`${error.rawMessage}${violations.join("")} (${info.reason})${wayOut(info)}`);
}

/** A creation that may have come to something stays listed: who reads of it needs its name, and how to close it. */
function wayOut({ metadata: { intent } }: ErrorInfo): string {
  if (intent === undefined || intent === "") return "";
  return `; it stays listed, and \`p2prc forget ${intent}\` closes it once you have seen to it on the node (\`p2prc --rm\` cannot: its id is not known)`;
}

/** An error that did not come from the service: mostly nobody is there, or it is no gateway. */
function textOfConnection(error: ConnectError): string {
  const { code, message, address, port } = (error.cause ?? {}) as NodeJS.ErrnoException & Endpoint;
  if (typeof code === "string" && (error.code === Code.Unavailable || code === "ENOENT")) {
    if (address === undefined) return oneLine(`no gateway answers: ${message || code}`);
    return oneLine(`no gateway answers at ${address}${port === undefined ? "" : `:${port}`} (${code})`);
  }
  return oneLine(`${error.rawMessage} (${Code[error.code].replace(/\B[A-Z]/g, "_$&").toUpperCase()})`);
}

/** What Node tells of a connection that was not made: an IP address with a port, or the path of a socket. */
interface Endpoint {
  readonly address?: string;
  readonly port?: number;
}

function textOf(error: unknown): string {
  if (error instanceof CommanderError) return error.message.replace(/^error: /, "");
  return error instanceof Error ? error.message : String(error);
}

const oneLine = (text: string): string => text.trim().replace(/\s*[\r\n]+\s*/g, " ");
