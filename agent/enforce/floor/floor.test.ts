import type { ValidatingAdmissionPolicy } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { desiredFloor, inOrder, planFloor } from './floor.ts';

const all = desiredFloor() as ValidatingAdmissionPolicy[];
const policies = all.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
const bindings = all.filter(({ kind }) => kind === 'ValidatingAdmissionPolicyBinding');

/** An object as the API server returns it: without empty lists, with fields of its own. */
const served = (object: ValidatingAdmissionPolicy): ValidatingAdmissionPolicy => {
  const copy = JSON.parse(JSON.stringify(object, (_, value) => (Array.isArray(value) && value.length === 0 ? undefined : value)));
  return { ...copy, metadata: { ...copy.metadata, uid: 'u', generation: 1 }, status: { observedGeneration: 1 } };
};

const without = (name: string) => policies.filter(({ metadata }) => metadata.name !== name).map(served);
const PODS = 'fso-floor-pods-deny';
const pods = policies.find(({ metadata }) => metadata.name === PODS) ?? expect.fail();

const SELECTED = JSON.stringify({ matchLabels: { 'compliance.gov/floor-deny': 'active' } });

const MORE_LABELS = { matchConstraints: { objectSelector: { matchLabels: { app: 'no' } } } };
const LESS_RESOURCES = {
  matchConstraints: {
    resourceRules: [
      {
        apiGroups: [''],
        apiVersions: ['*'],
        operations: ['CREATE', 'UPDATE'],
        resources: ['pods'],
        scope: 'Namespaced',
        resourceNames: ['x'],
      },
    ],
  },
};

/** Parts of a policy that the cost of a pod depends on. */
interface PodSpec {
  readonly matchConditions?: readonly { readonly expression: string }[];
  readonly variables: readonly { readonly name: string; readonly expression: string }[];
  readonly validations: readonly { readonly expression: string; readonly messageExpression: string }[];
  readonly auditAnnotations: readonly { readonly valueExpression: string }[];
}

