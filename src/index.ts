/** The gateway as a library: open it in your own process, or use the generated messages and service. */
export { type App, type AppOptions, BaseFolderTakenError, isGatewayAlive, openApp } from "./app/app.js";
export { type ConfigSources, type GatewayConfig, loadConfig } from "./config/config.js";
export { ConfigError } from "./config/errors.js";
export { ClientService } from "./gen/p2prc/client/v1/client_service_pb.js";
export * from "./gen/p2prc/client/v1/container_pb.js";
export * from "./gen/p2prc/client/v1/group_pb.js";
export * from "./gen/p2prc/client/v1/ip_table_pb.js";
export * from "./gen/p2prc/client/v1/node_info_pb.js";
export * from "./gen/p2prc/client/v1/node_pb.js";
export * from "./gen/p2prc/client/v1/plugin_pb.js";
export * from "./gen/p2prc/client/v1/port_pb.js";
export * from "./gen/p2prc/client/v1/watch_pb.js";
