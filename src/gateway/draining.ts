import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  createConnectRouter,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";

/** Makes the error of a call that comes too late. */
export const shuttingDown = (): ConnectError =>
  new ConnectError("the gateway is shutting down", Code.Unavailable);

const refuse: Interceptor = () => () => Promise.reject(shuttingDown());

/**
 * Makes handlers that refuse every call of these services, each in the protocol of its caller.
 *
 * Behind the interceptors of the calls that are served, so that a refusal gets the same details as any other error.
 */
export function createRefusals(
  services: readonly DescService[],
  options: ConnectRouterOptions,
): UniversalHandler[] {
  const router = createConnectRouter({
    ...options,
    interceptors: [...(options.interceptors ?? []), refuse],
  });
  for (const service of services) router.service(service, {});
  return router.handlers;
}
