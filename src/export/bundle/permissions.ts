/**
 * What both forms of the executable are allowed to do: no more than they need.
 * docs/security.md says what for.
 *
 * @module
 */

/**
 * Files, hubs of datasets, environment, the program itself and `nvidia-smi`,
 * what the system says of itself, and the kernels that it assembles. Importing
 * code from a network and asking a person are not among it.
 */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-env",
  "--allow-run",
  "--allow-sys",
  "--allow-ffi",
  "--no-prompt",
];

/**
 * The flags for an executable.
 *
 * On Linux, whether a process lives, its own command line and the use of GPUs
 * are in /proc and /sys. Deno opens those only to programs that have every
 * permission (2.9.6, `Requires all access to "/proc/self/stat"`), so there it
 * gets the last one, too; a test tells when it can go.
 */
export function permissionFlags(target: string): string[] {
  return target.includes("linux")
    ? [...PERMISSIONS, "--allow-import"]
    : PERMISSIONS;
}
