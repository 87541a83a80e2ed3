import { LABELS } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPlain } from '../compare.ts';
import type { AdmissionObject } from './admission-policies.ts';
import { planFloor } from './floor/floor.ts';
import { planGuard } from './guard/guard.ts';
import { injectionKinds, planInjection } from './injection/injection.ts';
import type { Action } from './types.ts';

interface ObservedObjects {
  readonly policies: readonly AdmissionObject[];
  readonly bindings: readonly AdmissionObject[];
}
type Plan = (observed: ObservedObjects) => readonly Action[];
type Fields = Readonly<Record<string, unknown>>;

const TRUST = {
  agent: 'system:serviceaccount:federated-sovereignty-system:fso-agent',
  binders: ['system:kube-scheduler'],
  nodeLabelers: ['cloud'],
  gatekeeperNamespace: 'gatekeeper-system',
};
const KINDS = injectionKinds('v1');
const PLANS: readonly (readonly [name: string, prefix: string, plan: Plan])[] = [
  ['planGuard', 'fso-guard-', ({ policies, bindings }) => planGuard(policies, bindings, TRUST)],
  ['planFloor', 'fso-floor-', ({ policies, bindings }) => planFloor(policies, bindings)],
  ['planInjection', 'fso-placement-', (observed) => planInjection(KINDS, observed, true)],
  ['planInjection without a policy that asks for it', 'fso-placement-', (observed) => planInjection(KINDS, observed, false)],
];

/** Lists that server-side apply merges; it replaces all others. */
const MERGED: readonly string[] = ['variables', 'matchConditions', 'validationActions'];
/** Objects that server-side apply replaces as a whole, beside selectors. */
const ATOMIC: readonly string[] = ['paramKind', 'paramRef'];
const identityOf = (item: unknown): unknown => (isPlain(item) ? item['name'] : item);

const applied = (live: unknown, wanted: unknown, field = ''): unknown => {
  if (Array.isArray(wanted)) {
    const known = new Set(wanted.map(identityOf));
    const others = MERGED.includes(field) && Array.isArray(live) ? live.filter((item) => !known.has(identityOf(item))) : [];
    return [...wanted, ...others];
  }
  if (!isPlain(wanted) || field.endsWith('Selector') || ATOMIC.includes(field)) return wanted;
  const before: Fields = isPlain(live) ? live : {};
  return { ...before, ...Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, applied(before[key], value, key)])) };
};

const patched = (live: unknown, patch: unknown): unknown => {
  if (!isPlain(patch)) return patch;
  const before: Fields = isPlain(live) ? live : {};
  const entries = Object.entries(patch).map(([key, value]) => [key, patched(before[key], value)] as const);
  return Object.fromEntries([...Object.entries({ ...before, ...Object.fromEntries(entries) })].filter(([, value]) => value !== null));
};

const written = (objects: readonly AdmissionObject[], action: Action): readonly AdmissionObject[] => {
  const name = action.type === 'apply' ? action.body.metadata.name : action.ref.name;
  const others = objects.filter(({ metadata }) => metadata.name !== name);
  if (action.type === 'delete') return others;
  const live = objects.find(({ metadata }) => metadata.name === name);
  const next = action.type === 'apply' ? applied(live, action.body) : patched(live, action.patch);
  return [...others, next as AdmissionObject];
};

/** The cluster after the writes of a plan. */
const outcomeOf = (observed: ObservedObjects, actions: readonly Action[]): ObservedObjects =>
  actions.reduce<ObservedObjects>(({ policies, bindings }, action) => {
    const isBinding = action.kind.kind.endsWith('Binding');
    return {
      policies: isBinding ? policies : written(policies, action),
      bindings: isBinding ? written(bindings, action) : bindings,
    };
  }, observed);

const CHANGES: readonly (readonly [field: string, value: unknown])[] = [
  ['failurePolicy', 'Ignore'],
  ['matchConditions', [{ name: 'never', expression: 'false' }]],
  ['variables', [{ name: 'mine', expression: 'true' }]],
  ['validations', []],
  ['validationActions', ['Audit', 'Warn']],
  ['policyName', 'other'],
  ['paramRef', { name: 'other', parameterNotFoundAction: 'Allow' }],
  ['paramKind', { apiVersion: 'v1', kind: 'ConfigMap' }],
  ['matchResources', { namespaceSelector: { matchLabels: { a: 'b' } } }],
  ['fieldOfALaterVersion', 'open'],
  ['auditAnnotations', [{ key: 'note', valueExpression: "'x'" }]],
];
/** Fields that each kind has: others cannot be written. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  ValidatingAdmissionPolicy: ['failurePolicy', 'matchConditions', 'variables', 'validations', 'paramKind', 'auditAnnotations'],
  MutatingAdmissionPolicy: ['failurePolicy', 'matchConditions', 'variables', 'paramKind'],
  ValidatingAdmissionPolicyBinding: ['policyName', 'matchResources', 'validationActions', 'paramRef', 'fieldOfALaterVersion'],
  MutatingAdmissionPolicyBinding: ['policyName', 'matchResources', 'paramRef'],
};
/** Fields of fields, e.g. `spec.paramRef.namespace`. */
const NESTED: readonly (readonly [field: string, name: string])[] = [
  ['paramRef', 'namespace'],
  ['paramRef', 'selector'],
  ['paramKind', 'fieldOfALaterVersion'],
  ['matchResources', 'fieldOfALaterVersion'],
  ['matchConstraints', 'fieldOfALaterVersion'],
];
const change = fc.oneof(
  fc.constant('keep' as const),
  fc.constant('remove' as const),
  fc.constant('unlabel' as const),
  fc.subarray([...CHANGES], { minLength: 1 }),
  fc.record({ nested: fc.subarray([...NESTED], { minLength: 1 }) }),
);

