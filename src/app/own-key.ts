import type { GatewayKey } from "../containers/keys/gateway-key.js";
import { containerLimits } from "../containers/limits.js";
import type { Logger } from "../observability/logger.js";
import { DiskTime } from "../system/disk-time.js";

/**
 * Keeps the gateway's own SSH key once it was opened, which makes it at the first start. A key that cannot be used fails
 * creations, and nothing else.
 *
 * @returns asks for it; throws what `open` throws, and {FileError} SILENT while the disk does not answer
 */
export function ownKeyOf(
  open: () => Promise<GatewayKey>,
  logger: Logger,
  timeoutMs: number = containerLimits.keyDiskMs,
): () => Promise<GatewayKey> {
  const disk = new DiskTime(timeoutMs);
  let opening: Promise<GatewayKey> | undefined;
  const openOnce = async (): Promise<GatewayKey> => {
    const key = await disk.limit(open);
    if (key.passedOver !== undefined)
      logger.warn({ why: key.passedOver }, "the configured SSH key is passed over for one of our own");
    return key;
  };
  return async () => {
    try {
      return await (opening ??= openOnce());
    } catch (error) {
      // Somebody may mend the file meanwhile.
      opening = undefined;
      logger.error({ err: error }, "the gateway's own SSH key cannot be used");
      throw error;
    }
  };
}
