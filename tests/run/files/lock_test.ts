import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import {
  acquireLock,
  isLocked,
  lockHolder,
} from "../../../src/run/files/lock.ts";
import {
  isAlive,
  isSurelyAlive,
  ownProcess,
  processStartedAt,
  startMark,
} from "../../../src/run/process/process_info.ts";
import { eventually } from "../_eventually.ts";
import { inTempDir } from "../_helpers.ts";

const LOCK = new URL("../../../src/run/files/lock.ts", import.meta.url).href;

/** Another process that holds the lock until it is killed. */
async function spawnHolder(path: string): Promise<Deno.ChildProcess> {
  const code = `
    import { acquireLock } from ${JSON.stringify(LOCK)};
    await acquireLock(${JSON.stringify(path)}, "owl-1");
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", code],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "locked\n");
  await reader.cancel();
  return child;
}

Deno.test("acquireLock() lets one process in until it is killed", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/lock`;
    const child = await spawnHolder(path);
    assert.equal(await isLocked(path), true);
    await assert.rejects(
      acquireLock(path, "owl-1"),
      (error) =>
        error instanceof UserError &&
        error.message ===
          `Cannot train "owl-1": process ${child.pid} is already training it`,
    );
    child.kill("SIGKILL");
    await child.status;
    assert.equal(await isLocked(path), false);
    await (await acquireLock(path, "owl-1")).release();
  }));

Deno.test("acquireLock() has put its name in when others find it locked", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/lock`;
    // Of one that was killed.
    await Deno.writeTextFile(path, '{"pid":4999999}');
    const { tryLockSync } = Deno.FsFile.prototype;
    let text = Promise.resolve("");
    Deno.FsFile.prototype.tryLockSync = function (exclusive) {
      const taken = tryLockSync.call(this, exclusive);
      text = text.then(() => Deno.readTextFileSync(path)); // as soon as can be
      return taken;
    };
    try {
      const lock = await acquireLock(path, "owl-1");
      assert.equal(JSON.parse(await text).pid, Deno.pid);
      await lock.release();
    } finally {
      Deno.FsFile.prototype.tryLockSync = tryLockSync;
    }
  }));

for (
  const [whose, name] of [
    ["nobody's", ""],
    // A process that was killed leaves its own.
    ["of one that is gone", JSON.stringify({ pid: 2 ** 30 })],
  ]
) {
  Deno.test(`acquireLock() waits for who looks at a lock with the name ${whose}`, () =>
    inTempDir(async (dir) => {
      const path = `${dir}/lock`;
      await Deno.writeTextFile(path, name);
      const reader = await Deno.open(path);
      assert.ok(await reader.tryLock(false));
      const file = Deno.FsFile.prototype, { tryLockSync } = file;
      let attempts = 0;
      file.tryLockSync = function (exclusive) {
        // As one does that the machine has no time for.
        if (++attempts === 8) reader.close();
        return tryLockSync.call(this, exclusive);
      };
      try {
        await (await acquireLock(path, "owl-1")).release();
      } finally {
        file.tryLockSync = tryLockSync;
      }
      assert.equal(attempts, 8);
    }));
}

Deno.test("release() lets the next one in, also when called twice", () =>
  inTempDir(async (dir) => {
    const first = await acquireLock(`${dir}/lock`, "owl-1");
    await assert.rejects(acquireLock(`${dir}/lock`, "owl-1"), UserError);
    await first.release();
    const second = await acquireLock(`${dir}/lock`, "owl-1");
    await first.release();
    assert.equal(await isLocked(`${dir}/lock`), true);
    await second.release();
    assert.equal(await isLocked(`${dir}/lock`), false);
  }));

Deno.test("acquireLock() goes by the pid where the disk knows no locks", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/lock`;
    const { tryLock, tryLockSync, writeSync } = Deno.FsFile.prototype;
    const none = () => {
      throw new Error("ENOLCK");
    };
    Deno.FsFile.prototype.tryLock = () => Promise.reject(new Error("ENOLCK"));
    Deno.FsFile.prototype.tryLockSync = none;
    try {
      const lock = await acquireLock(path, "owl-1");
      assert.equal(await isLocked(path), null);
      await assert.rejects(acquireLock(path, "owl-1"), {
        message: `Cannot train "owl-1": process ${Deno.pid} is already ` +
          "training it",
      });
      await lock.release();
      const ended = { pid: Deno.pid, processStartedAt: "2001-01-01T00:00:00Z" };
      await Deno.writeTextFile(path, JSON.stringify(ended));
      await (await acquireLock(path, "owl-1")).release();
      // Without its name in the file, nothing would keep others out.
      const full = new Error("no space left");
      Deno.FsFile.prototype.writeSync = () => {
        throw full;
      };
      await assert.rejects(acquireLock(path, "owl-1"), full);
    } finally {
      Object.assign(Deno.FsFile.prototype, { tryLock, tryLockSync, writeSync });
    }
  }));

