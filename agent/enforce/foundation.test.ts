import { SCHEMA_VERSION_ANNOTATION } from '@fso/shared/api';
import type { CustomResourceDefinition } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { findNewerDefinitions, planDefinitions, type SettledDefinitions } from './foundation.ts';

const NAME = 'floorparameters.compliance.federated.io';
const OURS = 2;

interface Live {
  readonly uid?: string;
  readonly generation?: number;
  readonly schemas?: number | undefined;
}

const definition = ({ uid = 'first', generation = 1, schemas = OURS }: Live = {}): CustomResourceDefinition =>
  ({
    metadata: { name: NAME, uid, generation, annotations: { [SCHEMA_VERSION_ANNOTATION]: String(schemas) } },
    spec: {},
  }) as unknown as CustomResourceDefinition;

const desired = [definition()];
const settledAs = (live: Live): SettledDefinitions => new Map([[NAME, definition(live).metadata]]);
const reasonsFor = (live: Live | undefined, settled: SettledDefinitions): readonly string[] =>
  planDefinitions({ desired, observed: () => live && definition(live), settled }).map(({ reason }) => reason);

describe('planDefinitions', () => {
  it('installs a CRD that is not there, and writes one that was not settled yet', () => {
    expect(reasonsFor(undefined, new Map())).toEqual(['Install']);
    expect(reasonsFor({}, new Map())).toEqual(['Drift']);
    expect(reasonsFor({}, settledAs({}))).toEqual([]);
  });

  it.each<[string, Live]>([
    ['another schema', { generation: 2 }],
    ['another schema with a higher number', { generation: 2, schemas: OURS + 1 }],
    ['a higher number alone', { schemas: OURS + 1 }],
    ['a lower number alone', { schemas: OURS - 1 }],
    ['another CRD of its name', { uid: 'second' }],
  ])('takes %s for drift once the CRD was settled', (_, live) => {
    expect(reasonsFor(live, settledAs({}))).toEqual(['Drift']);
  });

  it('keeps the schema of a newer version that it took over, and takes its later changes for drift', () => {
    const newer = { generation: 5, schemas: OURS + 1 };
    expect(reasonsFor(newer, settledAs(newer))).toEqual([]);
    expect(reasonsFor({ ...newer, generation: 6 }, settledAs(newer))).toEqual(['Drift']);
    expect(reasonsFor({ ...newer, schemas: OURS + 2 }, settledAs(newer))).toEqual(['Drift']);
  });
});

describe('findNewerDefinitions', () => {
  it('finds the CRDs with a higher number than that of this version', () => {
    const newerThan = (live: Live | undefined) => findNewerDefinitions({ desired, observed: () => live && definition(live) });
    expect(newerThan(undefined)).toBeUndefined();
    expect(newerThan({ schemas: OURS })).toBeUndefined();
    expect(newerThan({ schemas: OURS + 1 })).toEqual({
      definitions: [definition({ schemas: OURS + 1 })],
      message: expect.stringContaining(`${NAME} (3, not 2)`),
    });
  });
});
