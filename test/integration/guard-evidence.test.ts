import { AGENT_LEASE, type KubeObject, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  API_SERVICE_KIND,
  CONFIG_MAP_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
  LEASE_KIND,
  SECRET_KIND,
} from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { celString } from '../../agent/enforce/admission-policies.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { eventually, never as signal } from '../harness/waiting.ts';
import { labelled, useGuard } from './guard-harness.ts';

const guard = useGuard();

const POD_STATUS_KIND: KindDescriptor = {
  apiVersion: 'status.gatekeeper.sh/v1beta1',
  kind: 'ConstraintPodStatus',
  plural: 'constraintpodstatuses',
  namespaced: true,
};

/** Tests of the guard on the locks themselves and on the evidence for them. */
describe('guard', () => {
  describe('on lock 2 and its evidence', () => {
    const LOCK = 'only the agent writes floor parameters, the template';
    const constraint = async (): Promise<KubeObject> =>
      (await guard.admin.list(GEO_RESIDENCY_KIND, {}, signal))[0] ?? expect.fail('no constraint');
    const template = { name: GEO_RESIDENCY_KIND.plural };

    it('refuses writes of constraints and the template to all but the agent', async () => {
      const { name } = (await constraint()).metadata;
      expect(await guard.patch(GEO_RESIDENCY_KIND, { name }, { spec: { enforcementAction: 'dryrun' } })).toContain(LOCK);
      expect(await refusalOf(guard.admin.delete(GEO_RESIDENCY_KIND, { name }, signal))).toContain(LOCK);
      expect(
        await refusalOf(guard.admin.raw({ method: 'DELETE', path: `/apis/${GEO_RESIDENCY_KIND.apiVersion}/k8sgeoresidency` }, signal)),
      ).toContain(LOCK);
      expect(await refusalOf(guard.admin.create(GEO_RESIDENCY_KIND, { metadata: { name: 'mine' }, spec: {} }, {}, signal))).toContain(LOCK);
      expect(await guard.patch(CONSTRAINT_TEMPLATE_KIND, template, { spec: { targets: [] } })).toContain(LOCK);
      expect(await refusalOf(guard.admin.delete(CONSTRAINT_TEMPLATE_KIND, template, signal))).toContain(LOCK);
      expect(await refusalOf(guard.gatekeeper.delete(CONSTRAINT_TEMPLATE_KIND, template, signal))).toContain(LOCK);
      expect(await refusalOf(guard.gatekeeper.mergePatch(CONSTRAINT_TEMPLATE_KIND, template, labelled({ note: 'x' }), signal))).toBe('');
    });

    it('allows writes of other templates', async () => {
      const mine = (await guard.admin.get(CONSTRAINT_TEMPLATE_KIND, template, signal)) ?? expect.fail();
      const text = JSON.stringify({ apiVersion: mine.apiVersion, kind: mine.kind, metadata: { name: 'k8sother' }, spec: mine.spec });
      const other = JSON.parse(text.replaceAll('K8sGeoResidency', 'K8sOther'));
      await guard.admin.create(CONSTRAINT_TEMPLATE_KIND, other, {}, signal);
      await guard.admin.delete(CONSTRAINT_TEMPLATE_KIND, { name: 'k8sother' }, signal);
    });

    it('refuses forged reports of Gatekeeper, and allows its own', async () => {
      const { name } = (await constraint()).metadata;
      const EVIDENCE = 'only service accounts of gatekeeper-system';
      const forged = { status: { byPod: [], totalViolations: 0 } };
      const paths = [
        `/apis/${GEO_RESIDENCY_KIND.apiVersion}/k8sgeoresidency/${name}/status`,
        `/apis/${CONSTRAINT_TEMPLATE_KIND.apiVersion}/constrainttemplates/k8sgeoresidency/status`,
      ];
      for (const path of paths) expect(await refusalOf(guard.send(guard.admin, 'PATCH', path, forged))).toContain(EVIDENCE);
      const [said] = await guard.admin.list(POD_STATUS_KIND, {}, signal);
      const ref = { namespace: 'gatekeeper-system', name: said?.metadata.name ?? '' };
      expect(await guard.patch(POD_STATUS_KIND, ref, { status: { enforced: true } })).toContain(EVIDENCE);
      expect(await refusalOf(guard.admin.delete(POD_STATUS_KIND, ref, signal))).toContain(EVIDENCE);
      expect(await refusalOf(guard.gatekeeper.mergePatch(POD_STATUS_KIND, ref, labelled({ note: 'x' }), signal))).toBe('');
      const cleaner = await guard.as('system:serviceaccount:kube-system:generic-garbage-collector');
      expect(await refusalOf(cleaner.delete(POD_STATUS_KIND, ref, signal))).toBe('');
      const labels = { 'internal.gatekeeper.sh/constraint-kind': 'K8sOther' };
      const other = { name: 'foreign', namespace: ref.namespace };
      await guard.admin.create(POD_STATUS_KIND, { metadata: { ...other, labels } }, {}, signal);
      expect(await guard.patch(POD_STATUS_KIND, other, labelled({ note: 'x' }))).toBe('');
      for (const ours of [
        { 'internal.gatekeeper.sh/constraint-kind': GEO_RESIDENCY_KIND.kind },
        { 'internal.gatekeeper.sh/constrainttemplate-name': template.name },
      ]) {
        expect(await guard.patch(POD_STATUS_KIND, other, labelled(ours))).toContain(EVIDENCE);
      }
      expect(await refusalOf(guard.admin.delete(POD_STATUS_KIND, other, signal))).toBe('');
      await guard.cluster.restartGatekeeper();
      await eventually(() => guard.admin.get(POD_STATUS_KIND, ref, signal));
    });

    it('refuses to redirect an API group that the policies rely on, and to take it from the API server', async () => {
      const KEPT = 'only the API server writes';
      const away = { service: { name: 'x', namespace: 'default', port: 443 }, insecureSkipTLSVerify: true };
      const unmanaged = labelled({ 'kube-aggregator.kubernetes.io/automanaged': null });
      for (const name of [
        'v1.compliance.federated.io',
        'v1beta1.constraints.gatekeeper.sh',
        'v1.templates.gatekeeper.sh',
        'v1.admissionregistration.k8s.io',
        'v1.apiextensions.k8s.io',
      ]) {
        expect(await guard.patch(API_SERVICE_KIND, { name }, { spec: away }), name).toContain(KEPT);
        expect(await guard.patch(API_SERVICE_KIND, { name }, unmanaged)).toContain(KEPT);
        expect(await refusalOf(guard.admin.delete(API_SERVICE_KIND, { name }, signal))).toContain(KEPT);
        expect(await guard.patch(API_SERVICE_KIND, { name }, labelled({ team: 'x' }))).toBe('');
      }
      const other = (name: string) => ({
        metadata: { name: `v9.${name}` },
        spec: { ...away, group: name, version: 'v9', groupPriorityMinimum: 1, versionPriority: 1 },
      });
      const create = (name: string) => refusalOf(guard.admin.create(API_SERVICE_KIND, other(name) as KubeObject, { dryRun: true }, signal));
      expect(await create('compliance.federated.io')).toContain(KEPT);
      expect(await create('foreign.example')).toBe('');
    });

    it('refuses to change or delete the CRDs that this system relies on', async () => {
      const OURS = 'only the agent creates, changes and deletes';
      for (const name of ['sovereignpolicies.compliance.federated.io', 'k8sgeoresidency.constraints.gatekeeper.sh']) {
        expect(await refusalOf(guard.admin.delete(CRD_KIND, { name }, signal)), name).toContain(OURS);
        expect(await guard.patch(CRD_KIND, { name }, { spec: { names: { shortNames: ['zz'] } } })).toContain(OURS);
        const crd = (await guard.admin.get(CRD_KIND, { name }, signal)) ?? expect.fail();
        const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}/status`;
        expect(await refusalOf(guard.send(guard.admin, 'PUT', path, { ...crd, status: { ...crd.status, conditions: [] } }))).toContain(
          OURS,
        );
        expect(await guard.patch(CRD_KIND, { name }, labelled({ team: 'x' }))).toBe('');
      }
      expect(
        await refusalOf(
          guard.gatekeeper.mergePatch(
            CRD_KIND,
            { name: 'k8sgeoresidency.constraints.gatekeeper.sh' },
            { spec: { names: { shortNames: ['geo'] } } },
            signal,
          ),
        ),
      ).toBe('');
    });
  });

  it('is well-typed by the type checks of the API server', async () => {
    const listPolicies = () => guard.admin.list(ADMISSION_POLICY_KIND, { labelSelector: `${LABELS.component}=guard` }, signal);
    const checked = await eventually(async () => {
      const policies = await listPolicies();
      return policies.every(({ metadata, status }) => status?.observedGeneration === metadata.generation) ? policies : undefined;
    });
    expect(checked.length).toBeGreaterThan(5);
    const warnings = checked.flatMap(({ metadata, status }) =>
      (status?.typeChecking?.expressionWarnings ?? []).map(({ fieldRef, warning }) => `${metadata.name} ${fieldRef}: ${warning}`),
    );
    expect(warnings).toEqual([]);
  });

  it('refuses changes of the parameters of the floor', async () => {
    const parameters = await guard.admin.list(FLOOR_PARAMETERS_KIND, {}, signal);
    expect(parameters.length).toBeGreaterThan(0);
    for (const { metadata, ...content } of parameters) {
      const ref = { name: metadata.name };
      expect(await guard.patch(FLOOR_PARAMETERS_KIND, ref, labelled({ team: 'x' }))).toContain('only the agent writes');
      expect(await refusalOf(guard.admin.delete(FLOOR_PARAMETERS_KIND, ref, signal))).toContain('only the agent writes');
      const forged = { ...content, metadata: { name: `${metadata.name}-forged` } };
      expect(await refusalOf(guard.admin.create(FLOOR_PARAMETERS_KIND, forged, {}, signal))).toContain('only the agent writes');
    }
  });

  it('protects the lease and the state of the agent', async () => {
    const ref = { namespace: SYSTEM_NAMESPACE, name: AGENT_LEASE };
    expect(await guard.patch(LEASE_KIND, ref, { spec: { holderIdentity: 'thief' } })).toContain('only the agent writes');
    for (const name of ['fso-agent-state', 'fso-agent-shapes']) {
      const state = { metadata: { namespace: SYSTEM_NAMESPACE, name } };
      expect(await refusalOf(guard.admin.create(CONFIG_MAP_KIND, state, {}, signal))).toContain('only the agent writes');
    }
    const identity = { metadata: { namespace: SYSTEM_NAMESPACE, name: 'fso-agent-identity' } };
    expect(await refusalOf(guard.admin.create(SECRET_KIND, identity, {}, signal))).toContain('only the agent writes');
    for (const namespace of [SYSTEM_NAMESPACE, 'default']) {
      const other = { metadata: { namespace, name: namespace === 'default' ? 'fso-agent-state' : 'notes' } };
      await guard.admin.create(CONFIG_MAP_KIND, other, {}, signal);
    }
  });

  it('writes user names as literals, with any characters', async () => {
    const names = [
      'plain',
      "o'brien",
      'x" || true || "',
      String.raw`CORP\admin`,
      String.raw`a\"`,
      'two\nlines\t',
      'ü 漢 😀 \u2028',
      '%s{}$(x)',
      '',
    ];
    const equals = names.map((name, index) => `object.data.n${index} == ${celString(name)}`).join(' && ');
    const literals = {
      metadata: { name: 'literals' },
      spec: {
        matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }] },
        validations: [{ expression: `!object.metadata.name.startsWith('literals') || (${equals})`, message: 'read otherwise' }],
      },
    };
    await guard.admin.create(ADMISSION_POLICY_KIND, literals, {}, signal);
    const binding = { metadata: literals.metadata, spec: { policyName: 'literals', validationActions: ['Deny'] } };
    await guard.admin.create(ADMISSION_POLICY_BINDING_KIND, binding, {}, signal);
    const send = (data: Record<string, string>): Promise<string> =>
      refusalOf(
        guard.admin.create(
          CONFIG_MAP_KIND,
          { metadata: { namespace: 'default', name: 'literals' }, data } as KubeObject,
          { dryRun: true },
          signal,
        ),
      );
    const data = Object.fromEntries(names.map((name, index) => [`n${index}`, name]));
    await eventually(async () => (await send({ ...data, n0: 'other' })).includes('read otherwise'));
    expect(await send(data)).toBe('');
    for (const key of Object.keys(data)) expect(await send({ ...data, [key]: `${data[key]}.` }), key).toContain('read otherwise');
    await guard.admin.delete(ADMISSION_POLICY_BINDING_KIND, literals.metadata, signal);
    await guard.admin.delete(ADMISSION_POLICY_KIND, literals.metadata, signal);
  });
});
