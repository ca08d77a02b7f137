/** What we use of WebAssembly (https://webassembly.github.io/spec/js-api/), which Node.js has and its types lack. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    readonly exports: object;
    constructor(module: Module);
  }
}
