/**
 * A file that grows line by line while others read it.
 *
 * @module
 */

/** Appends text; opened by the first call. */
export class AppendFile {
  readonly #path: string;
  #file: Deno.FsFile | null = null;
  /** A write failed half way: the file may end in the middle of a line. */
  #torn = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param text Whole lines, each ended by a newline.
   * @throws If the disk does not take them; a later call starts a new line.
   */
  async append(text: string): Promise<void> {
    this.#file ??= await Deno.open(this.#path, { append: true, create: true });
    const bytes = new TextEncoder().encode(this.#torn ? `\n${text}` : text);
    this.#torn = true;
    for (let at = 0; at < bytes.length;) {
      at += await this.#file.write(bytes.subarray(at));
    }
    this.#torn = false;
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }
}
