import { afterEach, describe, expect, it } from "@jest/globals";
import { createFileRegistry, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import {
  ServerReflection as ReflectionV1,
  type ServerReflectionRequestSchema,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ReflectionV1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { GatewayBench, soon } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

type Question = MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"];

const versions = [
  { version: "v1", service: ReflectionV1 },
  { version: "v1alpha", service: ReflectionV1Alpha as unknown as typeof ReflectionV1 },
];

describe.each(versions)("grpc.reflection.$version", ({ service }) => {
  async function ask(messageRequest: Question) {
    const { url } = await bench.open();
    const client = createClient(service, bench.grpc(url));
    const questions = [{ host: "here", messageRequest }] as MessageInitShape<
      typeof ServerReflectionRequestSchema
    >[];
    for await (const response of client.serverReflectionInfo(iterate(questions))) {
      expect(response.validHost).toBe("here");
      expect(response.originalRequest?.messageRequest.case).toBe(messageRequest?.case);
      return response.messageResponse;
    }
    throw new Error("no answer");
  }

  async function askForFiles(messageRequest: Question): Promise<FileDescriptorProto[]> {
    const answer = await ask(messageRequest);
    if (answer.case !== "fileDescriptorResponse") throw new Error(`not files but ${answer.case}`);
    return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  }

  it("lists the registered services and itself", async () => {
    const { value } = await ask({ case: "listServices", value: "" });

    expect(value).toMatchObject({
      service: [
        { name: "grpc.health.v1.Health" },
        { name: "grpc.reflection.v1.ServerReflection" },
        { name: "grpc.reflection.v1alpha.ServerReflection" },
        { name: "p2prc.client.v1.ClientService" },
      ],
    });
  });

  it("gives a file with everything it imports, enough to build every type", async () => {
    const files = await askForFiles({ case: "fileContainingSymbol", value: "p2prc.client.v1.ClientService" });

    expect(files[0]?.name).toBe("p2prc/client/v1/client_service.proto");
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["buf/validate/validate.proto", "google/protobuf/descriptor.proto"]),
    );
    // Each file comes before what it imports; createFileRegistry wants them the other way round.
    const set = create(FileDescriptorSetSchema, { file: files.reverse() });
    expect(createFileRegistry(set).getService("p2prc.client.v1.ClientService")?.methods).not.toHaveLength(0);
  });

  it.each([
    ["a method", "p2prc.client.v1.ClientService.ListNodes", "p2prc/client/v1/client_service.proto"],
    ["a message", "p2prc.client.v1.ListNodesRequest", "p2prc/client/v1/ip_table.proto"],
    ["a field", "p2prc.client.v1.ListNodesRequest.page_token", "p2prc/client/v1/ip_table.proto"],
    ["a oneof", "p2prc.client.v1.UpdateIpTableResponse.event", "p2prc/client/v1/ip_table.proto"],
    ["a nested enum", "p2prc.client.v1.NodeFailed.Step", "p2prc/client/v1/ip_table.proto"],
    ["an enum value", "p2prc.client.v1.ROLE_OPERATOR", "p2prc/client/v1/role.proto"],
    ["a nested enum's value", "grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"],
    ["an extension", "p2prc.client.v1.role", "p2prc/client/v1/role.proto"],
    ["a type that is only imported", "buf.validate.FieldRules", "buf/validate/validate.proto"],
  ])("finds %s by its full name", async (_, value, file) => {
    expect((await askForFiles({ case: "fileContainingSymbol", value }))[0]?.name).toBe(file);
  });

  it("finds a file by its name", async () => {
    const [file] = await askForFiles({ case: "fileByFilename", value: "buf/validate/validate.proto" });

    expect(file?.name).toBe("buf/validate/validate.proto");
  });

  it("finds the file of an extension, and the numbers of all extensions of a type", async () => {
    const containingType = "google.protobuf.FieldOptions";
    const numbers = await ask({ case: "allExtensionNumbersOfType", value: containingType });
    expect(numbers.value).toMatchObject({ baseTypeName: containingType, extensionNumber: [1159, 1160] });

    const [file] = await askForFiles({
      case: "fileContainingExtension",
      value: { containingType, extensionNumber: 1159 },
    });
    expect(file?.name).toBe("buf/validate/validate.proto");
  });

  it("knows a type that nobody extends", async () => {
    const numbers = await ask({
      case: "allExtensionNumbersOfType",
      value: "p2prc.client.v1.ListNodesRequest",
    });

    expect(numbers.value).toMatchObject({ extensionNumber: [] });
  });

  it.each<[string, Question]>([
    ["symbol", { case: "fileContainingSymbol", value: "no.such.Symbol" }],
    ["file", { case: "fileByFilename", value: "no/such.proto" }],
    ["type", { case: "allExtensionNumbersOfType", value: "no.such.Type" }],
    [
      "extension",
      { case: "fileContainingExtension", value: { containingType: "no.such.Type", extensionNumber: 1 } },
    ],
  ])("says that it has no such %s, within the stream", async (_, question) => {
    expect(await ask(question)).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
  });

  it("says that an empty question is none", async () => {
    expect(await ask({ case: undefined })).toMatchObject({ value: { errorCode: Code.InvalidArgument } });
  });

  it("answers many questions on one stream, and ends in order when the gateway drains", async () => {
    const gateway = await bench.open();
    const client = createClient(service, bench.grpc(gateway.url));
    let goOn: () => void = () => undefined;
    async function* askInTurn() {
      for (const value of ["a", "b", "c"]) {
        const answered = new Promise<void>((resolve) => (goOn = resolve));
        yield { messageRequest: { case: "listServices", value } } as const;
        await answered;
      }
    }
    const answers = client.serverReflectionInfo(askInTurn())[Symbol.asyncIterator]();
    for (const value of ["a", "b", "c"]) {
      expect((await soon(answers.next(), "an answer")).value).toMatchObject({
        originalRequest: { messageRequest: { value } },
      });
      if (value !== "c") goOn();
    }
    void gateway.close(60_000);
    expect(await soon(answers.next(), "the end")).toMatchObject({ done: true });
  });
});

async function* iterate<T>(values: readonly T[]): AsyncIterable<T> {
  yield* values;
}
