// Exit code 0 while the gateway of this container serves. It is asked over its own socket, which is there whatever address
// and port it listens on.
import { request } from "node:http";

const socketPath = `${process.env.P2PRC_GATEWAY_BASE}/.p2prc/gateway.sock`;
const question = request(
  {
    socketPath,
    path: "/grpc.health.v1.Health/Check",
    method: "POST",
    headers: { "content-type": "application/json" },
  },
  async (answer) => {
    const { status } = JSON.parse((await answer.toArray()).join(""));
    console.log(status);
    process.exitCode = status === "SERVING" ? 0 : 1;
  },
);
question.on("error", (error) => {
  console.log(error.message);
  process.exitCode = 1;
});
question.end("{}");
