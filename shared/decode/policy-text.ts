import type { SourceFile } from './types.ts';
import { DEFAULT_LIMITS, type DecodeLimits } from './types.ts';
import { readYamlFile } from './yaml/yaml-file.ts';

/** A SovereignPolicy as it is written in a file. */
export interface PolicyText {
  readonly name: string;
  /** First line. */
  readonly line: number;
  /** Comments included. */
  readonly yaml: string;
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

/** Name of a document that means to be a policy, whether or not it is a good one. */
const policyName = (value: unknown): string | undefined => {
  const name = field(field(value, 'metadata'), 'name');
  return field(value, 'kind') === 'SovereignPolicy' && typeof name === 'string' ? name : undefined;
};

/**
 * The policies of one file, within the limits of decoding.
 *
 * @returns undefined for a file that cannot be read as YAML
 */
export const policyTexts = (file: SourceFile, limits: DecodeLimits = DEFAULT_LIMITS): readonly PolicyText[] | undefined => {
  const { documents, problems } = readYamlFile(file, limits);
  if (problems.length > 0) return undefined;
  return documents.flatMap((document) => {
    const name = policyName(document.value);
    if (name === undefined) return [];
    const { text, line } = document.written();
    return [{ name, line, yaml: text }];
  });
};
