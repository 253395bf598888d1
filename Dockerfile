# The gateway in an image: built from this folder, run by a user without rights. Bases are variables, so that a machine
# without a registry of images can bring its own, and whoever wants to can name one by its digest.
ARG NODE_IMAGE=node:22.21.1-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY ansible ./ansible
COPY proto ./proto
COPY scripts/container-health.mjs ./scripts/
# The command line for `docker exec`; and the base folder: a volume that is empty takes over its owner.
RUN ln -s /app/dist/cli/main.js /usr/local/bin/p2prc && mkdir -p /data && chown 10001:10001 /data
USER 10001:10001
VOLUME /data
ENV P2PRC_GATEWAY_BASE=/data
EXPOSE 8089
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["node", "scripts/container-health.mjs"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
