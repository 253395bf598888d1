import { createValidator, type Violation } from "@bufbuild/protovalidate";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import { failure } from "./errors.js";

/**
 * Enforces the rules in the proto before a handler sees a request. Answers BadRequest with each field, where the stock
 * interceptor answers a message that only clients of protovalidate can read.
 */
export function validateRequests(): Interceptor {
  const validator = createValidator();
  const check = (schema: DescMessage, message: Message): void => {
    const result = validator.validate(schema, message);
    if (result.kind === "valid") return;
    if (result.kind === "error") throw result.error;
    const violations = result.violations.map((violation) => ({
      field: fieldPath(violation),
      description: violation.message,
    }));
    const [first] = violations;
    throw failure("INVALID_REQUEST", `${first?.field ?? "request"}: ${first?.description ?? "invalid"}`, {
      violations,
    });
  };
  return (next) => async (request) => {
    if (request.service.typeName !== ClientService.typeName) return await next(request);
    if (!request.stream) {
      check(request.method.input, request.message);
      return await next(request);
    }
    return await next({
      ...request,
      message: checked(request.message, (message) => check(request.method.input, message)),
    });
  };
}

async function* checked<T>(messages: AsyncIterable<T>, check: (message: T) => void): AsyncIterable<T> {
  for await (const message of messages) {
    check(message);
    yield message;
  }
}

/** Spells a path as callers write it: `seed_addresses[2]`. */
function fieldPath(violation: Violation): string {
  return violation.field
    .map((part) => {
      switch (part.kind) {
        case "field":
        case "extension":
          return `.${part.name}`;
        case "oneof":
          return `.${part.name}`;
        case "list_sub":
          return `[${part.index}]`;
        case "map_sub":
          return `[${JSON.stringify(String(part.key))}]`;
      }
    })
    .join("")
    .replace(/^\./, "");
}
