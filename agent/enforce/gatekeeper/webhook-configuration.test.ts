import type { KubeObject } from '@fso/shared/api';
import type { ValidatingWebhookConfiguration } from '@fso/shared/kube';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findExclusion, findWebhookProblem } from './webhook-configuration.ts';

const IGNORE = { key: 'admission.gatekeeper.sh/ignore', operator: 'DoesNotExist' };
const EXEMPT = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['gatekeeper-system'] };
/** Rule of the webhook in Gatekeeper's manifest. */
const RULE = {
  apiGroups: ['*'],
  apiVersions: ['*'],
  operations: ['CREATE', 'UPDATE'],
  resources: ['*', 'pods/ephemeralcontainers', 'pods/exec', 'pods/binding', 'deployments/scale'],
  scope: '*',
};
const WEBHOOK = {
  name: 'validation.gatekeeper.sh',
  objectSelector: {},
  namespaceSelector: { matchExpressions: [IGNORE, EXEMPT] },
  rules: [RULE],
};
const LABELS_WEBHOOK = { name: 'check-ignore-label.gatekeeper.sh', rules: [] };

const configurationOf = (webhooks: unknown): ValidatingWebhookConfiguration => ({
  metadata: { name: 'gatekeeper-validating-webhook-configuration' },
  webhooks,
});
const withWebhook = (changes: object): ValidatingWebhookConfiguration => configurationOf([LABELS_WEBHOOK, { ...WEBHOOK, ...changes }]);
const problemOf = (configuration: ValidatingWebhookConfiguration, judgesBindings = true): string | undefined => {
  const problem = findWebhookProblem(configuration, judgesBindings);
  expect(problem?.isError ?? true).toBe(true);
  return problem?.message;
};
const namespaceOf = (name: string, labels?: Record<string, string>): KubeObject => ({
  metadata: { name, ...(labels === undefined ? {} : { labels }) },
});

const PLACE = 'ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration: webhooks[1] (validation.gatekeeper.sh).';
const CREATE_PODS =
  'rules leave out CREATE of pods: add a rule with apiGroups [""], apiVersions ["v1"], operations ["CREATE"], resources ["pods"]';

describe('findWebhookProblem', () => {
  it("accepts Gatekeeper's own manifest", () => {
    expect(problemOf(withWebhook({}))).toBeUndefined();
  });

  it.each<[what: string, changes: object]>([
    ['a selector of all pods', { objectSelector: { matchLabels: {}, matchExpressions: [] } }],
    ['no selectors', { objectSelector: undefined, namespaceSelector: null }],
    ['no match conditions', { matchConditions: [] }],
    ['all of the core group', { rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['*/*'] }] }],
    [
      'one rule for each',
      {
        rules: [
          { ...RULE, operations: ['CREATE'], resources: ['pods/*', 'bindings'], scope: 'Namespaced' },
          { ...RULE, operations: ['UPDATE'], resources: ['pods'] },
        ],
      },
    ],
    [
      'a selector by labels that the agent knows',
      { namespaceSelector: { matchExpressions: [{ key: 'compliance.gov/floor-deny', operator: 'Exists' }] } },
    ],
  ])('accepts %s', (_what, changes) => {
    expect(problemOf(withWebhook(changes))).toBeUndefined();
  });

  it.each<[what: string, changes: object, message: string]>([
    [
      "the canary's label",
      { objectSelector: { matchLabels: { 'compliance.gov/canary': 'lock-two' } } },
      'objectSelector selects only some pods: remove it',
    ],
    [
      'an expression on pods',
      { objectSelector: { matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] } },
      'objectSelector selects only some pods: remove it',
    ],
    ['a selector of another type', { objectSelector: 'all' }, 'objectSelector selects only some pods: remove it'],
    [
      'a match condition',
      { matchConditions: [{ name: 'agent', expression: 'request.userInfo.username == "agent"' }] },
      'matchConditions leave out some requests: remove them',
    ],
    ['no rules', { rules: undefined }, CREATE_PODS],
    ['only subresources', { rules: [{ ...RULE, resources: ['*/binding', 'bindings'] }] }, CREATE_PODS],
    ['rules for objects outside of namespaces', { rules: [{ ...RULE, scope: 'Cluster' }] }, CREATE_PODS],
    ['rules for another group', { rules: [{ ...RULE, apiGroups: ['apps'] }] }, CREATE_PODS],
    ['rules for another version', { rules: [{ ...RULE, apiVersions: ['v2'] }] }, CREATE_PODS],
    [
      'rules without updates',
      { rules: [{ ...RULE, operations: ['CREATE'] }] },
      'rules leave out UPDATE of pods: add a rule with apiGroups [""], apiVersions ["v1"], operations ["UPDATE"], resources ["pods"]',
    ],
    [
      'rules without the subresource of a Binding',
      { rules: [{ ...RULE, resources: ['*', 'pods/exec'] }] },
      'rules leave out CREATE of pods/binding: add a rule with apiGroups [""], apiVersions ["v1"], operations ["CREATE"], resources ["pods/binding"]',
    ],
    [
      'rules without the resource of a Binding',
      { rules: [{ ...RULE, resources: ['pods/*'] }] },
      'rules leave out CREATE of bindings: add a rule with apiGroups [""], apiVersions ["v1"], operations ["CREATE"], resources ["bindings"]',
    ],
    ['a selector of namespaces that is none', { namespaceSelector: ['a'] }, 'namespaceSelector cannot be read: remove it'],
    [
      'a requirement that is none',
      { namespaceSelector: { matchExpressions: [IGNORE, { key: 'a', operator: 'Near' }] } },
      'namespaceSelector.matchExpressions[1] cannot be read: remove it',
    ],
    [
      'namespaces by a label that the agent does not read',
      { namespaceSelector: { matchLabels: { env: 'prod' }, matchExpressions: [IGNORE] } },
      'namespaceSelector.matchLabels["env"] selects namespaces by their label env, which the agent does not read, so that any may be left out: remove it',
    ],
    [
      'namespaces without such a label',
      { namespaceSelector: { matchExpressions: [IGNORE, EXEMPT, { key: 'control-plane', operator: 'DoesNotExist' }] } },
      'namespaceSelector.matchExpressions[2] selects namespaces by their label control-plane, which the agent does not read, so that any may be left out: remove it',
    ],
  ])('finds %s', (_what, changes, message) => {
    expect(problemOf(withWebhook(changes))).toBe(`${PLACE}${message}`);
  });

  it('requires rules for Bindings only where lock 2 judges them', () => {
    expect(problemOf(withWebhook({ rules: [{ ...RULE, resources: ['pods'] }] }), false)).toBeUndefined();
  });

  it.each([undefined, null, [], [LABELS_WEBHOOK], 'x', { validation: WEBHOOK }])('finds that the webhook is missing in %j', (webhooks) => {
    expect(problemOf(configurationOf(webhooks))).toContain("webhooks has no validation.gatekeeper.sh: apply Gatekeeper's manifest again");
  });
});

