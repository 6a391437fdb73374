/**
 * Lets servers of tests be reached where a proxy is set, which knows nothing
 * of them; also by processes that a test starts. Import it before any request.
 *
 * @module
 */

for (const name of ["NO_PROXY", "no_proxy"]) {
  Deno.env.set(name, "127.0.0.1,127.0.0.2");
}
