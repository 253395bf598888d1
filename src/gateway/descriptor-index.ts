import { type DescExtension, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Looks up the files of services and of everything they import, third-party options included. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #filesBySymbol = new Map<string, DescFile>();
  readonly #extensionsByType = new Map<string, Map<number, DescExtension>>();
  readonly #encoded = new Map<DescFile, Uint8Array>();

  /** @param files what no service imports and clients look up all the same: the details of errors */
  constructor(services: Iterable<DescService>, files: Iterable<DescFile> = []) {
    for (const service of services) this.#addFile(service.file);
    for (const file of files) this.#addFile(file);
  }

  /** @param name with `.proto`, as an import statement spells it */
  fileByName(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** @param symbol full name of a type, service, method, field, oneof, enum value or extension */
  fileBySymbol(symbol: string): DescFile | undefined {
    return this.#filesBySymbol.get(symbol);
  }

  fileByExtension(typeName: string, extensionNumber: number): DescFile | undefined {
    return this.#extensionsByType.get(typeName)?.get(extensionNumber)?.file;
  }

  /** Absent for a type that is not in any file; empty for one that nobody extends. */
  extensionNumbers(typeName: string): readonly number[] | undefined {
    const extensions = this.#extensionsByType.get(typeName);
    return extensions && [...extensions.keys()].sort((a, b) => a - b);
  }

  /** A file and all its imports as FileDescriptorProto, each before what it imports. */
  encodeWithImports(file: DescFile): Uint8Array[] {
    return [...importsFirst(file)].reverse().map((each) => this.#encode(each));
  }

  #encode(file: DescFile): Uint8Array {
    const known = this.#encoded.get(file);
    if (known) return known;
    const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, bytes);
    return bytes;
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    // Imports first: an extended type is known before its extensions.
    for (const imported of file.dependencies) this.#addFile(imported);
    for (const symbol of symbolsOf(file)) this.#filesBySymbol.set(symbol, file);
    for (const desc of nestedTypes(file)) {
      if (desc.kind === "message") this.#extensionsOf(desc.typeName);
      if (desc.kind === "extension") this.#extensionsOf(desc.extendee.typeName).set(desc.number, desc);
    }
  }

  #extensionsOf(typeName: string): Map<number, DescExtension> {
    const known = this.#extensionsByType.get(typeName) ?? new Map<number, DescExtension>();
    this.#extensionsByType.set(typeName, known);
    return known;
  }
}

function importsFirst(file: DescFile, found = new Set<DescFile>()): ReadonlySet<DescFile> {
  for (const imported of file.dependencies) {
    if (!found.has(imported)) importsFirst(imported, found);
  }
  return found.add(file);
}

function* symbolsOf(file: DescFile): Iterable<string> {
  for (const desc of nestedTypes(file)) {
    yield desc.typeName;
    switch (desc.kind) {
      case "message":
        for (const member of [...desc.fields, ...desc.oneofs]) yield `${desc.typeName}.${member.name}`;
        break;
      case "service":
        for (const method of desc.methods) yield `${desc.typeName}.${method.name}`;
        break;
      case "enum": {
        // An enum value lives beside its enum, not within (C++ scoping rules of protobuf).
        const scope = desc.parent?.typeName ?? file.proto.package;
        for (const value of desc.values) yield scope === "" ? value.name : `${scope}.${value.name}`;
        break;
      }
      case "extension":
        break;
    }
  }
}