Deno.test("isLocked() is null where there is no lock", () =>
  inTempDir(async (dir) => {
    assert.equal(await isLocked(`${dir}/lock`), null);
  }));

Deno.test("processStartedAt() is when the process was spawned", async () => {
  const before = Date.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "await Deno.stdin.read(new Uint8Array(1))"],
    stdin: "piped",
  }).spawn();
  const startedMs = Date.parse((await processStartedAt(child.pid))!);
  // The machine's own start, from which Linux counts, is in whole seconds.
  assert.ok(startedMs >= before - 1100 && startedMs <= Date.now() + 1100);
  await child.stdin.close();
  await child.status;
});

Deno.test("isAlive() tells a process from a later one with its pid", async () => {
  const own = await ownProcess();
  assert.equal(await isAlive(own), true);
  const before = new Date(Date.parse(own.processStartedAt!) - 60_000);
  assert.equal(
    await isAlive({ pid: own.pid, processStartedAt: before.toISOString() }),
    false,
  );
  const unknown = { pid: own.pid, processStartedAt: null };
  assert.equal(await isAlive(unknown), true);
});

Deno.test("isAlive() is false for a process that has ended", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["--version"],
    stdout: "null",
  }).spawn();
  const processStarted = await processStartedAt(child.pid);
  await child.status;
  const ended = { pid: child.pid, processStartedAt: processStarted };
  assert.equal(await isAlive(ended), false);
});

Deno.test({
  name: "isAlive() is false for a process that nobody has waited for",
  ignore: Deno.build.os !== "linux", // elsewhere ps is asked
  async fn() {
    // The shell's child ends, and what has taken the shell's place never asks.
    const parent = new Deno.Command("sh", {
      args: ["-c", "exec 3<&0; cat <&3 & echo $!; exec sleep 60"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.getReader();
    const { value } = await reader.read();
    const pid = Number(new TextDecoder().decode(value));
    const has = (pid: number, line: string) => async () =>
      (await Deno.readTextFile(`/proc/${pid}/status`)).includes(line);
    await eventually(has(parent.pid, "Name:\tsleep"));
    await parent.stdin.close();
    await eventually(has(pid, "State:\tZ"));
    assert.equal(await isAlive({ pid, processStartedAt: null }), false);
    parent.kill("SIGKILL");
    await reader.cancel();
    await parent.status;
  },
});

Deno.test({
  name: "isAlive() goes by the start mark where the clock was set",
  ignore: Deno.build.os !== "linux", // the only one that has marks
  async fn() {
    const { pid } = await ownProcess();
    const mark = await startMark(pid);
    const earlier = { pid, processStartedAt: "2001-01-01T00:00:00.000Z" };
    assert.equal(await isAlive({ ...earlier, startMark: mark }), true);
    const own = { ...await ownProcess(), startMark: `${mark}1` };
    assert.equal(await isAlive(own), false);
  },
});

Deno.test("isSurelyAlive() is false where the start is not known", async () => {
  const own = await ownProcess();
  assert.equal(await isSurelyAlive(own), true);
  const unknown = { pid: own.pid, processStartedAt: null };
  assert.equal(await isSurelyAlive(unknown), false);
});

Deno.test("lockHolder() names who holds the lock, until it is free", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/lock`;
    const lock = await acquireLock(path, "owl-1");
    const holder = await lockHolder(path);
    if (Deno.build.os !== "windows") assert.equal(holder?.pid, Deno.pid);
    await lock.release();
    assert.equal(await lockHolder(path), null);
  }));

Deno.test("lockHolder() takes no number for a process that could be several", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/lock`;
    const holderOf = async (pid: unknown) => {
      await Deno.writeTextFile(path, JSON.stringify({ pid }));
      return await lockHolder(path);
    };
    // Signals to 0 and below go to whole groups of processes.
    for (const pid of [0, -1, 1.5, "7", null]) {
      assert.equal(await holderOf(pid), null);
    }
    assert.deepEqual(await holderOf(7), { pid: 7 });
  }));
