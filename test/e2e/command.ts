import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { expect } from '../browser/harness/dashboard.ts';
import type { RealWorld } from '../browser/harness/real-world.ts';
import { never as signal, waitFor } from '../harness/waiting.ts';

const root = join(import.meta.dirname, '..', '..');

export interface CommandResult {
  code: number;
  out: string;
  err: string;
}

/** Runs the command as a process of its own. */
export const runCommand = (world: RealWorld, args: readonly string[]): Promise<CommandResult> =>
  new Promise((resolve) => {
    const env = { ...process.env, FSO_SERVER: world.hubUrl, FSO_TOKEN: world.apiToken };
    execFile(process.execPath, [join(root, 'hub/cli/main.ts'), ...args], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, out, err });
    });
  });

/** The text of a policy. */
export const policy = (name: string, namespace: string, regions: readonly string[], extra = ''): string =>
  [
    'apiVersion: compliance.federated.io/v1',
    'kind: SovereignPolicy',
    `metadata: { name: ${name} }`,
    `spec: { targetNamespace: ${namespace}, allowedRegions: [${regions.join(', ')}]${extra} }`,
    '',
  ].join('\n');

/** Tests of the `fso` command against a live federation. */
export const describeCommand = (world: () => RealWorld): void => {
  const fso = (...args: string[]): Promise<CommandResult> => runCommand(world(), args);

  describe('the fso command against a live federation', () => {
    it('status: every cluster at the commit and proven', async () => {
      const { code, out } = await fso('status');
      const { revision } = await world().hub.source();
      expect(code).toBe(0);
      expect(out).toContain(revision?.revision.slice(0, 8));
      const all = {
        total: 3,
        connected: 3,
        notObserved: 0,
        disconnected: 0,
        neverSeen: 0,
        notAllKept: 0,
        inSync: 3,
        proven: 3,
        risksUnknown: 0,
        // Local API servers do not publish their number.
        denialsUnknown: 3,
        tampered: 0,
      };
      expect((await world().hub.status()).clusters).toEqual(all);
    });

    it('get policies: a table for people, JSON for programs', async () => {
      const table = await fso('get', 'policies');
      expect(table.out).toMatch(/finance-eu\s+.*finance/);
      expect(table.out).not.toContain('\u001b[');
      const json = JSON.parse((await fso('get', 'policies', '-o', 'json')).out);
      expect(JSON.stringify(json)).toContain('"eu-central-1"');
    });

    it('get violations: the pod from before the policy, with the reason', async () => {
      await waitFor(async () => {
        const { out } = await fso('get', 'violations', '-o', 'wide');
        expect(out).toMatch(/us\s.*crm-export/);
        expect(out).toContain('us-west-2');
      });
    });

    it('describe: a policy and a cluster', async () => {
      const described = await fso('describe', 'policy', 'finance-eu');
      expect(described.out).toContain('policies/finance-eu.yaml');
      expect((await fso('describe', 'cluster', 'eu')).out).toContain(await world().kube('eu').version(signal));
      expect((await fso('describe', 'policy', 'no-such')).code).not.toBe(0);
    });

    it('wait: returns when a commit is proven, and lists what clusters lack when the time is over', async () => {
      const revision = await world().repository.commit({ 'policies/new.yaml': policy('new', 'payroll', ['eu-west-1']) }, 'Add a policy');
      expect(await fso('wait', '--revision', revision, '--timeout', '300s')).toMatchObject({ code: 0 });
      const late = await fso('wait', '--revision', 'f'.repeat(40), '--timeout', '1s');
      expect(late.code).toBe(1);
      expect(late.err).toContain('ffffffff is not proven within 1 s');
    });

    it('explains a wrong token and an unreachable hub', async () => {
      const wrong = await fso('status', '--token', 'wrong-token-wrong-token');
      expect(wrong.code).not.toBe(0);
      expect(wrong.err).toMatch(/token/i);
      const absent = await fso('status', '--server', 'http://127.0.0.1:9');
      expect(absent.code).not.toBe(0);
      expect(absent.err).toContain('127.0.0.1:9');
    });
  });
};
