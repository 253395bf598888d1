/** Gives one module in place of another to all who import it but that module itself. */
import type { InitializeHook, ResolveHook } from "node:module";

export interface Planting {
  /** URLs. */
  readonly module: string;
  readonly by: string;
}

let planting: Planting | undefined;

export const initialize: InitializeHook<Planting> = (data) => {
  planting = data;
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  const resolved = await next(specifier, context);
  if (resolved.url !== planting?.module || context.parentURL === planting.by) return resolved;
  return { ...resolved, url: planting.by };
};