const withNested = (spec: AdmissionObject['spec'], nested: readonly (typeof NESTED)[number][]): Fields => ({
  ...spec,
  ...Object.fromEntries(
    nested.flatMap(([field, name]) => {
      const value = spec?.[field];
      return isPlain(value) ? [[field, { ...value, [name]: 'x' }]] : [];
    }),
  ),
});

const tampered = (
  object: AdmissionObject,
  what: 'keep' | 'remove' | 'unlabel' | (typeof CHANGES)[number][] | { nested: (typeof NESTED)[number][] },
): readonly AdmissionObject[] => {
  if (what === 'keep') return [object];
  if (what === 'remove') return [];
  if (what === 'unlabel') return [{ ...object, metadata: { name: object.metadata.name } }];
  if (!Array.isArray(what)) return [{ ...object, spec: withNested(object.spec, what.nested) }];
  const possible = what.filter(([field]) => FIELDS[object.kind ?? '']?.includes(field));
  return [{ ...object, spec: { ...object.spec, ...Object.fromEntries(possible) } }];
};

const foreign = (prefix: string): readonly AdmissionObject[] => [
  { metadata: { name: 'team-policy', labels: { [LABELS.component]: 'guard' } }, spec: {} },
  { metadata: { name: `${prefix}foreign` }, spec: {} },
];
const leftOver = (prefix: string): AdmissionObject => ({
  metadata: { name: prefix === 'fso-placement-' ? 'fso-placement-injection' : `${prefix}old`, labels: { [LABELS.component]: 'x' } },
});

describe.each(PLANS)('%s', (_, prefix, plan) => {
  const whole = outcomeOf({ policies: [], bindings: [] }, plan({ policies: [], bindings: [] }));
  const objects = whole.policies.length + whole.bindings.length;
  /** The change to each object, and whether an object of an older version is left over. */
  const history = fc.tuple(fc.array(change, { minLength: objects, maxLength: objects }), fc.boolean());
  const clusterAfter = ([changes, old]: typeof history extends fc.Arbitrary<infer T> ? T : never): ObservedObjects => {
    const extra = [...foreign(prefix), ...(old ? [leftOver(prefix)] : [])];
    const draw = (all: readonly AdmissionObject[], from: number): readonly AdmissionObject[] => {
      const present = all.flatMap((object, index) => tampered(object, changes[from + index] ?? 'keep'));
      return [...present, ...extra.filter(({ metadata }) => !present.some((one) => one.metadata.name === metadata.name))];
    };
    return { policies: draw(whole.policies, 0), bindings: draw(whole.bindings, whole.policies.length) };
  };

  it('repairs everything, then removes leftovers, and then has nothing to do', () => {
    fc.assert(
      fc.property(history, (drawn) => {
        const start = clusterAfter(drawn);
        const first = plan(start);
        expect(new Set(first.map(({ type }) => type === 'delete')).size).toBeLessThan(2);
        const second = plan(outcomeOf(start, first));
        expect(second.every(({ type }) => type === 'delete')).toBe(true);
        const end = outcomeOf(outcomeOf(start, first), second);
        expect(plan(end)).toEqual([]);
        for (const { metadata } of [...whole.policies, ...whole.bindings]) {
          expect([...end.policies, ...end.bindings].some((object) => object.metadata.name === metadata.name)).toBe(true);
        }
      }),
    );
  });

  it('does not depend on the order of the observed objects', () => {
    fc.assert(
      fc.property(history, (drawn) => {
        const start = clusterAfter(drawn);
        const reversed = { policies: start.policies.toReversed(), bindings: start.bindings.toReversed() };
        expect(new Set(plan(reversed).map((action) => JSON.stringify(action)))).toEqual(
          new Set(plan(start).map((action) => JSON.stringify(action))),
        );
      }),
    );
  });

  it('never touches objects of others, by name and by label', () => {
    fc.assert(
      fc.property(history, (drawn) => {
        const start = clusterAfter(drawn);
        const end = outcomeOf(outcomeOf(start, plan(start)), plan(outcomeOf(start, plan(start))));
        expect([...end.policies, ...end.bindings]).toEqual(expect.arrayContaining([...foreign(prefix), ...foreign(prefix)]));
      }),
    );
  });
});
