import { ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND } from '@fso/shared/kube';

const podRule = (operations: readonly string[], more: object = {}) => ({
  apiGroups: [''],
  apiVersions: ['*'],
  operations,
  resources: ['pods'],
  ...more,
});

/** Changes of the `spec` of the floor's policy that refuses pods, and of its binding. */
export const FLOOR_TAMPERING = [
  [ADMISSION_POLICY_KIND, { matchConditions: [{ name: 'never', expression: 'false' }] }],
  [ADMISSION_POLICY_KIND, { failurePolicy: 'Ignore' }],
  [ADMISSION_POLICY_KIND, { validations: [{ expression: 'true' }] }],
  [
    ADMISSION_POLICY_KIND,
    { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: "'open' in params.data" }], auditAnnotations: null },
  ],
  [
    ADMISSION_POLICY_KIND,
    {
      variables: [{ name: 'violation', expression: "''" }],
      validations: [{ expression: "variables.violation == ''" }],
      auditAnnotations: null,
    },
  ],
  [
    ADMISSION_POLICY_KIND,
    { variables: [{ name: 'more', expression: 'true' }], validations: [{ expression: 'variables.more' }], auditAnnotations: null },
  ],
  [ADMISSION_POLICY_KIND, { matchConstraints: { objectSelector: { matchLabels: { app: 'no' } } } }],
  [ADMISSION_POLICY_KIND, { matchConstraints: { excludeResourceRules: [podRule(['*'])] } }],
  [ADMISSION_POLICY_KIND, { matchConstraints: { resourceRules: [podRule(['CREATE', 'UPDATE'], { resourceNames: ['x'] })] } }],
  [ADMISSION_POLICY_BINDING_KIND, { validationActions: ['Audit'] }],
  [ADMISSION_POLICY_BINDING_KIND, { validationActions: ['Warn'] }],
  [ADMISSION_POLICY_BINDING_KIND, { paramRef: { name: 'x', namespace: 'default', parameterNotFoundAction: 'Allow' } }],
  [ADMISSION_POLICY_BINDING_KIND, { matchResources: { namespaceSelector: { matchLabels: { app: 'no' } } } }],
  [ADMISSION_POLICY_BINDING_KIND, { matchResources: { resourceRules: [podRule(['DELETE'])] } }],
  [ADMISSION_POLICY_BINDING_KIND, { matchResources: { excludeResourceRules: [podRule(['*'])] } }],
] as const;

/** Changes of the constraint of lock 2. */
export const CONSTRAINT_TAMPERING = [
  { enforcementAction: 'dryrun' },
  {
    enforcementAction: 'scoped',
    scopedEnforcementActions: [{ action: 'dryrun', enforcementPoints: [{ name: '*' }] }],
  },
  { match: { namespaces: [] } },
  { match: { labelSelector: { matchLabels: { app: 'no' } } } },
  { match: { excludedNamespaces: ['lock-two'] } },
  { parameters: { regions: ['us-east-1'] } },
];
