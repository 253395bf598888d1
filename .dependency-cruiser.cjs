// The borders of the house (ARCHITECTURE.md, "Rooms"): data flows one way.
const room = (name) => `^src/${name}/`;
const only = (name, allowed, comment) => ({
  name: `${name}-imports`,
  comment,
  severity: "error",
  from: { path: room(name) },
  to: { path: "^src/", pathNot: [room(name), ...allowed] },
});

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/gen/" },
      to: { circular: true },
    },
    { name: "no-missing", severity: "error", from: {}, to: { couldNotResolve: true } },
    only("gen", [], "generated code stands alone"),
    only("observability", [], "interfaces handed to the other rooms"),
    only("filter", [], "each room hands in its own fields"),
    only(
      "store",
      [room("system"), "^src/observability/logger\\.ts$"],
      "knows records and change sets, not what they mean",
    ),
    only("system", [], "the machine under us: its clock, its files"),
    only("peer-api", [], "speaks to other machines; knows no room of ours"),
    only(
      "p2p",
      [
        "^src/peer-api/(contract|errors|address|ip-table-rows)\\.ts$",
        "^src/observability/logger\\.ts$",
        room("filter"),
        room("system"),
      ],
      "receives PeerApi as an argument",
    ),
    only(
      "containers",
      [
        "^src/store/(contract|errors|view)\\.ts$",
        "^src/store/mirror/",
        "^src/peer-api/(contract|errors|address|docker-vm)\\.ts$",
        "^src/p2p/contract\\.ts$",
        "^src/observability/logger\\.ts$",
        room("filter"),
        room("system"),
      ],
      "receives PeerApi, StateStore and the IP table as arguments",
    ),
    only(
      "plugins",
      [
        "^src/containers/(contract|errors)\\.ts$",
        "^src/peer-api/(contract|errors)\\.ts$",
        "^src/observability/logger\\.ts$",
        room("system"),
      ],
      "receives what it needs of containers as an argument",
    ),
    only(
      "rpc",
      [
        room("gen"),
        "^src/containers/limits\\.ts$",
        "^src/plugins/limits\\.ts$",
        "^src/(p2p|containers|plugins)/(contract|errors)\\.ts$",
        "^src/store/errors\\.ts$",
        "^src/peer-api/(contract|errors|address)\\.ts$",
        "^src/observability/",
      ],
      "conversion + one call + conversion",
    ),
    only("gateway", [room("gen"), room("rpc"), "^src/observability/"], "sockets"),
    only("config", ["^src/peer-api/address\\.ts$"], "defaults, file, environment, flags"),
    only("devnet", [], "P2PRC nodes of our own, so that tests meet the wire and not our reading of it"),
    only(
      "cli",
      [
        room("gen"),
        room("config"),
        room("devnet"),
        room("observability"),
        "^src/app/(app|state-transfer)\\.ts$",
      ],
      "a client of ClientService",
    ),
    {
      name: "only-app-sees-every-room",
      severity: "error",
      from: { path: "^src/index\\.ts$" },
      to: { path: "^src/", pathNot: ["^src/(app/|config/|gen/|p2p/contract|peer-api/contract)"] },
    },
    {
      name: "got-and-form-data-live-in-peer-api",
      comment: "p2p asks ip-api.com through peer-api as well",
      severity: "error",
      from: { path: "^src/", pathNot: room("peer-api") },
      to: { path: "node_modules/(got|form-data)/" },
    },
    {
      name: "lmdb-lives-in-store",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/store/lmdb/" },
      to: { path: "node_modules/lmdb/" },
    },
    {
      name: "redis-lives-in-store",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/store/redis/" },
      to: { path: "node_modules/(redis|@redis)/" },
    },
    {
      name: "environment-is-read-in-config",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(cli/main|config/)" },
      to: { path: "^(node:)?process$" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types"],
      extensions: [".ts", ".js"],
    },
  },
};
