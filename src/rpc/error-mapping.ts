import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import type { Logger } from "../observability/logger.js";
import { toConnectError } from "./errors.js";

/**
 * Gives every error of ClientService its code and details, also one thrown in the middle of a stream: an interceptor
 * that only wraps the call never sees those.
 */
export function mapErrors(logger: Logger): Interceptor {
  return (next) => async (request) => {
    if (request.service.typeName !== ClientService.typeName) return await next(request);
    const map = (error: unknown): ConnectError => {
      const mapped = toConnectError(error, request.signal);
      if (mapped.code === Code.Internal) {
        logger.error({ err: mapped.cause ?? mapped, method: request.method.name }, "call failed");
      }
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
