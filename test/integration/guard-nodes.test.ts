import { LEGACY_REGION_LABEL, LEGACY_ZONE_LABEL, REGION_LABEL, ZONE_LABEL } from '@fso/shared/api';
import { NODE_KIND, type Node } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { never as signal } from '../harness/waiting.ts';
import { labelled, useGuard } from './guard-harness.ts';

const guard = useGuard();

describe('the guard on nodes', () => {
  const MOVED = 'only trusted identities set the region';
  const node = (name: string, region?: string): Node => ({
    metadata: { name, labels: region === undefined ? {} : { [REGION_LABEL]: region } },
  });

  it('refuses a new region or zone of a node to all but trusted users', async () => {
    const name = 'us-east-1-a';
    for (const body of [
      labelled({ [REGION_LABEL]: 'eu-west-1' }),
      labelled({ [REGION_LABEL]: null }),
      labelled({ [LEGACY_REGION_LABEL]: 'eu-west-1' }),
      labelled({ [ZONE_LABEL]: 'eu-west-1a' }),
      labelled({ [LEGACY_ZONE_LABEL]: 'eu-west-1a' }),
    ]) {
      expect(await guard.patch(NODE_KIND, { name }, body)).toContain(MOVED);
      expect(await refusalOf(guard.send(guard.admin, 'PATCH', `/api/v1/nodes/${name}/status`, body))).toContain(MOVED);
    }
    expect(await refusalOf(guard.admin.create(NODE_KIND, node('new', 'eu-west-1'), {}, signal))).toContain(MOVED);
    for (const trusted of [await guard.as('cloud'), await guard.as('member', ['node-team'])]) {
      for (const region of ['us-west-2', 'us-east-1'])
        await trusted.mergePatch(NODE_KIND, { name }, labelled({ [REGION_LABEL]: region }), signal);
    }
  });

  it('refuses the first providerID of a node to all but trusted users, and Kubernetes every other', async () => {
    const name = 'us-east-1-a';
    const provided = (providerID: string) => ({ spec: { providerID } });
    const AWS = 'aws:///us-east-1a/i-1';
    expect(await guard.patch(NODE_KIND, { name }, provided('aws:///eu-west-1a/i-1'))).toContain(MOVED);
    const made = { metadata: { name: 'made' }, ...provided('aws:///eu-west-1a/i-2') };
    expect(await refusalOf(guard.admin.create(NODE_KIND, made, {}, signal))).toContain(MOVED);
    const cloud = await guard.as('cloud');
    await cloud.mergePatch(NODE_KIND, { name }, provided(AWS), signal);
    for (const other of ['aws:///eu-west-1a/i-1', '']) {
      const refusal = await refusalOf(cloud.mergePatch(NODE_KIND, { name }, provided(other), signal));
      expect(refusal).toContain('node updates may not change providerID');
    }
    // A patch of the status changes nothing of the spec.
    await guard.send(guard.admin, 'PATCH', `/api/v1/nodes/${name}/status`, provided('aws:///eu-west-1a/i-1'));
    expect((await guard.admin.get(NODE_KIND, { name }, signal))?.spec?.providerID).toBe(AWS);
  });

  it('allows a kubelet to set its region when it registers, and never later', async () => {
    const kubelet = openKubeClient({ kubeconfig: await guard.cluster.createUserKubeconfig('system:node:fresh', ['system:nodes']) });
    guard.clients.push(kubelet);
    await kubelet.create(NODE_KIND, node('fresh', 'eu-west-1'), {}, signal);
    expect(await refusalOf(kubelet.mergePatch(NODE_KIND, { name: 'fresh' }, labelled({ [REGION_LABEL]: 'us-east-1' }), signal))).toContain(
      MOVED,
    );
    expect(await refusalOf(guard.send(kubelet, 'PATCH', '/api/v1/nodes/fresh/status', { status: { capacity: { cpu: '2' } } }))).toBe('');
    const impostor = await guard.as('system:node:other');
    expect(await refusalOf(impostor.create(NODE_KIND, node('fresh-two', 'eu-west-1'), {}, signal))).toContain(MOVED);
    await guard.admin.delete(NODE_KIND, { name: 'fresh' }, signal);
  });

  it('allows all other changes of a node', async () => {
    await guard.admin.create(NODE_KIND, node('plain'), {}, signal);
    expect(await guard.patch(NODE_KIND, { name: 'plain' }, { ...labelled({ disk: 'ssd' }), spec: { unschedulable: true } })).toBe('');
    expect(await guard.patch(NODE_KIND, { name: 'us-east-1-a' }, labelled({ disk: 'ssd' }))).toBe('');
    await guard.admin.delete(NODE_KIND, { name: 'plain' }, signal);
  });
});
