/**
 * Where WebGPU's errors go: to the innermost scope that asked for their kind,
 * else to the listeners of the device.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import { VulkanError } from "./api/result.ts";

/** A mistake of ours, or something the device has not got. */
export class DeviceError extends Error {
  readonly kind: GPUErrorFilter;

  constructor(kind: GPUErrorFilter, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What listeners get; its `error` has WebGPU's `message` alone. */
export class UncapturedErrorEvent extends Event {
  readonly error: { readonly message: string };

  constructor(message: string) {
    super("uncapturederror", { cancelable: true });
    this.error = { message };
  }
}

/** The scopes of a device. */
export class ErrorScopes {
  readonly #scopes: { kind: GPUErrorFilter; first: string | null }[] = [];
  readonly #uncaptured: (message: string) => void;

  constructor(uncaptured: (message: string) => void) {
    this.#uncaptured = uncaptured;
  }

  push(kind: GPUErrorFilter): void {
    this.#scopes.push({ kind, first: null });
  }

  /** What went wrong within the innermost scope, or null. */
  pop(): string | null {
    const scope = this.#scopes.pop();
    if (!scope) throw new TypeError("Cannot pop an error scope: there is none");
    return scope.first;
  }

  report(error: unknown): void {
    const kind = kindOf(error), message = errorMessage(error);
    const scope = this.#scopes.findLast((one) => one.kind === kind);
    if (scope) scope.first ??= message;
    else this.#uncaptured(message);
  }
}

function kindOf(error: unknown): GPUErrorFilter {
  if (error instanceof DeviceError) return error.kind;
  const isFull = error instanceof VulkanError && error.isOutOfMemory;
  return isFull ? "out-of-memory" : "validation";
}
