import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import type { Logger } from "../observability/logger.js";
import { failure, toConnectError } from "./errors.js";

/**
 * Gives every error of ClientService its code and details, also one thrown in the middle of a stream: an interceptor
 * that only wraps the call never sees those.
 */
export function mapErrors(logger: Logger): Interceptor {
  return (next) => async (request) => {
    if (request.service.typeName !== ClientService.typeName) return await next(request);
    const map = (error: unknown): ConnectError => {
      const mapped = withReason(toConnectError(error, request.signal));
      log(logger, request.method.name, mapped);
      return mapped;
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: mapped(response.message, map) } : response;
    } catch (error) {
      throw map(error);
    }
  };
}

/** A bare UNAVAILABLE is the gateway's: it takes no calls any more. Ours come with details. */
const withReason = (error: ConnectError): ConnectError =>
  error.code === Code.Unavailable && error.details.length === 0
    ? failure("DRAINING", error.rawMessage, { cause: error })
    : error;

/**
 * Only a fault of ours is an error in the log. A node's failure is none, whatever its code, and its causes stay out
 * at every level: they quote what the node said.
 */
function log(logger: Logger, method: string, error: ConnectError): void {
  const reason = error.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
  if (reason === "INTERNAL") logger.error({ err: error.cause ?? error, method }, "call failed");
  else logger.debug({ method, reason, code: Code[error.code] }, "call refused");
}

async function* mapped<T>(
  messages: AsyncIterable<T>,
  map: (error: unknown) => ConnectError,
): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw map(error);
  }
}
