import { DEFAULT_LIMITS, type DecodeLimits, type SourceFile } from './types.ts';
import { readYamlFile } from './yaml/yaml-file.ts';

/** SovereignPolicy as written in a file. */
export interface PolicyText {
  readonly name: string;
  /** First line. */
  readonly line: number;
  /** Comments included. */
  readonly yaml: string;
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

/** Document as written in a file. */
export interface DocumentText extends PolicyText {
  /** Kind as written, which may be invalid. */
  readonly kind: unknown;
}

/**
 * Returns the documents of a file that have a name, within the limits of decoding.
 *
 * @returns undefined for a file that cannot be read as YAML
 */
export const documentTexts = (file: SourceFile, limits: DecodeLimits = DEFAULT_LIMITS): readonly DocumentText[] | undefined => {
  const { documents, problems } = readYamlFile(file, limits);
  if (problems.length > 0) return undefined;
  return documents.flatMap((document) => {
    const name = field(field(document.value, 'metadata'), 'name');
    if (typeof name !== 'string') return [];
    const { text, line } = document.written();
    return [{ kind: field(document.value, 'kind'), name, line, yaml: text }];
  });
};

/** Returns the policies among {@link documentTexts}. */
export const policyTexts = (file: SourceFile, limits?: DecodeLimits): readonly PolicyText[] | undefined =>
  documentTexts(file, limits)
    ?.filter(({ kind }) => kind === 'SovereignPolicy')
    .map(({ name, line, yaml }) => ({ name, line, yaml }));
