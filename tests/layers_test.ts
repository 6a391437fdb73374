import assert from "node:assert/strict";

/** Which layer of src/ may import which; a layer may always import itself. */
const MAY_IMPORT: Record<string, string[]> = {
  base: [],
  config: ["base"],
  tokenizer: ["base"],
  data: ["tokenizer", "config", "base"],
  graph: ["base"],
  backend: ["graph", "base"],
  model: ["graph", "base"],
  train: [
    "model",
    "data",
    "tokenizer",
    "backend",
    "graph",
    "config",
    "base",
  ],
  run: ["train", "config", "base"],
  generate: ["model", "backend", "graph", "tokenizer", "base"],
  export: ["run", "train", "model", "tokenizer", "config", "base"],
  tui: ["run", "generate", "train", "data", "backend", "config", "base"],
  cli: [
    "tui",
    "export",
    "run",
    "generate",
    "train",
    "model",
    "data",
    "tokenizer",
    "backend",
    "graph",
    "config",
    "base",
  ],
};

/** The folders within a folder, from the ground up. */
const FOLDERS: Record<string, string[]> = {
  run: [
    "process",
    "telemetry",
    "files",
    "checkpoints",
    "watch",
    "background",
  ],
  "backend/webgpu": [
    "device",
    "shader",
    "gemm",
    "gemm_matrix",
    "gemv",
    "attention",
    "attention_matrix",
    "sampling",
    "choice",
    "kernels",
    "lowering",
    "self_test",
    "tuning",
    "loading",
  ],
};

/** Those whose folders may also import the files beside them. */
const WITH_FILES = ["backend/webgpu"];

