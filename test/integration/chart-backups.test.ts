import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hubWith } from '../harness/chart-releases.ts';
import { Helm, type Values } from '../harness/helm.ts';
import { fieldOf, findObject } from '../harness/pod-template.ts';
import { never } from '../harness/waiting.ts';

let folder: string;
let helm: Helm;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-chart-backups-'));
  helm = await Helm.open(folder, never);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the backups of the hub', () => {
  const cronJobOf = async (values: Values): Promise<unknown> => findObject(await helm.render(hubWith(values)), 'CronJob');
  const STORAGE = { size: '20Gi', className: 'slow' };

  it('are off unless they are switched on', async () => {
    expect(await cronJobOf({})).toBeUndefined();
  });

  it('have schedule, number, token and volume of the values', async () => {
    const objects = await helm.render(
      hubWith({ backup: { enabled: true, schedule: '@hourly', keep: 48, storage: STORAGE, tokenSecret: { name: 'own', key: 'admin' } } }),
    );
    const job = findObject(objects, 'CronJob', 'fso-hub-backup');
    expect(fieldOf(job, 'spec.schedule')).toBe('@hourly');
    const pod = fieldOf(job, 'spec.jobTemplate.spec.template.spec');
    expect(fieldOf(pod, 'containers.0.args')).toEqual(expect.arrayContaining(['backup', '--from-hub', '--keep', '48', '/backup']));
    expect(fieldOf(pod, 'volumes.2.secret')).toMatchObject({ secretName: 'own', items: [{ key: 'admin', path: 'api-token' }] });
    expect(findObject(objects, 'PersistentVolumeClaim', 'fso-hub-backup')).toMatchObject({
      metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } },
      spec: { storageClassName: 'slow', resources: { requests: { storage: '20Gi' } } },
    });
  });

  it('go to a claim that is there', async () => {
    const objects = await helm.render(hubWith({ backup: { enabled: true, storage: { existingClaim: 'nfs' } } }));
    expect(findObject(objects, 'PersistentVolumeClaim')).toBeUndefined();
    expect(JSON.stringify(findObject(objects, 'CronJob'))).toContain('"claimName":"nfs"');
  });

  it('reach the hub and nothing else, and no Service takes them for a hub', async () => {
    const objects = await helm.render(hubWith({ backup: { enabled: true } }));
    const labels = fieldOf(findObject(objects, 'CronJob'), 'spec.jobTemplate.spec.template.metadata.labels');
    expect(labels).toMatchObject({ 'app.kubernetes.io/name': 'fso-hub-backup' });
    const own = findObject(objects, 'NetworkPolicy', 'fso-hub-backup');
    expect(fieldOf(own, 'spec.podSelector.matchLabels')).toEqual(labels);
    const hub = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'fso-hub', 'app.kubernetes.io/instance': 'fso-hub' } } };
    expect(fieldOf(own, 'spec.egress.1')).toEqual({ to: [hub], ports: [{ protocol: 'TCP', port: 'api' }] });
    expect(fieldOf(findObject(objects, 'NetworkPolicy', 'fso-hub'), 'spec.ingress')).toContainEqual({
      from: [{ podSelector: { matchLabels: labels } }],
      ports: [{ protocol: 'TCP', port: 'api' }],
    });
    const without = await helm.render(hubWith());
    expect(fieldOf(findObject(without, 'NetworkPolicy', 'fso-hub'), 'spec.ingress')).toHaveLength(1);
  });

  it('need a token of an administrator', async () => {
    const oidc = { issuer: 'https://login.example.com', clientId: 'fso', roleMap: 'admin=a' };
    const access = { publicUrl: 'https://fso.example.com', oidc };
    await expect(cronJobOf({ access, backup: { enabled: true } })).rejects.toThrow(/backup\.tokenSecret/);
    expect(await cronJobOf({ access, backup: { enabled: true, tokenSecret: { name: 'own' } } })).toBeDefined();
  });
});
