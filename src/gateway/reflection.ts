import type { DescFile, DescService } from "@bufbuild/protobuf";
import { Code, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.js";
import { ServerReflection as ReflectionV1 } from "../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { DescriptorIndex } from "./descriptor-index.js";

export const reflectionServices: readonly DescService[] = [ReflectionV1, ReflectionV1Alpha];

/** What a client asks. v1 and v1alpha differ in their package only, so one answer fits both. */
type Question =
  | {
      case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices";
      value: string;
    }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined; value?: undefined };

type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Registers grpc.reflection v1 and v1alpha for the given services. */
export function registerReflection(router: ConnectRouter, services: readonly DescService[]): void {
  // A client that shows an error decodes its details by their names.
  const index = new DescriptorIndex(services, [file_google_rpc_error_details]);
  const names = services.map((service) => service.typeName).sort();

  async function* answerAll<T extends { host: string; messageRequest: Question }>(
    requests: AsyncIterable<T>,
    { signal }: HandlerContext,
  ) {
    for await (const request of untilAborted(requests, signal)) {
      const messageResponse = answer(request.messageRequest, index, names);
      yield { validHost: request.host, originalRequest: request, messageResponse };
    }
  }
  router.service(ReflectionV1, { serverReflectionInfo: answerAll });
  router.service(ReflectionV1Alpha, { serverReflectionInfo: answerAll });
}

function answer(question: Question, index: DescriptorIndex, serviceNames: readonly string[]): Answer {
  const files = (file: DescFile | undefined): Answer =>
    file
      ? { case: "fileDescriptorResponse", value: { fileDescriptorProto: index.encodeWithImports(file) } }
      : refusal(Code.NotFound, "not found");

  switch (question.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: serviceNames.map((name) => ({ name })) } };
    case "fileByFilename":
      return files(index.fileByName(question.value));
    case "fileContainingSymbol":
      return files(index.fileBySymbol(question.value));
    case "fileContainingExtension":
      return files(index.fileByExtension(question.value.containingType, question.value.extensionNumber));
    case "allExtensionNumbersOfType": {
      const numbers = index.extensionNumbers(question.value);
      if (!numbers) return refusal(Code.NotFound, "type not found");
      const value = { baseTypeName: question.value, extensionNumber: [...numbers] };
      return { case: "allExtensionNumbersResponse", value };
    }
    case undefined:
      return refusal(Code.InvalidArgument, "the request asks for nothing");
  }
}

function refusal(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/**
 * Ends in order when the gateway drains or the client leaves.
 * Clients keep a reflection stream open between two questions; waiting for the next one would hold up the shutdown.
 */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  const iterator = source[Symbol.asyncIterator]();
  let end: () => void = () => undefined;
  const aborted = () => {
    end();
  };
  signal.addEventListener("abort", aborted);
  try {
    while (!signal.aborted) {
      const step = await new Promise<IteratorResult<T, unknown>>((resolve, reject) => {
        end = () => resolve({ done: true, value: undefined });
        iterator.next().then(resolve, reject);
      });
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    signal.removeEventListener("abort", aborted);
  }
}
