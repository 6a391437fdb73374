/**
 * A disk as a power cut leaves it: every call that changes a directory is
 * noted, with what is certain to be there from then on and what is not.
 *
 * Of two extremes, `strict` keeps only what was synced: the bytes of a file
 * since its last sync, the names in a directory since the last sync of that.
 * `eager` has all names as they are, over bytes that were synced: what a file
 * system leaves that writes its journal before the data.
 *
 * @module
 */

import { dirname, join, relative } from "node:path";

/** What a cut leaves. */
export type Extreme = "strict" | "eager";

/** A file or a directory, as it is and as it is certain to be. */
interface Node {
  entries: Map<string, Node> | null;
  durableEntries: Map<string, Node>;
  bytes: Uint8Array;
  durableBytes: Uint8Array;
}

/** The whole content of a directory: paths and bytes; null: a directory. */
export type Image = Map<string, Uint8Array | null>;

function newNode(kind: "file" | "directory"): Node {
  return {
    entries: kind === "directory" ? new Map() : null,
    durableEntries: new Map(),
    bytes: new Uint8Array(),
    durableBytes: new Uint8Array(),
  };
}

/** Notes what happens below `root`, which is empty, until it is disposed. */
export class TracedDisk implements Disposable {
  readonly #root: string;
  readonly #tree = newNode("directory");
  readonly #handles = new WeakMap<Deno.FsFile, { node: Node; at: number }>();
  readonly #restore: () => void;
  readonly #onChange: () => void;

  /** @param onChange Called after each change of what a cut would leave. */
  constructor(root: string, onChange: () => void) {
    this.#root = root;
    this.#onChange = onChange;
    this.#restore = this.#wrap();
  }

  /** What is left if the power is cut now. */
  image(extreme: Extreme): Image {
    const image: Image = new Map();
    const walk = (directory: Node, path: string) => {
      const entries = extreme === "strict"
        ? directory.durableEntries
        : directory.entries!;
      for (const [name, node] of entries) {
        image.set(path + name, node.entries ? null : node.durableBytes);
        if (node.entries) walk(node, `${path}${name}/`);
      }
    };
    walk(this.#tree, "");
    return image;
  }

  [Symbol.dispose](): void {
    this.#restore();
  }

  /** Where a path lies; null outside of the root. */
  #place(path: string | URL): { parent: Node; name: string } | null {
    const below = relative(this.#root, String(path));
    if (below === "" || below.startsWith("..")) return null;
    const parts = below.split("/");
    const name = parts.pop()!;
    let parent: Node | undefined = this.#tree;
    for (const part of parts) parent = parent?.entries?.get(part);
    return parent?.entries ? { parent, name } : null;
  }

  #nodeAt(path: string | URL): Node | undefined {
    if (relative(this.#root, String(path)) === "") return this.#tree;
    const place = this.#place(path);
    return place?.parent.entries?.get(place.name);
  }

  #wrap(): () => void {
    const { open, mkdir, rename, remove } = Deno;
    const file = Deno.FsFile.prototype;
    const { write, sync, truncate } = file;

    Deno.open = async (path, options = {}) => {
      const opened = await open(path, options);
      const place = this.#place(path);
      let node = this.#nodeAt(path);
      if (!node && place && options.create) {
        node = newNode("file");
        place.parent.entries!.set(place.name, node);
        this.#onChange();
      }
      if (node && options.truncate) node.bytes = new Uint8Array();
      if (node) {
        const at = options.append ? node.bytes.length : 0;
        this.#handles.set(opened, { node, at });
      }
      return opened;
    };
    // Of those below, `this` is the file.
    // deno-lint-ignore no-this-alias
    const disk = this;
    file.write = async function (bytes) {
      const n = await write.call(this, bytes);
      const handle = disk.#handles.get(this);
      if (handle) {
        const { node, at } = handle;
        const longer = new Uint8Array(Math.max(node.bytes.length, at + n));
        longer.set(node.bytes);
        longer.set(bytes.subarray(0, n), at);
        node.bytes = longer;
        handle.at += n;
      }
      return n;
    };
    file.truncate = async function (length = 0) {
      await truncate.call(this, length);
      const node = disk.#handles.get(this)?.node;
      if (node) node.bytes = node.bytes.slice(0, length);
    };
    file.sync = async function () {
      const node = disk.#handles.get(this)?.node;
      const before = node && { bytes: node.bytes, entries: node.entries };
      const entries = before?.entries && new Map(before.entries);
      await sync.call(this);
      if (!node || !before) return;
      if (entries) node.durableEntries = entries;
      else node.durableBytes = before.bytes;
      disk.#onChange();
    };
    Deno.mkdir = async (path, options) => {
      await mkdir(path, options);
      const place = this.#place(path);
      if (!place) return;
      place.parent.entries!.set(place.name, newNode("directory"));
      this.#onChange();
    };
    Deno.rename = async (from, to) => {
      await rename(from, to);
      const [source, target] = [this.#place(from), this.#place(to)];
      const node = source?.parent.entries?.get(source.name);
      if (!source || !target || !node) return;
      source.parent.entries!.delete(source.name);
      target.parent.entries!.set(target.name, node);
      this.#onChange();
    };
    Deno.remove = async (path, options) => {
      await remove(path, options);
      const place = this.#place(path);
      place?.parent.entries?.delete(place.name);
      if (place) this.#onChange();
    };
    return () => {
      Object.assign(Deno, { open, mkdir, rename, remove });
      Object.assign(file, { write, sync, truncate });
    };
  }
}

/** Writes an image to `dir`. */
export function restoreImage(image: Image, dir: string): void {
  for (const [path, bytes] of image) {
    Deno.mkdirSync(dirname(join(dir, path)), { recursive: true });
    if (bytes === null) Deno.mkdirSync(join(dir, path), { recursive: true });
    else Deno.writeFileSync(join(dir, path), bytes);
  }
}
