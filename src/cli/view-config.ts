import type { GatewayConfig } from "../config/config.js";
import { publicIpText } from "../config/schemas.js";

/**
 * The configuration as it counts, for `--vc`: the keys of the original's config.json that a client uses, in their
 * order and with every default in place, then what the original does not know. Its secrets (IPTableKey) are left out.
 */
export function toConfigView({ original, ...config }: GatewayConfig): unknown {
  return {
    MachineName: original.machineName,
    IPTable: original.ipTablePath,
    PluginPath: original.pluginPath,
    TrackContainersPath: original.trackContainersPath,
    ServerPort: original.serverPort === undefined ? "" : String(original.serverPort),
    GroupTrackContainersPath: original.groupTrackContainersPath,
    PublicKeyFile: original.publicKeyFile,
    PrivateKeyFile: original.privateKeyFile,
    Test: original.isTest,
    Gateway: {
      base: config.baseDir,
      config: config.configFile ?? "",
      listen: listenText(config.listen),
      insecureBind: config.isOpenBind,
      allowCidr: config.allowCidrs,
      publicIp: publicIpText(config.publicIp),
      corsOrigin: config.corsOrigins,
      logLevel: config.logLevel,
    },
  };
}

const listenText = ({ host, port }: GatewayConfig["listen"]): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