/** Names that only one layer may use, by the layer that owns them. */
const ONLY_IN: { name: RegExp; layers: string[] }[] = [
  { name: /\bDeno\.(args|exit)\b/, layers: ["cli"] },
  { name: /\bconsole\./, layers: ["cli"] },
  { name: /\bWebAssembly\.(Memory|Module|Instance)\b/, layers: ["backend"] },
  { name: /\bDeno\.dlopen\b|\bnavigator\.gpu\b/, layers: ["backend"] },
  { name: /\bDeno\.addSignalListener\b/, layers: ["run"] },
  { name: /\bfetch\(/, layers: ["data"] },
  { name: /\bMath\.random\b/, layers: [] },
];

const root = new URL("../src/", import.meta.url);

Deno.test("src/ imports only point down the layers", async () => {
  const wrong: string[] = [];
  for await (const { path, layer, imports } of sources(root)) {
    for (const target of imports) {
      const [to] = target.split("/");
      if (layer !== to && !MAY_IMPORT[layer]?.includes(to)) {
        wrong.push(`${path} imports ${target}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

for (const [parent, folders] of Object.entries(FOLDERS)) {
  Deno.test(`folders of src/${parent}/ import only what stands below them`, async () => {
    const wrong: string[] = [];
    const within = (path: string) =>
      path.startsWith(`${parent}/`)
        ? path.slice(parent.length + 1).split("/")
        : null;
    for await (
      const { path, imports } of sources(new URL(`${parent}/`, root))
    ) {
      const [folder, name] = within(path)!;
      if (name === undefined) continue; // imports all of them
      assert.ok(folders.includes(folder), `"${folder}" is not in the list`);
      const below = folders.slice(0, folders.indexOf(folder) + 1);
      for (const target of imports) {
        const to = within(target);
        if (!to || to.length === 1 && WITH_FILES.includes(parent)) continue;
        if (!below.includes(to[0])) wrong.push(`${path} imports ${target}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
}

// Types count, and what is imported only when it is needed: two files that
// need each other cannot be understood, moved or tested apart.
Deno.test("no file of src/ imports itself in a circle", async () => {
  const importsOf = new Map<string, readonly string[]>();
  for await (const { path, imports } of sources(root)) {
    importsOf.set(path, imports);
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const follow = (path: string, way: readonly string[]) => {
    if (way.includes(path)) {
      circles.push([...way.slice(way.indexOf(path)), path].join(" -> "));
    }
    if (done.has(path)) return;
    done.add(path);
    for (const next of importsOf.get(path) ?? []) follow(next, [...way, path]);
  };
  for (const path of importsOf.keys()) follow(path, []);
  assert.deepEqual(circles, []);
});

Deno.test("src/ uses terminal, processes, devices and network in one layer", async () => {
  const wrong: string[] = [];
  for await (const { path, layer, code } of sources(root)) {
    const text = withoutComments(code);
    for (const { name, layers } of ONLY_IN) {
      const found = text.match(name);
      if (found && !layers.includes(layer)) wrong.push(`${path}: ${found[0]}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("src/ makes memory executable in one file, and starts no shell", async () => {
  const executable = new Set<string>();
  const shells: string[] = [];
  for await (const { path, code } of sources(root)) {
    const text = withoutComments(code);
    if (/\bmprotect\b|Virtual(Alloc|Protect)|PROT_EXEC/.test(text)) {
      executable.add(path);
    }
    const shell = /shell: *true|"(sh|cmd)(\.exe)?"|\/bin\/\w*sh\b|"-c"/;
    if (shell.test(text)) shells.push(path);
  }
  assert.deepEqual([...executable], [
    "backend/cpu/native/executable_memory.ts",
  ]);
  assert.deepEqual(shells, []);
});

Deno.test("no file has more than 500 lines", async () => {
  const long: string[] = [];
  for (const folder of ["src", "tests", "bench", "scripts", "examples"]) {
    const url = new URL(`../${folder}/`, import.meta.url);
    for await (const { path, code } of sources(url, new URL("../", url))) {
      const lines = code.split("\n").length - 1;
      if (lines > 500) long.push(`${path}: ${lines}`);
    }
  }
  assert.deepEqual(long, []);
});

// What fails by a rare draw stops a change that has nothing to do with it.
Deno.test("tests draw at random by one seed", async () => {
  const tests = new URL("../tests/", import.meta.url);
  const wrong: string[] = [];
  for await (const { path, code } of sources(tests, tests)) {
    if (path === "_property.ts") continue;
    const found = withoutComments(code).match(
      /\bMath\.random\b|\bnumRuns: (?!draws\()|(?<=from ")fast-check(?=")/,
    );
    if (found) wrong.push(`${path}: ${found[0]}`);
  }
  assert.deepEqual(wrong, []);
});

// A name that leads nowhere is what a move leaves behind.
Deno.test("comments name only files that exist", async () => {
  const all: Source[] = [];
  for (const folder of ["src", "tests", "bench", "scripts", "examples"]) {
    const url = new URL(`../${folder}/`, import.meta.url);
    all.push(...await Array.fromAsync(sources(url, new URL("../", url))));
  }
  const ends = new Set(all.flatMap(({ path }) => tails(path)));
  const kernels = new URL("backend/cpu/kernels/", root); // not among sources()
  for await (const { name } of Deno.readDir(kernels)) {
    for (const end of tails(`src/backend/cpu/kernels/${name}`)) ends.add(end);
  }
  const dead: string[] = [];
  for (const { path, code } of all) {
    for (
      const [comment] of code.matchAll(/\/\*\*[\s\S]*?\*\/|^\s*\/\/ .*$/gm)
    ) {
      for (
        const [name] of comment.matchAll(/(?<![\w./"-])[./\w]*\w\.tsx?\b/g)
      ) {
        const [, up, end] = /^((?:\.{1,2}\/)*)(.*)$/.exec(name)!;
        const target = up === "" ? end : whole(name, path);
        if (!ends.has(target)) dead.push(`${path}: ${name}`);
      }
    }
  }
  assert.deepEqual(dead, []);
});

/** A path, and all that is left of it without its first folders. */
function tails(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, i) => parts.slice(i).join("/"));
}

/** From the repository's root, what is named in the file at `path`. */
function whole(name: string, path: string): string {
  return new URL(name, `file:///${path}`).pathname.slice(1);
}

/** Comments may speak of anything; strings stay. */
function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, "$1");
}

/** A file; its path begins below `base`, which is `src/` unless said. */
interface Source {
  path: string;
  layer: string;
  code: string;
  /** The files of `src/` that it imports, in whatever way. */
  imports: string[];
}

async function* sources(
  directory: URL,
  base = root,
): AsyncGenerator<Source> {
  for await (const entry of Deno.readDir(directory)) {
    if (entry.isDirectory) {
      // Compiled to WebAssembly, in AssemblyScript's own dialect.
      if (entry.name === "kernels" && directory.href.endsWith("/cpu/")) {
        continue;
      }
      yield* sources(new URL(`${entry.name}/`, directory), base);
    } else if (/\.tsx?$/.test(entry.name)) {
      const url = new URL(entry.name, directory);
      const path = url.href.slice(base.href.length);
      const code = await Deno.readTextFile(url);
      const layer = path.split("/")[0];
      yield { path, layer, code, imports: importsIn(code, url) };
    }
  }
}

/** Also those for their effects, and those of a moment. */
function importsIn(code: string, file: URL): string[] {
  const specifiers = withoutComments(code)
    .matchAll(/(?:from|import\(?)\s*"(\.[^"]+)"/g);
  return [...specifiers]
    .map(([, specifier]) => new URL(specifier, file).href)
    .filter((href) => href.startsWith(root.href)) // not deno.json, configs/
    .map((href) => href.slice(root.href.length));
}
