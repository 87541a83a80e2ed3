import {
  DEFAULT_LIMITS,
  type PolicySet,
  readYamlFile,
  regionsOf,
  type Sourced,
  type SourceFile,
  type SourceProblem,
} from '@fso/shared/decode';
import { parseReference, type Reading, readingText } from '@fso/shared/regions';

/** Warning about a part of a valid commit that may not be intended. */
export interface ValidationWarning extends SourceProblem {
  readonly type: 'RegionAmbiguous' | 'WaveEmpty';
}

/** List of references or names in a document. */
interface NameList {
  readonly sourced: Sourced<unknown>;
  readonly field: string;
  readonly names: readonly string[];
  /** Returns the line to write instead, for a reading. */
  readonly remedy: (reading: Reading) => string;
}

const byProvider = ({ provider, name }: Reading): string => `${provider}/${name}`;
const declaration = ({ provider }: Reading): string => `provider: ${provider} below spec`;

/**
 * Warns of region names that mean different countries at different providers, where they are used
 * for a cluster that declares no provider, or in a region group.
 *
 * @param isPlaced whether a policy applies to a cluster without a provider
 */
export const regionWarnings = (
  set: PolicySet,
  files: readonly SourceFile[],
  isPlaced: (policy: string) => boolean,
): readonly ValidationWarning[] => {
  const { catalog } = regionsOf(set);
  if (catalog === undefined) return [];
  const texts = new Map(files.map((file) => [file.path, file]));
  return listsOf(set, isPlaced).flatMap(({ sourced: { source }, field, names, remedy }) =>
    names.flatMap((name, index): ValidationWarning[] => {
      const readings = parseReference(name).type === 'name' ? (catalog.names.get(name) ?? []) : [];
      if (new Set(readings.map(({ country }) => country)).size < 2) return [];
      const file = texts.get(source.path);
      const document = file && readYamlFile(file, DEFAULT_LIMITS).documents.find((each) => each.locate([]).line === source.line);
      const what = readings.map(readingText).join(' and ');
      const reason = `${name} is ${what}; where a cluster has both it is inside nowhere: write ${readings.map(remedy).join(' or ')}`;
      return [{ ...(document?.locate(['spec', field, index]) ?? source), type: 'RegionAmbiguous', reason }];
    }),
  );
};

const listsOf = ({ policies, regionGroups, clusters }: PolicySet, isPlaced: (policy: string) => boolean): readonly NameList[] => [
  ...policies
    .filter(({ document }) => isPlaced(document.metadata.name))
    .map((sourced) => ({ sourced, field: 'allowedRegions', names: sourced.document.spec.allowedRegions, remedy: byProvider })),
  ...regionGroups.map((sourced) => ({ sourced, field: 'regions', names: sourced.document.spec.regions, remedy: byProvider })),
  ...clusters
    .filter(({ document }) => document.spec.provider === undefined)
    .map((sourced) => ({ sourced, field: 'regions', names: sourced.document.spec.regions, remedy: declaration })),
];
