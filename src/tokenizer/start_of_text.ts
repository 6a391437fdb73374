/**
 * Whether a model wants a token in front of every text.
 *
 * Models of Llama's kind were trained with one, and write nonsense without it.
 * Two files have to agree: the template of `tokenizer.json` puts it there, and
 * `config.json` names it as another one than the token that ends a text. A
 * model that is trained here begins after the end of the text before.
 *
 * @module
 */

/** The ids that `config.json` has; several may end a text. */
export interface ConfigTokens {
  bos_token_id?: unknown;
  eos_token_id?: unknown;
}

/**
 * The id to put in front of a text, or null.
 *
 * @param postProcessor That of `tokenizer.json`.
 */
export function findStartOfText(
  postProcessor: unknown,
  { bos_token_id: bos, eos_token_id: eos }: ConfigTokens,
): number | null {
  if (typeof bos !== "number" || [eos].flat().includes(bos)) return null;
  return templateIds(postProcessor).includes(bos) ? bos : null;
}

/** Ids that a post-processor puts before the text. */
function templateIds(processor: unknown): number[] {
  const { type, processors, single, special_tokens } =
    (processor ?? {}) as Record<string, unknown>;
  if (type === "Sequence" && Array.isArray(processors)) {
    return processors.flatMap(templateIds);
  }
  if (type !== "TemplateProcessing" || !Array.isArray(single)) return [];
  const tokens = (special_tokens ?? {}) as Record<string, { ids?: unknown }>;
  const end = single.findIndex((part) => "Sequence" in Object(part));
  return single.slice(0, Math.max(0, end)).flatMap((part) => {
    const id = part?.SpecialToken?.id;
    const ids = typeof id === "string" && Object.hasOwn(tokens, id)
      ? tokens[id]?.ids
      : [];
    return Array.isArray(ids) ? ids : [];
  });
}
