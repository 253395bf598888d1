import type { DescField } from "@bufbuild/protobuf";
import { describe, expect, it } from "@jest/globals";
import * as p2prc from "../../src/index.js";

/** Names of the messages and enums that a field's values are of. */
const typesOf = (field: DescField): readonly string[] =>
  [field.message, field.enum].flatMap((type) =>
    type?.file.proto.package === "p2prc.client.v1" ? [type.typeName] : [],
  );

const exportOf = (typeName: string): string =>
  `${typeName.slice("p2prc.client.v1.".length).replaceAll(".", "_")}Schema`;

describe("the package", () => {
  it.each(p2prc.ClientService.methods.map((method) => [method.name, method] as const))(
    "exports what is asked and answered by %s",
    (_, { input, output }) => {
      const wanted = [input, output].flatMap((message) => [
        message.typeName,
        ...message.fields.flatMap(typesOf),
      ]);
      expect(Object.keys(p2prc)).toEqual(expect.arrayContaining(wanted.map(exportOf)));
    },
  );
});
