/* What is used of WebAssembly's JavaScript interface, which TypeScript declares for browsers only. */
declare namespace WebAssembly {
  type Imports = Record<string, Record<string, unknown>>;
  type Exports = Record<string, unknown>;

  class Module {
    constructor(bytes: Uint8Array);
    private readonly compiled: unique symbol;
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }

  interface Memory {
    readonly buffer: ArrayBuffer;
    /** By pages of 64 KiB; returns how many there were. */
    grow(pages: number): number;
  }

  interface Table {
    set(index: number, value: unknown): void;
  }

  function compile(bytes: Uint8Array): Promise<Module>;
}