describe('planFloor', () => {
  it('installs policies before bindings, and then has nothing to do', () => {
    const actions = planFloor([], []);
    expect(actions.map(({ key }) => key.split('/')[0])).toEqual([
      ...policies.map(() => 'ValidatingAdmissionPolicy'),
      ...bindings.map(() => 'ValidatingAdmissionPolicyBinding'),
    ]);
    expect(planFloor(policies.map(served), bindings.map(served))).toEqual([]);
  });

  it('writes a binding with parameters only after its policy', () => {
    const withParameters = ['fso-floor-bindings-deny', 'fso-floor-index-pods-deny', 'fso-floor-index-bindings-deny'];
    const early = inOrder(planFloor([], []), []).map(({ key }) => key);
    expect(early).toHaveLength(policies.length + bindings.length - withParameters.length);
    const next = inOrder(planFloor(policies.map(served), []), policies.map(served)).map(({ key }) => key);
    expect(next).toEqual(bindings.map(({ metadata }) => `ValidatingAdmissionPolicyBinding/${metadata.name}`));
    for (const name of withParameters) expect(early).not.toContain(`ValidatingAdmissionPolicyBinding/${name}`);
  });

  it('selects one action with each binding, and every policy that reads labels fails closed', () => {
    expect(bindings.map(({ spec }) => [spec?.['policyName'], spec?.['validationActions']])).toEqual([
      ['fso-floor-pods-deny', ['Deny', 'Audit']],
      ['fso-floor-pods-warn', ['Warn', 'Audit']],
      ['fso-floor-pods-dryrun', ['Audit']],
      ['fso-floor-workloads-deny', ['Warn', 'Audit']],
      ['fso-floor-workloads-warn', ['Warn', 'Audit']],
      ['fso-floor-bindings-deny', ['Deny', 'Audit']],
      ['fso-floor-index-pods-deny', ['Deny', 'Audit']],
      ['fso-floor-index-bindings-deny', ['Deny', 'Audit']],
    ]);
    const failing = policies.filter(({ metadata }) => !metadata.name.startsWith('fso-floor-index-'));
    expect(failing.every(({ spec }) => spec?.['failurePolicy'] === 'Fail')).toBe(true);
  });

  it('repairs missing and changed objects', () => {
    expect(planFloor(without(PODS), bindings.map(served))).toMatchObject([
      { type: 'apply', key: `ValidatingAdmissionPolicy/${PODS}`, reason: 'Install' },
    ]);
    for (const change of [
      { failurePolicy: 'Ignore' },
      { validations: [{ expression: 'true' }] },
      { variables: [] },
      MORE_LABELS,
      LESS_RESOURCES,
    ]) {
      const changed = { ...served(pods), spec: { ...served(pods).spec, ...change } };
      expect(planFloor([...without(PODS), changed], bindings.map(served))).toMatchObject([
        { type: 'patch', reason: 'Drift' },
        { type: 'apply', reason: 'Drift' },
      ]);
    }
  });

  const NEVER = { matchConditions: [{ name: 'never', expression: 'false' }] };
  const PARAMETERS = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: 'params.data.open' }] };
  const MORE_VARIABLES = { variables: [...((pods.spec?.['variables'] ?? []) as object[]), { name: 'more', expression: 'true' }] };

  it.each([
    [NEVER, { matchConditions: null }],
    [PARAMETERS, { paramKind: null }],
    [MORE_VARIABLES, {}],
    [{ fieldOfALaterVersion: 'open' }, { fieldOfALaterVersion: null }],
  ])('patches away additions to a policy before it restores the rest: %#', (change, spec) => {
    const changed = { ...served(pods), spec: { ...served(pods).spec, ...change } };
    const [patch, apply, ...more] = planFloor([...without(PODS), changed], bindings.map(served));
    expect(patch).toMatchObject({ type: 'patch', key: apply?.key, reason: 'Drift', ref: { name: PODS } });
    expect(patch).toHaveProperty('patch', { spec: { ...pods.spec, ...spec } });
    expect(apply).toMatchObject({ type: 'apply', reason: 'Drift' });
    expect(more).toEqual([]);
  });

  it('patches away a nested field: a namespace of the parameters opens the index, and shuts the bind gate', () => {
    for (const binding of bindings.map(served).filter(({ spec }) => spec?.['paramRef'] !== undefined)) {
      const changed = { ...binding, spec: { ...binding.spec, paramRef: { ...(binding.spec?.['paramRef'] as object), namespace: 'x' } } };
      const others = bindings.map(served).filter(({ metadata }) => metadata.name !== binding.metadata.name);
      expect(planFloor(policies.map(served), [...others, changed])).toMatchObject([
        { type: 'patch', ref: { name: binding.metadata.name }, patch: { spec: { paramRef: { namespace: null } } } },
        { type: 'apply', reason: 'Drift' },
      ]);
    }
  });

  it('replaces the actions of a binding, which an apply would only extend', () => {
    const [binding, ...others] = bindings.map(served);
    const changed = { ...binding, spec: { ...binding?.spec, validationActions: ['Warn', 'Audit'] } } as ValidatingAdmissionPolicy;
    expect(planFloor(policies.map(served), [changed, ...others])).toMatchObject([
      { type: 'patch', patch: { spec: { validationActions: ['Deny', 'Audit'] } } },
      { type: 'apply', reason: 'Drift' },
    ]);
  });

  it('has a bind gate for API servers that do not copy the region to a Binding', () => {
    const actions = planFloor(policies.map(served), bindings.map(served), { bindGate: 'list' });
    expect(actions.filter(({ type }) => type === 'apply')).toMatchObject([
      { type: 'apply', key: 'ValidatingAdmissionPolicy/fso-floor-bindings-deny', reason: 'Drift' },
      { type: 'apply', key: 'ValidatingAdmissionPolicy/fso-floor-index-bindings-deny', reason: 'Drift' },
    ]);
    expect(JSON.stringify(actions)).not.toContain('object.metadata.?labels');
  });

  it('trusts only the configured binders, with any characters in their names', () => {
    const gateFor = (binders: readonly string[]): string =>
      JSON.stringify(desiredFloor({ binders }).find(({ metadata }) => metadata.name === 'fso-floor-bindings-deny'));
    expect(gateFor([])).toContain('request.userInfo.username in []');
    const names = ['system:kube-scheduler', 'domain\\"user'];
    const variables: readonly { name: string; expression: string }[] = JSON.parse(gateFor(names)).spec.variables;
    expect(variables.find(({ name }) => name === 'ofBinder')?.expression).toContain(
      `in [${names.map((name) => JSON.stringify(name)).join(', ')}] ? ''`,
    );
  });

  it('decides a pod that is plainly inside without further checks', () => {
    const specOf = (name: string) => policies.find(({ metadata }) => metadata.name === name)?.spec as unknown as PodSpec;
    const plainOf = ({ variables }: PodSpec): string => variables.find(({ name }) => name === 'plain')?.expression ?? expect.fail();
    for (const name of ['fso-floor-pods-deny', 'fso-floor-pods-warn', 'fso-floor-pods-dryrun']) {
      const spec = specOf(name);
      // The API server evaluates all of these for every request; a variable only where one of them
      // reads it.
      const asked = [
        ...spec.validations.flatMap(({ expression, messageExpression }) => [expression, messageExpression]),
        ...spec.auditAnnotations.map(({ valueExpression }) => valueExpression),
      ];
      expect(asked.filter((expression) => !expression.startsWith('variables.plain || '))).toEqual([]);
      expect(new Set(plainOf(spec).match(/variables\.\w+/g))).toEqual(new Set(['variables.listed']));
    }
    const { variables: ofIndex } = specOf('fso-floor-index-pods-deny');
    const [, regions = ''] = /\? (.*) : ''$/s.exec(ofIndex.find(({ name }) => name === 'listed')?.expression ?? '') ?? [];
    const listed = plainOf(specOf(PODS)).replaceAll('variables.listed', regions);
    const [condition] = specOf('fso-floor-index-pods-deny').matchConditions ?? [];
    expect(condition?.expression).toContain(`!(${listed})`);
  });

  it('refuses pods of governed namespaces when the parameters are gone, but not those of all namespaces', () => {
    const reading = policies.filter(({ spec }) => spec?.['paramKind'] !== undefined);
    const selecting = (spec: unknown, path: 'matchConstraints' | 'matchResources'): string =>
      JSON.stringify((spec as Record<string, { namespaceSelector?: object }>)[path]?.namespaceSelector);
    expect(
      reading.map(({ metadata, spec }) => {
        const binding = bindings.find((candidate) => candidate.metadata.name === metadata.name)?.spec;
        const paramRef = binding?.['paramRef'];
        return [
          metadata.name,
          selecting(spec, 'matchConstraints'),
          selecting(binding, 'matchResources'),
          spec?.['failurePolicy'],
          paramRef,
        ];
      }),
    ).toEqual([
      ['fso-floor-bindings-deny', SELECTED, SELECTED, 'Fail', { name: 'fso-nodes', parameterNotFoundAction: 'Deny' }],
      ['fso-floor-index-pods-deny', '{}', '{}', 'Ignore', { name: 'fso-namespaces', parameterNotFoundAction: 'Allow' }],
      ['fso-floor-index-bindings-deny', '{}', '{}', 'Ignore', { name: 'fso-namespaces', parameterNotFoundAction: 'Allow' }],
    ]);
  });

  it('leaves policies of others alone', () => {
    const other = { metadata: { name: 'other', labels: { 'compliance.gov/component': 'floor' } }, spec: {} };
    expect(planFloor([...policies.map(served), other], bindings.map(served))).toEqual([]);
  });
});