describe('findExclusion', () => {
  const exclusionOf = (namespaceSelector: unknown, namespace: KubeObject): string | undefined =>
    findExclusion(withWebhook({ namespaceSelector }), namespace)?.message;

  it("leaves out what Gatekeeper's own selector does", () => {
    expect(exclusionOf(WEBHOOK.namespaceSelector, namespaceOf('first'))).toBeUndefined();
    expect(exclusionOf(WEBHOOK.namespaceSelector, namespaceOf('first', { [IGNORE.key]: '' }))).toBe(
      `namespace first: ${PLACE}namespaceSelector.matchExpressions[0] leaves it out: take the label admission.gatekeeper.sh/ignore off the namespace`,
    );
    expect(exclusionOf(WEBHOOK.namespaceSelector, namespaceOf('gatekeeper-system'))).toContain('matchExpressions[1] leaves it out');
  });

  it.each<[what: string, selector: unknown, out: readonly string[]]>([
    ['no selector', undefined, []],
    ['an empty one', {}, []],
    ['a name', { matchLabels: { 'kubernetes.io/metadata.name': 'first' } }, ['second']],
    ['names', { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['second'] }] }, ['first']],
    ['exempt names', { matchExpressions: [{ ...EXEMPT, values: ['first', 'kube-system'] }] }, ['first']],
    ['a label that none has', { matchExpressions: [{ key: IGNORE.key, operator: 'Exists' }] }, ['first', 'second']],
  ])('%s', (_what, selector, out) => {
    const found = ['first', 'second'].filter((name) => exclusionOf(selector, namespaceOf(name)) !== undefined);
    expect(found).toEqual(out);
  });

  it('names the line to change', () => {
    expect(exclusionOf({ matchExpressions: [IGNORE, { ...EXEMPT, values: ['first'] }] }, namespaceOf('first'))).toBe(
      `namespace first: ${PLACE}namespaceSelector.matchExpressions[1] leaves it out: change it so that it selects the namespace`,
    );
  });

  it('returns the same problem for the same objects, as readers compare by identity', () => {
    const configuration = withWebhook({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'first' } } });
    const namespace = namespaceOf('second');
    expect(findExclusion(configuration, namespace)).toBe(findExclusion(configuration, namespace));
  });
});

describe('a configuration of any shape', () => {
  const rule = fc.record({
    apiGroups: fc.anything(),
    apiVersions: fc.anything(),
    operations: fc.anything(),
    resources: fc.oneof(fc.anything(), fc.array(fc.anything())),
    scope: fc.anything(),
  });
  const spoiled = fc
    .record(
      {
        objectSelector: fc.anything(),
        namespaceSelector: fc.oneof(
          fc.anything(),
          fc.record(
            { matchLabels: fc.anything(), matchExpressions: fc.oneof(fc.anything(), fc.array(fc.anything())) },
            { requiredKeys: [] },
          ),
        ),
        matchConditions: fc.anything(),
        rules: fc.oneof(fc.anything(), fc.array(fc.oneof(fc.anything(), rule))),
      },
      { requiredKeys: [] },
    )
    .map((changes) => [{ ...WEBHOOK, ...changes }]);

  it('never throws, and never accepts an invalid one', () => {
    fc.assert(
      fc.property(fc.oneof(spoiled, fc.array(fc.anything()), fc.anything()), fc.boolean(), (webhooks, judgesBindings) => {
        const configuration = configurationOf(webhooks);
        const problem = findWebhookProblem(configuration, judgesBindings);
        findExclusion(configuration, namespaceOf('first', { [IGNORE.key]: '' }));
        const entry = Array.isArray(webhooks) ? webhooks.find((one) => one?.name === WEBHOOK.name) : undefined;
        if (entry === undefined) expect(problem?.isError).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('counts each spoiled field as a problem', () => {
    const junk = fc.oneof(fc.string({ minLength: 1 }), fc.integer(), fc.constant(true), fc.array(fc.integer(), { minLength: 1 }));
    const field = fc.constantFrom('objectSelector', 'namespaceSelector', 'matchConditions', 'rules');
    fc.assert(
      fc.property(field, junk, (name, value) => {
        expect(findWebhookProblem(withWebhook({ [name]: value }), true)?.message).toContain(`${PLACE}${name}`);
      }),
    );
  });
});
