/**
 * Disks that can be filled: a small one in memory where that may be mounted,
 * and the real one behind calls that refuse to add to it.
 *
 * @module
 */

/** A disk for the time of one test. */
export interface TestDisk extends AsyncDisposable {
  root: string;
  /** From now on no file grows. */
  fill(): void;
  /** There is room again. */
  empty(): void;
}

const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;

async function mount(...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(args[0], {
    args: args.slice(1),
    stderr: "null",
  }).output();
  return success;
}

/** Mounts and unmounts one to see whether it can be done here. */
async function canMount(): Promise<boolean> {
  if (!isRoot) return false;
  const dir = await Deno.makeTempDir();
  const mounted = await mount("mount", "-t", "tmpfs", "tmpfs", dir);
  if (mounted) await mount("umount", dir);
  await Deno.remove(dir);
  return mounted;
}

/** A file system in memory of 2 MiB; null where nobody may mount one. */
export const openSmallDisk: (() => Promise<SmallDisk>) | null = await canMount()
  ? openTmpfs
  : null;

/** One that can also be made read-only. */
export interface SmallDisk extends TestDisk {
  setReadOnly(readOnly: boolean): Promise<void>;
}

async function openTmpfs(): Promise<SmallDisk> {
  const root = await Deno.makeTempDir();
  await mount("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", root);
  const filler = `${root}/filler`;
  return {
    root,
    fill() {
      using file = Deno.openSync(filler, { write: true, create: true });
      const block = new Uint8Array(4096);
      try {
        for (;;) file.writeSync(block);
      } catch {
        return; // full, as it should be
      }
    },
    empty: () => Deno.removeSync(filler),
    async setReadOnly(readOnly) {
      const mode = readOnly ? "ro" : "rw";
      await mount("mount", "-o", `remount,${mode},size=2m`, root);
    },
    async [Symbol.asyncDispose]() {
      await mount("umount", root);
      await Deno.remove(root);
    },
  };
}

/** Calls that refuse, with the code of the system, to make a file longer. */
export async function openFaultyDisk(code = "ENOSPC"): Promise<TestDisk> {
  const root = await Deno.makeTempDir();
  const paths = new WeakMap<Deno.FsFile, string>();
  let isFull = false;
  const { open, mkdir } = Deno;
  const file = Deno.FsFile.prototype;
  const { write } = file;
  const refuse = (path: unknown) => {
    if (!isFull || !String(path).startsWith(root)) return;
    throw Object.assign(new Error(`no room at ${path}`), { code });
  };
  Deno.open = async (path, options) => {
    const opened = await open(path, options);
    paths.set(opened, String(path));
    return opened;
  };
  Deno.mkdir = async (path, options) => {
    refuse(path);
    await mkdir(path, options);
  };
  file.write = async function (bytes) {
    const { size } = await this.stat();
    const at = await this.seek(0, Deno.SeekMode.Current);
    if (at + bytes.length > size) refuse(paths.get(this));
    return await write.call(this, bytes);
  };
  return {
    root,
    fill: () => isFull = true,
    empty: () => isFull = false,
    async [Symbol.asyncDispose]() {
      Object.assign(Deno, { open, mkdir });
      file.write = write;
      await Deno.remove(root, { recursive: true });
    },
  };
}
