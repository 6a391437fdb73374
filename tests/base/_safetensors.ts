import {
  deferSafetensors,
  type NamedTensor,
} from "../../src/base/safetensors.ts";

/** Every tensor of a file, in the order of the file. */
export async function readSafetensors(path: string): Promise<NamedTensor[]> {
  const tensors: NamedTensor[] = [];
  for (const { name, shape, read } of await deferSafetensors(path)) {
    tensors.push({ name, shape, data: await read() });
  }
  return tensors;
}
