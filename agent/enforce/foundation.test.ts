import { SCHEMA_VERSION_ANNOTATION } from '@fso/shared/api';
import { type CustomResourceDefinition, FLOOR_PARAMETERS_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { planDefinitions, SettledDefinitions } from './foundation.ts';

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
const settledAs = (live: Live): SettledDefinitions => {
  const settled = new SettledDefinitions();
  settled.recordWrite(definition(live));
  return settled;
};
const reasonsFor = (live: Live | undefined, settled: SettledDefinitions): readonly string[] =>
  planDefinitions({ desired, observed: () => live && definition(live), settled }).map(({ reason }) => reason);

describe('planDefinitions', () => {
  it('installs a CRD that is not there, and writes one that was not settled yet', () => {
    expect(reasonsFor(undefined, new SettledDefinitions())).toEqual(['Install']);
    expect(reasonsFor({}, new SettledDefinitions())).toEqual(['Drift']);
    expect(reasonsFor({}, settledAs({}))).toEqual([]);
  });

  it.each<[string, Live]>([
    ['another schema', { generation: 2 }],
    ['another schema with a higher number', { generation: 2, schemas: OURS + 1 }],
    ['a higher number alone', { schemas: OURS + 1 }],
    ['a lower number alone', { schemas: OURS - 1 }],
    ['another CRD of its name', { uid: 'second' }],
  ])('treats %s as drift once the CRD was settled', (_, live) => {
    expect(reasonsFor(live, settledAs({}))).toEqual(['Drift']);
  });
});

describe('SettledDefinitions', () => {
  const newer = { generation: 5, schemas: OURS + 1 };
  const takeOver = (settled: SettledDefinitions, live: Live | undefined) =>
    settled.takeOver({ desired, observed: () => live && definition(live) });
  const tookOver = (live: Live): SettledDefinitions => {
    const settled = new SettledDefinitions();
    takeOver(settled, live);
    return settled;
  };

  it('reports the CRDs with a higher number than that of this version', () => {
    expect(takeOver(new SettledDefinitions(), undefined)).toBeUndefined();
    expect(takeOver(new SettledDefinitions(), { schemas: OURS })).toBeUndefined();
    expect(takeOver(new SettledDefinitions(), newer)).toContain(`${NAME} (3, not 2)`);
  });

  it('keeps the schema of a newer version that it took over, and treats its later changes as drift', () => {
    expect(reasonsFor(newer, tookOver(newer))).toEqual([]);
    expect(reasonsFor({ ...newer, generation: 6 }, tookOver(newer))).toEqual(['Drift']);
    expect(reasonsFor({ ...newer, schemas: OURS + 2 }, tookOver(newer))).toEqual(['Drift']);
  });

  it('takes over once', () => {
    const settled = tookOver({});
    expect(takeOver(settled, newer)).toBeUndefined();
    expect(reasonsFor(newer, settled)).toEqual(['Drift']);
  });

  it('has a CRD written again whose kind lost fields of a write, and no other', () => {
    const settled = settledAs({});
    settled.forgetWrite(SOVEREIGN_POLICY_KIND);
    expect(reasonsFor({}, settled)).toEqual([]);
    settled.forgetWrite(FLOOR_PARAMETERS_KIND);
    expect(reasonsFor({}, settled)).toEqual(['Drift']);
  });

  it('keeps what it accepted where its kind lost fields of a write', () => {
    const settled = tookOver(newer);
    settled.forgetWrite(FLOOR_PARAMETERS_KIND);
    expect(reasonsFor(newer, settled)).toEqual([]);
  });
});
