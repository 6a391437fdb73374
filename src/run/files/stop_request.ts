/**
 * How a process is asked to stop the run that it trains: by an empty file
 * beside the run's state, named after the process.
 *
 * A file, and not a signal: signals kill on Windows, may not be sent to the
 * processes of other users, and do not pass from one container to another. A
 * file that names its reader reaches no other process by mistake, and as it is
 * empty, there is room for it on a full disk.
 *
 * @module
 */

import { join } from "node:path";
import { exists } from "../../base/exists.ts";
import { unlessGone } from "../../base/unless_gone.ts";

/** A person takes this for at once, and a disk does not notice it. */
const POLL_MS = 200;
const NAME = /^stop-\d+$/;

/** Asks process `pid` to finish its step, save and end. */
export async function requestStop(dir: string, pid: number): Promise<void> {
  try {
    // A run that cannot begin takes its directory away.
    const file = await unlessGone(
      // New: what is there already may be a link, and its end would be lost.
      Deno.open(requestPath(dir, pid), { write: true, createNew: true }),
    );
    file?.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Removes the requests in `dir`, whoever they were for. */
export async function clearStopRequests(dir: string): Promise<void> {
  await unlessGone((async () => {
    for await (const { name } of Deno.readDir(dir)) {
      if (NAME.test(name)) await unlessGone(Deno.remove(join(dir, name)));
    }
  })());
}

/** Calls `onRequest` once when this process is asked; until disposed. */
export function onStopRequest(
  dir: string,
  onRequest: () => void,
): Disposable {
  const path = requestPath(dir, Deno.pid);
  const timer = setInterval(async () => {
    const isThere = await exists(path);
    if (!isThere || disposed) return;
    dispose();
    onRequest();
  }, POLL_MS);
  let disposed = false;
  const dispose = () => {
    disposed = true;
    clearInterval(timer);
  };
  return { [Symbol.dispose]: dispose };
}

function requestPath(dir: string, pid: number): string {
  return join(dir, `stop-${pid}`);
}
