import { FIELD_MANAGERS, type ObjectMeta } from '@fso/shared/api';
import { CRD_KIND, type CustomResourceDefinition } from '@fso/shared/kube';
import type { Action } from './types.ts';

type Version = Pick<ObjectMeta, 'uid' | 'generation'>;

/** What the API server answered to the last write of each CRD, by its name. */
export type AppliedDefinitions = ReadonlyMap<string, Version>;

interface DefinitionsInput {
  readonly desired: readonly CustomResourceDefinition[];
  observed(name: string): CustomResourceDefinition | undefined;
  readonly applied: AppliedDefinitions;
}

/**
 * Writes the CRDs of this system whose spec is not the one that the last write left. What a schema no longer has, the API server
 * drops from every object of the kind, on reads too, and says nothing.
 *
 * The API server counts the changes of a spec (`metadata.generation`), so that nobody has to know what it makes of a schema. A CRD
 * that is being deleted takes a write and goes all the same: it is made again once it is gone.
 */
export const planDefinitions = ({ desired, observed, applied }: DefinitionsInput): Action[] =>
  desired.flatMap((body) => {
    const { name } = body.metadata;
    const live = observed(name);
    if (live !== undefined && (live.metadata.deletionTimestamp !== undefined || isSameVersion(live.metadata, applied.get(name)))) return [];
    return {
      type: 'apply',
      key: `${CRD_KIND.kind}/${name}`,
      kind: CRD_KIND,
      body,
      fieldManager: FIELD_MANAGERS.install,
      reason: live === undefined ? 'Install' : 'Drift',
      policies: [],
    };
  });

const isSameVersion = (live: Version, written: Version | undefined): boolean =>
  written !== undefined && live.uid === written.uid && live.generation === written.generation;
